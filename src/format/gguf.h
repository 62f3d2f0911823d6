/* Reads the header of a GGUF file (versions 2 and 3, little-endian) and the bytes of its tensors.
 *
 * The file is hostile until proven otherwise: every count is checked against the bytes that are there
 * before anything is allocated for it, every size is checked for overflow, and what contradicts itself is
 * refused with a code (G03xx) and the offset in the file. Refused by name: version 1, big-endian files and
 * arrays of arrays. A file without tensors is a vocabulary and opens as any other.
 *
 * A model may be split over files "x-00001-of-00003.gguf" to "x-00003-of-00003.gguf". Opening the first opens
 * all of them as one; another is refused with the name of the first. The names come from the given path and
 * the rule above, never from what a file says (gguf_split.c).
 *
 * An open file is immutable: any number of threads may read it, but glia_gguf_map is for one at a time.
 *
 * Traps: dimensions are reversed here (outermost first, as everywhere in Glia), in the file the innermost
 * comes first. Texts of values are not terminated and may hold any byte; keys and tensor names are
 * terminated, valid UTF-8 and free of NUL. */
#ifndef GLIA_FORMAT_GGUF_H
#define GLIA_FORMAT_GGUF_H

#include <glia/dtype.h>
#include <glia/graph.h>
#include <glia/os.h>
#include <stdbool.h>

typedef struct glia_gguf glia_gguf;

/* The most that a file may ask for; 0 means the default. */
typedef struct glia_gguf_limits {
    int64_t header_bytes;   /* 256 MiB */
    int64_t tensors;        /* 65 536 */
    int64_t keys;           /* 65 536 */
    int64_t string_bytes;   /* 64 MiB */
    int64_t array_elements; /* 16 Mi */
} glia_gguf_limits;

typedef enum { /* GGUF's own numbers */
               GLIA_GGUF_U8 = 0,
               GLIA_GGUF_I8 = 1,
               GLIA_GGUF_U16 = 2,
               GLIA_GGUF_I16 = 3,
               GLIA_GGUF_U32 = 4,
               GLIA_GGUF_I32 = 5,
               GLIA_GGUF_F32 = 6,
               GLIA_GGUF_BOOL = 7,
               GLIA_GGUF_STRING = 8,
               GLIA_GGUF_ARRAY = 9,
               GLIA_GGUF_U64 = 10,
               GLIA_GGUF_I64 = 11,
               GLIA_GGUF_F64 = 12,
               GLIA_GGUF_TYPE_COUNT
} glia_gguf_type;

typedef struct glia_gguf_string {
    const char *text; /* not terminated, any bytes */
    int64_t size;
} glia_gguf_string;

typedef struct glia_gguf_value {
    const char *key; /* terminated */
    int64_t key_size;
    glia_gguf_type type;
    glia_gguf_type element;          /* of an array; else the same as type */
    int64_t count;                   /* elements of an array; else 1 */
    const void *data;                /* arrays of numbers: little-endian, maybe unaligned; else null */
    const glia_gguf_string *strings; /* arrays of strings, and single strings; else null */
    uint64_t bits;  /* scalars: integers extended to 64 bits by their sign, floats as their bits */
    int64_t offset; /* of the value in the file */
} glia_gguf_value;

typedef struct glia_gguf_tensor {
    const char *name; /* terminated */
    glia_dtype dtype; /* GLIA_DTYPE_NONE: a type that is not read here; listed only */
    int gguf_type;
    int rank;                    /* 1..4 */
    int64_t dims[GLIA_RANK_MAX]; /* outermost first */
    int64_t offset;              /* absolute, of the data in the file */
    int64_t bytes;               /* -1 where the size of the type is unknown */
    int64_t info_offset;         /* of the description in the header, for errors */
    int part;                    /* which of the model's files it lies in; 0: the only or first one */
} glia_gguf_tensor;

/* Opens the file at `path`, reads the header and keeps the file open. `os` null: the default; `limits` null:
 * the defaults. On success *out is owned by the caller; else it is null. GLIA_E_IO, GLIA_E_NOMEM,
 * GLIA_E_FORMAT, GLIA_E_LIMIT, GLIA_E_UNSUPPORTED. */
glia_status glia_gguf_open(const glia_os *os, const char *path, const glia_gguf_limits *limits,
                           glia_gguf **out, glia_error *e);
/* The same from memory: data[0, header_available) is the beginning of a file of `file_size` bytes. It is
 * borrowed until close. Tensors can be read as far as they lie within it. */
glia_status glia_gguf_parse(const glia_os *os, const void *data, int64_t header_available, int64_t file_size,
                            const glia_gguf_limits *limits, glia_gguf **out, glia_error *e);
/* Null is allowed. */
void glia_gguf_close(glia_gguf *g);

/* The last part of the path that was opened; "memory" after glia_gguf_parse. */
const char *glia_gguf_file_name(const glia_gguf *g);
int glia_gguf_version(const glia_gguf *g);
int64_t glia_gguf_file_bytes(const glia_gguf *g); /* of all parts together */
int glia_gguf_part_count(const glia_gguf *g);     /* 1 for a model in one file */
/* The name, without its folder, of the file that holds t. */
const char *glia_gguf_tensor_file(const glia_gguf *g, const glia_gguf_tensor *t);
int64_t glia_gguf_alignment(const glia_gguf *g);
/* Where the tensors' data begin. */
int64_t glia_gguf_data_offset(const glia_gguf *g);
/* "U32", "ARRAY"; "?" out of range. */
const char *glia_gguf_type_name(int type);
/* Bytes of a number of this type; 0 for STRING, ARRAY and out of range. */
int glia_gguf_type_bytes(int type);
/* ggml's name of a tensor type number ("Q4_0", "IQ2_XXS"); "?" for a number that ggml does not know. */
const char *glia_gguf_tensor_type_name(int gguf_type);
/* Why a tensor type that has no dtype is not read, as the end of a sentence. */
const char *glia_gguf_tensor_type_reason(int gguf_type);
/* Elements and bytes of a block, also of types that are not read; false (and 0) if they are unknown. */
bool glia_gguf_tensor_type_size(int gguf_type, int *elements, int *bytes);

/* Metadata in the order of the file. */
int64_t glia_gguf_count(const glia_gguf *g);
const glia_gguf_value *glia_gguf_at(const glia_gguf *g, int64_t i);         /* null out of range */
const glia_gguf_value *glia_gguf_find(const glia_gguf *g, const char *key); /* null: not there */

/* Values with their type checked. Absent: GLIA_E_NOT_FOUND (G0321); the _or form gives `fallback` instead.
 * Of another type or out of range: GLIA_E_FORMAT (G0322). On error *out is left alone.
 * u64 and i64 take any integer type in range, f64 takes F32 and F64. */
glia_status glia_gguf_u64(const glia_gguf *g, const char *key, uint64_t *out, glia_error *e);
glia_status glia_gguf_u64_or(const glia_gguf *g, const char *key, uint64_t fallback, uint64_t *out,
                             glia_error *e);
glia_status glia_gguf_i64(const glia_gguf *g, const char *key, int64_t *out, glia_error *e);
glia_status glia_gguf_i64_or(const glia_gguf *g, const char *key, int64_t fallback, int64_t *out,
                             glia_error *e);
glia_status glia_gguf_f64(const glia_gguf *g, const char *key, double *out, glia_error *e);
glia_status glia_gguf_f64_or(const glia_gguf *g, const char *key, double fallback, double *out,
                             glia_error *e);
glia_status glia_gguf_bool(const glia_gguf *g, const char *key, bool *out, glia_error *e);
glia_status glia_gguf_bool_or(const glia_gguf *g, const char *key, bool fallback, bool *out, glia_error *e);
glia_status glia_gguf_string_of(const glia_gguf *g, const char *key, glia_gguf_string *out, glia_error *e);
/* fallback null: an empty text with text == null. */
glia_status glia_gguf_string_or(const glia_gguf *g, const char *key, const char *fallback,
                                glia_gguf_string *out, glia_error *e);
/* An array whose elements have this type. */
glia_status glia_gguf_array_of(const glia_gguf *g, const char *key, glia_gguf_type element,
                               const glia_gguf_value **out, glia_error *e);
/* The same, *out null if the key is absent. */
glia_status glia_gguf_array_or_null(const glia_gguf *g, const char *key, glia_gguf_type element,
                                    const glia_gguf_value **out, glia_error *e);

/* Element i of an array of numbers (or the scalar, i = 0). False: no such element, or not a number of that
 * kind (i64: integers and bools within its range; f64: floats). */
bool glia_gguf_element_i64(const glia_gguf_value *v, int64_t i, int64_t *out);
bool glia_gguf_element_f64(const glia_gguf_value *v, int64_t i, double *out);

/* Tensors in the order of the file. */
int64_t glia_gguf_tensor_count(const glia_gguf *g);
const glia_gguf_tensor *glia_gguf_tensor_at(const glia_gguf *g, int64_t i); /* null out of range */
const glia_gguf_tensor *glia_gguf_tensor_find(const glia_gguf *g, const char *name);

/* Copies bytes [byte_begin, byte_begin + bytes) of t's data to `to`.
 * GLIA_E_UNSUPPORTED (G0323: t's type is unknown here), GLIA_E_ARG (G0325: beyond t), GLIA_E_IO. */
glia_status glia_gguf_read(const glia_gguf *g, const glia_gguf_tensor *t, int64_t byte_begin, int64_t bytes,
                           void *to, glia_error *e);
/* The files themselves, part 0 to glia_gguf_part_count - 1: their size, when they were changed last (ns; 0:
 * unknown, or in memory), and their bytes. GLIA_E_ARG (G0325: beyond the file), GLIA_E_IO. */
int64_t glia_gguf_part_bytes(const glia_gguf *g, int part);
int64_t glia_gguf_part_time(const glia_gguf *g, int part);
glia_status glia_gguf_part_read(const glia_gguf *g, int part, int64_t begin, int64_t bytes, void *to,
                                glia_error *e);
/* Refuses by name what is no language model: adapters, multimodal projectors, importance matrices.
 * GLIA_E_UNSUPPORTED (G0348). */
glia_status glia_gguf_require_model(const glia_gguf *g, glia_error *e);

/* The whole file in memory, until close. Only for files that the caller vouches for: if another process cuts
 * the file meanwhile, touching the mapping ends the process. GLIA_E_IO. */
glia_status glia_gguf_map(glia_gguf *g, const void **data, glia_error *e);

#endif
