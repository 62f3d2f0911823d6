/* glia inspect: what a model file holds, from its header. SafeTensors and ONNX files are told by their names. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/number.h"
#include "format/gguf.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MOST = 120, ARRAY_MOST = 8 };

static void put_json_element(glia_json_writer *j, const char *key, const glia_gguf_value *v, int64_t i)
{
    int64_t n;
    double d;
    if (v->element == GLIA_GGUF_STRING) glia_json_put_string(j, key, v->strings[i].text, v->strings[i].size);
    else if (v->element == GLIA_GGUF_BOOL && glia_gguf_element_i64(v, i, &n))
        glia_json_put_bool(j, key, n != 0);
    else if (glia_gguf_element_i64(v, i, &n)) glia_json_put_i64(j, key, n);
    else if (glia_gguf_element_f64(v, i, &d)) glia_json_put_f64(j, key, d);
    else glia_json_put_null(j, key);
}

/* A U64 above 2^63 does not fit i64; as a text no digit is lost. */
static bool wide(const glia_gguf_value *v) { return v->type == GLIA_GGUF_U64 && v->bits > INT64_MAX; }

static void put_json_value(cli *c, const glia_gguf_value *v)
{
    glia_json_writer *j = &c->json;
    char digits[24];
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "key", v->key, v->key_size);
    glia_json_put_string(j, "type", glia_gguf_type_name(v->type), -1);
    if (v->type != GLIA_GGUF_ARRAY) {
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)v->bits);
        if (wide(v)) glia_json_put_string(j, "value", digits, -1);
        else put_json_element(j, "value", v, 0);
    } else {
        glia_json_put_string(j, "element", glia_gguf_type_name(v->element), -1);
        glia_json_put_i64(j, "count", v->count);
        glia_json_open(j, "first", '[');
        for (int64_t i = 0; i < v->count && i < ARRAY_MOST; i++) put_json_element(j, NULL, v, i);
        glia_json_close(j, ']');
    }
    glia_json_close(j, '}');
}

static void put_json_tensor(cli *c, const glia_gguf *g, const glia_gguf_tensor *t)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "name", t->name, -1);
    glia_json_put_string(j, "type", glia_gguf_tensor_type_name(t->gguf_type), -1);
    glia_json_put_i64(j, "type_number", t->gguf_type);
    glia_json_put_bool(j, "readable", t->dtype != GLIA_DTYPE_NONE);
    glia_json_open(j, "dims", '[');
    for (int i = 0; i < t->rank; i++) glia_json_put_i64(j, NULL, t->dims[i]);
    glia_json_close(j, ']');
    if (t->bytes < 0) glia_json_put_null(j, "bytes");
    else glia_json_put_i64(j, "bytes", t->bytes);
    glia_json_put_i64(j, "offset", t->offset);
    if (glia_gguf_part_count(g) > 1) glia_json_put_string(j, "file", glia_gguf_tensor_file(g, t), -1);
    glia_json_close(j, '}');
}

static void put_json(cli *c, const glia_gguf *g)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "file", glia_gguf_file_name(g), -1);
    glia_json_put_i64(j, "version", glia_gguf_version(g));
    glia_json_put_i64(j, "file_bytes", glia_gguf_file_bytes(g));
    glia_json_put_i64(j, "parts", glia_gguf_part_count(g));
    glia_json_put_i64(j, "alignment", glia_gguf_alignment(g));
    glia_json_put_i64(j, "data_offset", glia_gguf_data_offset(g));
    glia_json_open(j, "metadata", '[');
    for (int64_t i = 0; i < glia_gguf_count(g); i++) put_json_value(c, glia_gguf_at(g, i));
    glia_json_close(j, ']');
    glia_json_open(j, "tensors", '[');
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) put_json_tensor(c, g, glia_gguf_tensor_at(g, i));
    glia_json_close(j, ']');
    glia_json_close(j, '}');
    glia_write_text(&c->out, "\n");
}

static void put_element(glia_writer *w, const glia_gguf_value *v, int64_t i)
{
    char number[GLIA_NUMBER_TEXT];
    int64_t n;
    double d;
    if (v->element == GLIA_GGUF_STRING) {
        glia_write_text(w, "\"");
        cli_write_safe(w, v->strings[i].text, v->strings[i].size, TEXT_MOST);
        glia_write_text(w, "\"");
    } else if (v->element == GLIA_GGUF_BOOL && glia_gguf_element_i64(v, i, &n)) {
        glia_write_text(w, n ? "true" : "false");
    } else if (glia_gguf_element_i64(v, i, &n)) {
        glia_write_text(w, "%lld", (long long)n);
    } else if (glia_gguf_element_f64(v, i, &d)) {
        glia_number_format(d, number);
        glia_write_text(w, "%s", number);
    } else {
        glia_write_text(w, "?");
    }
}

static void put_value(glia_writer *w, const glia_gguf_value *v)
{
    glia_write_text(w, "  ");
    cli_write_safe(w, v->key, v->key_size, TEXT_MOST);
    glia_write_text(w, " = ");
    if (wide(v)) {
        glia_write_text(w, "%llu\n", (unsigned long long)v->bits);
        return;
    }
    if (v->type != GLIA_GGUF_ARRAY) {
        put_element(w, v, 0);
        glia_write_text(w, "\n");
        return;
    }
    glia_write_text(w, "%s[%lld] [", glia_gguf_type_name(v->element), (long long)v->count);
    for (int64_t i = 0; i < v->count && i < ARRAY_MOST; i++) {
        if (i) glia_write_text(w, ", ");
        put_element(w, v, i);
    }
    glia_write_text(w, v->count > ARRAY_MOST ? ", ...]\n" : "]\n");
}

static void put_tensor(glia_writer *w, const glia_gguf_tensor *t)
{
    int64_t before = w->size;
    glia_write_text(w, "  ");
    cli_write_safe(w, t->name, (int64_t)strlen(t->name), TEXT_MOST);
    int used = (int)glia_min(w->size - before, 40);
    glia_write_text(w, "%*s ", 40 - used, "");
    before = w->size;
    glia_write_text(w, "[");
    for (int i = 0; i < t->rank; i++) glia_write_text(w, i ? ", %lld" : "%lld", (long long)t->dims[i]);
    glia_write_text(w, "]");
    used = (int)glia_min(w->size - before, 20);
    const char *type = glia_gguf_tensor_type_name(t->gguf_type);
    glia_write_text(w, "%*s ", 20 - used, "");
    if (type[0] == '?') glia_write_text(w, "type %-5d", t->gguf_type);
    else glia_write_text(w, "%-10s", type);
    if (t->bytes < 0) glia_write_text(w, " size unknown: this type cannot be read here\n");
    else glia_write_text(w, " %12lld bytes\n", (long long)t->bytes);
}

static void put_text(cli *c, const glia_gguf *g)
{
    glia_writer *w = &c->out;
    char human[32];
    int64_t tensors = glia_gguf_tensor_count(g), known = 0;
    glia_write_text(w, "file: ");
    cli_write_safe(w, glia_gguf_file_name(g), (int64_t)strlen(glia_gguf_file_name(g)), 4096);
    glia_write_text(w, "\nGGUF version %d, %lld bytes (%s), alignment %lld, data at %lld\n",
                    glia_gguf_version(g), (long long)glia_gguf_file_bytes(g),
                    cli_bytes_text(glia_gguf_file_bytes(g), human), (long long)glia_gguf_alignment(g),
                    (long long)glia_gguf_data_offset(g));
    if (glia_gguf_part_count(g) > 1)
        glia_write_text(w, "in %d files, of which this is the first\n", glia_gguf_part_count(g));
    glia_write_text(w, "\nmetadata: %lld\n", (long long)glia_gguf_count(g));
    for (int64_t i = 0; i < glia_gguf_count(g); i++) put_value(w, glia_gguf_at(g, i));
    glia_write_text(w, "\ntensors: %lld%s\n", (long long)tensors, tensors ? "" : " (a vocabulary)");
    for (int64_t i = 0; i < tensors; i++) {
        put_tensor(w, glia_gguf_tensor_at(g, i));
        known += glia_max(0, glia_gguf_tensor_at(g, i)->bytes);
    }
    if (tensors)
        glia_write_text(w, "  together %lld bytes (%s)\n", (long long)known, cli_bytes_text(known, human));
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

int cli_cmd_inspect(cli *c)
{
    glia_gguf *g;
    if (ends_with(c->args[0], ".safetensors") || ends_with(c->args[0], ".safetensors.index.json"))
        return cli_inspect_safetensors(c);
    if (ends_with(c->args[0], ".onnx")) return cli_net_inspect(c);
    if (glia_gguf_open(NULL, c->args[0], NULL, &g, &c->error)) return cli_refused(c);
    if (c->set.json) put_json(c, g);
    else put_text(c, g);
    glia_gguf_close(g);
    return CLI_OK;
}
