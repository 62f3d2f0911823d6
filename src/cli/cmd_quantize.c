/* glia quantize: a model with its matrices in smaller types. */
#include "cli/cli.h"

#include "base/error.h"

#include <glia/convert.h>
#include <stdio.h>
#include <string.h>

typedef struct listing {
    cli *c;
    bool progress; /* lines on stderr as it goes */
} listing;

static void put_shape(glia_writer *w, const glia_quantize_tensor *t)
{
    glia_write_text(w, "[");
    for (int i = 0; i < t->rank; i++) glia_write_text(w, i ? ", %lld" : "%lld", (long long)t->dims[i]);
    glia_write_text(w, "]");
}

static void put_line(glia_writer *w, const glia_quantize_tensor *t)
{
    char from[32], to[32];
    glia_write_text(w, "[%4lld/%lld] ", (long long)t->index + 1, (long long)t->count);
    cli_write_safe(w, t->name, (int64_t)strlen(t->name), 120);
    glia_write_text(w, " ");
    put_shape(w, t);
    glia_write_text(w, " %s", glia_dtype_name(t->from));
    if (t->from != t->to)
        glia_write_text(w, " -> %s%s%s, %s -> %s", glia_dtype_name(t->to),
                        t->fallback ? " (its rows do not fit the type wanted)" : "",
                        t->important ? " (weighed)" : "", cli_bytes_text(t->bytes_from, from),
                        cli_bytes_text(t->bytes_to, to));
    else glia_write_text(w, ", kept");
    glia_write_text(w, "\n");
}

static void put_json(cli *c, const glia_quantize_tensor *t)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "name", t->name, -1);
    glia_json_put_string(j, "from", glia_dtype_name(t->from), -1);
    glia_json_put_string(j, "to", glia_dtype_name(t->to), -1);
    glia_json_open(j, "dims", '[');
    for (int i = 0; i < t->rank; i++) glia_json_put_i64(j, NULL, t->dims[i]);
    glia_json_close(j, ']');
    glia_json_put_i64(j, "bytes_from", t->bytes_from);
    glia_json_put_i64(j, "bytes_to", t->bytes_to);
    glia_json_put_bool(j, "fallback", t->fallback != 0);
    glia_json_put_bool(j, "important", t->important != 0);
    glia_json_close(j, '}');
}

static int on_tensor(void *user, const glia_quantize_tensor *t)
{
    listing *l = user;
    if (l->c->set.json) put_json(l->c, t);
    else if (l->c->set.dry_run) put_line(&l->c->out, t);
    if (l->progress) {
        glia_writer w = {.arena = &l->c->arena};
        put_line(&w, t);
        if (!w.failed) fprintf(stderr, "%.*s", (int)w.size, (const char *)w.data);
    }
    return cli_interrupted();
}

static void put_summary(cli *c, const char *type, const glia_quantize_summary *s)
{
    char from[32], to[32];
    glia_write_text(&c->out, "%s: %lld of %lld tensors changed, %s -> %s\n", type, (long long)s->quantized,
                    (long long)s->tensors, cli_bytes_text(s->bytes_from, from),
                    cli_bytes_text(s->bytes_to, to));
    if (s->fallbacks)
        glia_write_text(&c->out, "%lld tensors have rows that do not fit the type wanted, and got another\n",
                        (long long)s->fallbacks);
    if (s->requantized)
        glia_write_text(
            &c->out,
            "%lld tensors were in a block format before: errors add up; an F16 or F32 file is better\n",
            (long long)s->requantized);
    if (s->unimportant)
        glia_write_text(&c->out, "%lld tensors are not in the importance matrix\n",
                        (long long)s->unimportant);
}

static void put_json_summary(cli *c, const char *type, const glia_quantize_summary *s)
{
    glia_json_writer *j = &c->json;
    glia_json_close(j, ']');
    glia_json_put_string(j, "type", type, -1);
    glia_json_put_i64(j, "tensor_count", s->tensors);
    glia_json_put_i64(j, "quantized", s->quantized);
    glia_json_put_i64(j, "fallbacks", s->fallbacks);
    glia_json_put_i64(j, "requantized", s->requantized);
    glia_json_put_i64(j, "unimportant", s->unimportant);
    glia_json_put_i64(j, "bytes_from", s->bytes_from);
    glia_json_put_i64(j, "bytes_to", s->bytes_to);
    glia_json_close(j, '}');
    glia_write_text(&c->out, "\n");
}

int cli_cmd_quantize(cli *c)
{
    const cli_settings *set = &c->set;
    bool dry = set->dry_run;
    if (c->arg_count < 3 && !dry) return cli_usage(c, "MODEL, OUT and TYPE are needed");
    const char *type = c->args[c->arg_count - 1], *out = c->arg_count == 3 ? c->args[1] : NULL;
    listing l = {c, !dry && !set->json};
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_quantize_summary s = GLIA_QUANTIZE_SUMMARY_INIT;
    o.threads = set->threads == CLI_UNSET ? 0 : (int32_t)set->threads;
    o.imatrix = set->imatrix;
    o.pure = set->pure;
    o.dry_run = dry;
    o.on_tensor = on_tensor;
    o.user = &l;
    cli_catch_interrupt();
    if (set->json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_open(&c->json, "tensors", '[');
    }
    glia_status st = glia_quantize(c->args[0], out, type, &o, &s, &c->error);
    if (st == GLIA_E_NOT_FOUND && !strcmp(c->error.code, "G0520")) return cli_usage(c, "%s", c->error.text);
    if (st) return cli_refused(c);
    if (set->json) put_json_summary(c, type, &s);
    else put_summary(c, type, &s);
    return CLI_OK;
}
