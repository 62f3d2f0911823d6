/* Templates in the Jinja language, as chat templates use it, with the semantics of Jinja 3.1 under
 * trim_blocks and lstrip_blocks in its immutable sandbox.
 *
 * A template is compiled once into instructions and rendered any number of times, by any number of threads.
 * Compiling and rendering keep explicit stacks: no text makes them recurse. What a render may use is bounded:
 * work, memory, output, depth of calls; passing a bound is an error (G0674), as is everything else that goes
 * wrong, with the line and column of the template.
 *
 * Refused by name when compiled: unknown tags, filters and tests; include, import, extends, block;
 * recursive loops; *args and **kwargs. Refused by name when rendered: unknown methods, methods that change a
 * list or dict (the sandbox forbids them too), integers beyond 64 bits.
 *
 * Every byte of the output carries a mark that says where it came from: 1 from the caller's data, 0 from the
 * template itself. Marks follow the text through all operations: concatenation, slices, filters, methods. */
#ifndef GLIA_TEXT_TEMPLATE_H
#define GLIA_TEXT_TEMPLATE_H

#include "base/json.h"

typedef struct glia_template glia_template;

enum { GLIA_TEMPLATE_NESTING = 200 }; /* of blocks and brackets in the text, calls and values in a render */
#define GLIA_TEMPLATE_SOURCE_MAX ((int64_t)1 << 20)

/* Compiles text[0..size), which is copied. os null: the default table. GLIA_E_FORMAT (G0670: syntax),
 * GLIA_E_UNSUPPORTED (G0671), GLIA_E_LIMIT (G0674), GLIA_E_NOMEM. */
glia_status glia_template_compile(const glia_os *os, const char *text, int64_t size, glia_template **out,
                                  glia_error *e);
/* Null is allowed. */
void glia_template_destroy(glia_template *t);
/* Does the template's text mention this name as a variable? */
bool glia_template_uses(const glia_template *t, const char *name);
/* Does a text constant or plain text of the template contain this? */
bool glia_template_says(const glia_template *t, const char *text);

typedef struct glia_template_variable {
    const char *name;
    const glia_json *value;
    bool trusted; /* its texts count as the template's own: mark 0 */
} glia_template_variable;

typedef struct glia_template_input { /* zero-initialise */
    const glia_template_variable *variables;
    int64_t variable_count;
    int64_t work_max;   /* units of work; about an instruction or a few bytes each; 0: 100 million */
    int64_t memory_max; /* bytes; 0: 256 MiB */
    int64_t output_max; /* bytes; 0: 16 MiB */
    int64_t now;        /* seconds since 1970, local time, for strftime_now; 0: it is refused */
} glia_template_input;

typedef struct glia_template_output {
    const char *text; /* in the arena that was given, NUL-terminated */
    int64_t size;
    const uint8_t *marks; /* [size] 1: from data, 0: from the template or trusted */
} glia_template_output;

/* GLIA_E_ARG (G0672: the template raised an exception, the message is its own), GLIA_E_FORMAT (G0673: a type
 * or name that does not fit), GLIA_E_UNSUPPORTED (G0675), GLIA_E_LIMIT (G0674), GLIA_E_NOMEM. */
glia_status glia_template_render(const glia_template *t, const glia_template_input *input, glia_arena *arena,
                                 glia_template_output *out, glia_error *e);

#endif
