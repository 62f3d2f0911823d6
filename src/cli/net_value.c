/* Values of networks: from .npy and .pb files, into .npy and .json files, made at random, and compared. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/file.h"
#include "format/npy.h"
#include "format/onnx.h"
#include "tensor/dtype.h"
#include "tensor/lowbit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX ((int64_t)4 << 30)

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

bool cli_is_net(const char *path) { return ends_with(path, ".onnx") || ends_with(path, ".glia"); }

glia_net_options cli_net_options(const cli *c, int64_t threads)
{
    const cli_settings *s = &c->set;
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    o.threads = threads == CLI_UNSET ? 0 : (int32_t)threads;
    o.slots = s->slots == CLI_UNSET ? 0 : (int32_t)s->slots;
    o.memory_limit = s->memory_limit == CLI_UNSET ? 0 : s->memory_limit;
    o.isa = s->isa;
    o.level = s->level == CLI_UNSET ? 0 : (int32_t)s->level;
    o.plain = s->plain;
    return o;
}

int cli_net_open(cli *c, int64_t threads, glia_net **out)
{
    const glia_net_options o = cli_net_options(c, threads);
    return glia_net_open(c->args[0], &o, out, &c->error) ? cli_refused(c) : CLI_OK;
}

void cli_net_release(glia_object **o, int count)
{
    for (int i = 0; i < count; i++) {
        glia_object_release(o[i]);
        o[i] = NULL;
    }
}

/* ---- texts */

static int dims_text(char *buf, int size, int rank, const int64_t *dims, const char *const *names)
{
    int n = snprintf(buf, (size_t)size, "[");
    for (int i = 0; i < rank && n < size; i++) {
        const char *comma = i ? ", " : "";
        if (dims[i] >= 0) n += snprintf(buf + n, (size_t)(size - n), "%s%lld", comma, (long long)dims[i]);
        else n += snprintf(buf + n, (size_t)(size - n), "%s%.40s", comma, names && names[i] ? names[i] : "?");
    }
    if (n < size) n += snprintf(buf + n, (size_t)(size - n), "]");
    return n;
}

static const char *const kind_names[] = {"tensor", "strings", "sequence", "optional", "map"};

const char *cli_net_text(const glia_object *o, char *buf, int size)
{
    if (!o) return "nothing";
    const glia_object_kind kind = glia_object_kind_of(o);
    if (kind > GLIA_OBJECT_STRINGS) {
        snprintf(buf, (size_t)size, "%s of %lld", kind_names[kind], (long long)glia_object_count(o));
        return buf;
    }
    const int n = snprintf(buf, (size_t)size, "%s",
                           kind == GLIA_OBJECT_TENSOR ? glia_dtype_name(glia_object_dtype(o)) : "strings");
    dims_text(buf + n, size - n, glia_object_rank(o), glia_object_dims(o), NULL);
    return buf;
}

const char *cli_net_port_text(const glia_port *p, char *buf, int size)
{
    const int n =
        snprintf(buf, (size_t)size, "%s",
                 p->kind == GLIA_OBJECT_TENSOR && p->dtype ? glia_dtype_name(p->dtype) : kind_names[p->kind]);
    if (p->kind > GLIA_OBJECT_STRINGS) return buf;
    if (p->rank < 0) snprintf(buf + n, (size_t)(size - n), " of any rank");
    else dims_text(buf + n, size - n, p->rank, p->dims, p->dim_names);
    return buf;
}

/* ---- reading */

static glia_object *nomem(glia_error *e)
{
    glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a value");
    return NULL;
}

static glia_object *object_of_tensor(const glia_onnx_tensor *t, glia_arena *a, glia_error *e)
{
    glia_object *o;
    if (!t->is_string) {
        o = glia_object_tensor(NULL, t->dtype, t->rank, t->dims, t->data);
        return o ? o : nomem(e);
    }
    const char **texts = GLIA_NEW_ARRAY(a, const char *, t->count);
    int64_t *sizes = GLIA_NEW_ARRAY(a, int64_t, t->count);
    for (int64_t i = 0; texts && sizes && i < t->count; i++) {
        texts[i] = t->strings[i].text;
        sizes[i] = t->strings[i].size;
    }
    o = texts && sizes ? glia_object_strings(NULL, t->rank, t->dims, texts, sizes) : NULL;
    return o ? o : nomem(e);
}

/* Recurses as deep as the reader lets values nest. */
static glia_object *object_of(const glia_onnx_item *it, glia_arena *a, glia_error *e)
{
    if (it->kind == GLIA_ONNX_TENSOR) return object_of_tensor(&it->tensor, a, e);
    glia_object **items = GLIA_NEW_ARRAY(a, glia_object *, it->count + 1), *out = NULL, *keys = NULL;
    if (!items) return nomem(e);
    int64_t n = 0;
    for (; n < it->count; n++) {
        items[n] = object_of(&it->items[n], a, e);
        if (!items[n]) goto done;
    }
    if (it->kind == GLIA_ONNX_OPTIONAL) {
        out = glia_object_optional(NULL, items[0]);
    } else {
        out = glia_object_sequence(NULL, items, n);
        keys = out && it->kind == GLIA_ONNX_MAP ? object_of_tensor(it->keys, a, e) : NULL;
        if (keys) {
            glia_object *values = out;
            out = glia_object_map(NULL, keys, values);
            glia_object_release(values);
        }
    }
    if (!out) nomem(e);
done:
    glia_object_release(keys);
    for (int64_t i = 0; i < n; i++) glia_object_release(items[i]);
    return out;
}

static glia_object *read_pb(const char *path, const glia_port *port, glia_error *e)
{
    static const int kinds[] = {[GLIA_OBJECT_TENSOR] = GLIA_ONNX_TENSOR,
                                [GLIA_OBJECT_STRINGS] = GLIA_ONNX_TENSOR,
                                [GLIA_OBJECT_SEQUENCE] = GLIA_ONNX_SEQUENCE,
                                [GLIA_OBJECT_OPTIONAL] = GLIA_ONNX_OPTIONAL,
                                [GLIA_OBJECT_MAP] = GLIA_ONNX_MAP};
    const glia_os *os = glia_os_default();
    char *file;
    int64_t size;
    if (glia_file_load(os, path, FILE_BYTES_MAX, &file, &size, e)) return NULL;
    glia_arena a;
    glia_onnx_item item;
    glia_object *o = NULL;
    glia_arena_init(&a, os, 0);
    if (glia_onnx_item_parse(&a, file, size, kinds[port->kind], &item, e))
        glia_error_context(e, "%.512s", path);
    else o = object_of(&item, &a, e);
    glia_arena_free(&a);
    os->mem_free(os->ctx, file, (size_t)size + 1);
    return o;
}

/* A type that NumPy lacks, from one that it has. */
static glia_object *from_plain(const glia_npy *n, glia_dtype want, glia_error *e)
{
    const bool floats =
        want == GLIA_BF16 || (want != GLIA_I4 && want != GLIA_U4 && want != GLIA_I2 && want != GLIA_U2);
    const glia_dtype_info *info = glia_dtype_get(want);
    if (floats ? n->dtype != GLIA_F32 : n->dtype != GLIA_I8 && n->dtype != GLIA_U8) return NULL;
    glia_object *o = glia_object_tensor(NULL, want, n->rank, n->dims, NULL);
    if (!o) return nomem(e);
    if (floats) info->encode(n->data, (void *)(uintptr_t)glia_object_data(o), n->count, NULL);
    else if (n->bytes) memcpy((void *)(uintptr_t)glia_object_data(o), n->data, (size_t)n->bytes);
    return o;
}

static glia_object *read_npy(const char *path, const glia_port *port, glia_error *e)
{
    glia_npy n;
    if (glia_npy_read(NULL, path, FILE_BYTES_MAX, &n, e)) return NULL;
    glia_object *o = NULL;
    const uint32_t odd = glia_dtype_get(port->dtype)->classes & GLIA_CLASS_LOWBIT;
    if (n.dtype != port->dtype && (odd || port->dtype == GLIA_BF16)) o = from_plain(&n, port->dtype, e);
    if (!o && !e->status) o = glia_object_tensor(NULL, n.dtype, n.rank, n.dims, n.data);
    if (!o) nomem(e);
    glia_npy_free(NULL, &n);
    return o;
}

glia_object *cli_net_read(cli *c, const char *path, const glia_port *port, glia_error *e)
{
    (void)c;
    glia_error_clear(e);
    if (ends_with(path, ".npy")) return read_npy(path, port, e);
    if (ends_with(path, ".pb")) return read_pb(path, port, e);
    glia_fail(e, GLIA_E_UNSUPPORTED, "G0932", "%.300s is neither a .npy nor a .pb file", path);
    return NULL;
}

/* ---- writing */

static void put_json(glia_json_writer *j, const char *key, const glia_object *o)
{
    const glia_object_kind kind = glia_object_kind_of(o);
    if (kind == GLIA_OBJECT_OPTIONAL) {
        if (!glia_object_count(o)) glia_json_put_null(j, key);
        else put_json(j, key, glia_object_item(o, 0));
        return;
    }
    if (kind == GLIA_OBJECT_MAP) {
        glia_json_open(j, key, '{');
        put_json(j, "keys", glia_object_keys(o));
        put_json(j, "values", glia_object_values(o));
        glia_json_close(j, '}');
        return;
    }
    if (kind == GLIA_OBJECT_SEQUENCE) {
        glia_json_open(j, key, '[');
        for (int64_t i = 0; i < glia_object_count(o); i++) put_json(j, NULL, glia_object_item(o, i));
        glia_json_close(j, ']');
        return;
    }
    char text[160];
    glia_json_open(j, key, '{');
    glia_json_put_string(j, "type", cli_net_text(o, text, sizeof text), -1);
    glia_json_open(j, "data", '[');
    for (int64_t i = 0; i < glia_object_count(o); i++) {
        int64_t size;
        const uint8_t *data = glia_object_data(o);
        if (kind == GLIA_OBJECT_STRINGS) {
            const char *s = glia_object_string(o, i, &size);
            glia_json_put_string(j, NULL, s, size);
        } else if (glia_object_dtype(o) == GLIA_I64) {
            glia_json_put_i64(j, NULL, ((const int64_t *)(const void *)data)[i]);
        } else {
            const glia_dtype_info *info = glia_dtype_get(glia_object_dtype(o));
            float v;
            info->decode(data + i * info->block_bytes, &v, 1);
            glia_json_put_f64(j, NULL, (double)v);
        }
    }
    glia_json_close(j, ']');
    glia_json_close(j, '}');
}

static bool write_json(const char *path, const glia_object *o)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    glia_json_writer j = {.w = &w};
    put_json(&j, NULL, o);
    glia_write_text(&w, "\n");
    FILE *f = w.failed ? NULL : fopen(path, "wb");
    bool ok = f && fwrite(w.data, 1, (size_t)w.size, f) == (size_t)w.size;
    if (f) ok = !fclose(f) && ok;
    glia_arena_free(&a);
    return ok;
}

/* A name of the network as a file's name: what is no letter, digit, `.`, `-` or `_` becomes `_`. */
static void file_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    for (; name[n] && n + 1 < size; n++) {
        const char ch = name[n];
        const bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                           ch == '-' || ch == '_' || (ch == '.' && n);
        out[n] = plain ? ch : '_';
    }
    out[n] = 0;
}

int cli_net_write(cli *c, const char *folder, const char *name, const glia_object *o)
{
    char plain[200], path[4096];
    file_name(name, plain, sizeof plain);
    const bool tensor = glia_object_kind_of(o) == GLIA_OBJECT_TENSOR;
    if (snprintf(path, sizeof path, "%s/%s.%s", folder, plain, tensor ? "npy" : "json") >= (int)sizeof path)
        return cli_usage(c, "the path of --output is too long");
    if (!tensor)
        return write_json(path, o) ? CLI_OK
                                   : cli_refuse(c, GLIA_E_IO, "G0802", "%.300s cannot be written", path);
    const glia_dtype t = glia_object_dtype(o);
    const bool odd = t == GLIA_BF16 || (glia_dtype_get(t)->classes & GLIA_CLASS_LOWBIT);
    const bool integer = t == GLIA_I4 || t == GLIA_I2 || t == GLIA_U4 || t == GLIA_U2;
    glia_status s;
    if (odd && !integer) {
        float *wide = GLIA_NEW_ARRAY(&c->arena, float, glia_object_count(o));
        if (!wide) return cli_no_memory(c);
        glia_dtype_get(t)->decode(glia_object_data(o), wide, glia_object_count(o));
        s = glia_npy_write_f32(NULL, path, glia_object_rank(o), glia_object_dims(o), wide, &c->error);
    } else {
        const glia_dtype as = !integer ? t : t == GLIA_I4 || t == GLIA_I2 ? GLIA_I8 : GLIA_U8;
        s = glia_npy_write(NULL, path, as, glia_object_rank(o), glia_object_dims(o), glia_object_data(o),
                           &c->error);
    }
    return s ? cli_failed(c) : CLI_OK;
}

/* ---- the inputs of a run */

static int64_t dim_of(const cli *c, const char *name)
{
    const size_t n = name ? strlen(name) : 0;
    for (int64_t i = 0; n && i < c->set.dims.count; i++) {
        const char *given = c->set.dims.v[i];
        int64_t v = 0;
        if (strncmp(given, name, n) || given[n] != '=') continue;
        for (const char *d = given + n + 1; *d >= '0' && *d <= '9' && v < INT32_MAX; d++)
            v = v * 10 + (*d - '0');
        return v;
    }
    return 1;
}

/* Floats in [-1, 1), integers 0 to 9, which most tables have rows for. */
static glia_object *random_object(const cli *c, const glia_port *p, glia_rng *rng, glia_error *e)
{
    int64_t dims[GLIA_RANK_MAX];
    const glia_dtype_info *info = glia_dtype_get(p->dtype);
    if (p->kind != GLIA_OBJECT_TENSOR || p->rank < 0 || !p->dtype) {
        glia_fail(e, GLIA_E_UNSUPPORTED, "G0931",
                  "the input `%.64s` is no tensor of a known rank: give it with -i", p->name);
        return NULL;
    }
    for (int i = 0; i < p->rank; i++) dims[i] = p->dims[i] >= 0 ? p->dims[i] : dim_of(c, p->dim_names[i]);
    glia_object *o = glia_object_tensor(NULL, p->dtype, p->rank, dims, NULL);
    if (!o) return nomem(e);
    uint8_t *to = (void *)(uintptr_t)glia_object_data(o);
    for (int64_t i = 0; i < glia_object_count(o); i++) {
        const uint64_t r = glia_rng_u64(rng);
        const float f = (float)(r >> 40) * 0x1p-23f - 1;
        if (info->classes & GLIA_CLASS_BOOL) to[i] = r & 1;
        else if (info->classes & GLIA_CLASS_INT) to[i * info->block_bytes] = (uint8_t)(r % 10);
        else info->encode(&f, to + i * info->block_bytes, 1, NULL);
    }
    return o;
}

static int find_port(cli *c, const glia_net *net, const char *name, size_t size)
{
    const int count = glia_net_input_count(net);
    char all[600] = "";
    int n = 0;
    for (int i = 0; i < count; i++) {
        glia_port p = GLIA_PORT_INIT;
        glia_net_input(net, i, &p);
        if (strlen(p.name) == size && !strncmp(p.name, name, size)) return i;
        if (n < (int)sizeof all)
            n += snprintf(all + n, sizeof all - (size_t)n, "%s%s", i ? ", " : "", p.name);
    }
    cli_usage(c, "the network has no input `%.*s`; it has: %s", (int)glia_min((int64_t)size, 64), name, all);
    return -1;
}

static int take_given(cli *c, glia_net *net, glia_object **in)
{
    for (int64_t i = 0; i < c->set.inputs.count; i++) {
        const char *given = c->set.inputs.v[i], *equals = strchr(given, '=');
        glia_port p = GLIA_PORT_INIT;
        if (!equals && glia_net_input_count(net) != 1)
            return cli_usage(c, "--input is `%.60s`; it must be NAME=FILE", given);
        const int at = equals ? find_port(c, net, given, (size_t)(equals - given)) : 0;
        if (at < 0) return CLI_USAGE;
        if (in[at]) return cli_usage(c, "the input of `%.60s` is given twice", given);
        glia_net_input(net, at, &p);
        in[at] = cli_net_read(c, equals ? equals + 1 : given, &p, &c->error);
        if (!in[at]) return cli_refused(c);
    }
    return CLI_OK;
}

int cli_net_inputs(cli *c, glia_net *net, glia_object **in)
{
    int code = take_given(c, net, in);
    glia_rng rng = {.seed = (uint64_t)(c->set.random == CLI_UNSET ? 0 : c->set.random)};
    for (int i = 0; i < glia_net_input_count(net) && !code; i++) {
        char text[200];
        glia_port p = GLIA_PORT_INIT;
        glia_net_input(net, i, &p);
        if (in[i] || p.has_default) continue;
        if (c->set.random == CLI_UNSET)
            return cli_usage(
                c, "the input `%.64s` (%s) is missing: give --input %.64s=FILE.npy, or --random SEED", p.name,
                cli_net_port_text(&p, text, sizeof text), p.name);
        in[i] = random_object(c, &p, &rng, &c->error);
        if (!in[i]) code = cli_refused(c);
    }
    return code;
}
