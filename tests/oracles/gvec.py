"""GVEC: the container of the committed reference vectors.

All numbers are little-endian, nothing is padded or aligned:

    char[4]  magic "GVEC"
    u32      version, 1
    u32      count of sections
    then for each section
        u32      name_len, and name_len bytes of name (ASCII, no terminator)
        u32      dtype: 0 u8, 1 f32, 2 i32, 3 f64
        u32      rank
        u64      dims[rank], outermost first
        raw data, product(dims) elements, row-major

Needs numpy.
"""

import struct

import numpy as np

MAGIC = b"GVEC"
VERSION = 1
DTYPES = [np.dtype("u1"), np.dtype("<f4"), np.dtype("<i4"), np.dtype("<f8")]


def write(path, sections):
    """Writes {name: array}. The arrays must already have one of the four dtypes, so that no value is
    rounded on its way into the file."""
    with open(path, "wb") as out:
        out.write(MAGIC + struct.pack("<II", VERSION, len(sections)))
        for name, array in sections.items():
            out.write(struct.pack("<I", len(name)) + name.encode("ascii"))
            out.write(struct.pack("<II", DTYPES.index(array.dtype), array.ndim))
            out.write(struct.pack(f"<{array.ndim}Q", *array.shape))
            out.write(np.ascontiguousarray(array).tobytes())


def read(path):
    """Reads a file back as {name: array}."""
    with open(path, "rb") as source:
        data = source.read()
    magic, version, count = struct.unpack_from("<4sII", data)
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"{path}: not a GVEC file of version {VERSION}")
    offset, sections = 12, {}
    for _ in range(count):
        name, array, offset = _read_section(data, offset)
        sections[name] = array
    if offset != len(data):
        raise ValueError(f"{path}: {len(data) - offset} bytes after the last section")
    return sections


def _read_section(data, offset):
    (name_len,) = struct.unpack_from("<I", data, offset)
    name = data[offset + 4 : offset + 4 + name_len].decode("ascii")
    offset += 4 + name_len
    dtype_code, rank = struct.unpack_from("<II", data, offset)
    dims = struct.unpack_from(f"<{rank}Q", data, offset + 8)
    offset += 8 + 8 * rank
    dtype = DTYPES[dtype_code]
    elements = int(np.prod(dims, dtype=np.int64))
    array = np.frombuffer(data, dtype, elements, offset).reshape(dims)
    return name, array, offset + elements * dtype.itemsize
