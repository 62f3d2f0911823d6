"""Makes the wheel: the package and libglia.so beside it, for one platform and any Python 3. It is a build backend
(pyproject.toml names it) and a program:

    python3 wheel_of_library.py FOLDER [LIBGLIA.SO]

The same files give the same bytes. Without a library given, GLIA_WHEEL_LIBRARY says where it is,
    else it is the one that
make has put into build/release."""

import base64
import hashlib
import os
import pathlib
import re
import sys
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def _settings():
    text = (HERE / "pyproject.toml").read_text()
    found = {key: re.search(rf'^{key} = "(.*)"$', text, re.M).group(1) for key in ("name", "version", "description",
                                                                                  "requires-python")}
    found["requires"] = re.search(r"^dependencies = \[(.*)\]$", text, re.M).group(1)
    return found


def _metadata(s):
    lines = ["Metadata-Version: 2.1", f"Name: {s['name']}", f"Version: {s['version']}", f"Summary: {s['description']}",
             "License: MIT", f"Requires-Python: {s['requires-python']}"]
    lines += [f"Requires-Dist: {d.strip().strip(chr(34))}" for d in s["requires"].split(",") if d.strip()]
    lines += ["Provides-Extra: torch", 'Requires-Dist: torch>=2.6; extra == "torch"', "Provides-Extra: extra",
              'Requires-Dist: ml_dtypes; extra == "extra"']
    return "\n".join(lines) + "\n"


def make(folder, library=None):
    """Writes the wheel and returns its file name."""
    s = _settings()
    library = pathlib.Path(library or os.environ.get("GLIA_WHEEL_LIBRARY") or HERE / "../../build/release/libglia.so")
    if not library.is_file():
        raise SystemExit(f"{library} is not there: run `make wheel` in the project's folder")
    tag = "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
    info = f"{s['name']}-{s['version']}.dist-info"
    files = {str(p.relative_to(HERE)): p.read_bytes() for p in sorted((HERE / "glia").rglob("*.py"))}
    files["glia/py.typed"] = b""
    files["glia/libglia.so"] = library.read_bytes()
    files[f"{info}/METADATA"] = _metadata(s).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: glia\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join(record) + f"{info}/RECORD,,\n").encode()
    name = f"{s['name']}-{s['version']}-{tag}.whl"
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return make(wheel_directory)


if __name__ == "__main__":
    print(make(sys.argv[1] if len(sys.argv) > 1 else "dist", sys.argv[2] if len(sys.argv) > 2 else None))
