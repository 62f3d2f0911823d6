/* glia verify and glia conform: a network's outputs against stored ones.
 *
 * A case is a folder with a model and data sets beside it, as the ONNX project keeps them: test_data_set_N with
 * input_I.pb and output_I.pb in the order of the model's inputs and outputs. conform runs each case in a process of
 * its own, so that one that crashes or hangs is a failure of that one alone. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, WHY_SIZE = 480 };

typedef struct verdict {
    cli_verdict v;
    char why[WHY_SIZE];
} verdict;

static const char *const verdict_names[] = {"passed", "failed", "unsupported"};

static bool exists(const char *path)
{
    struct stat s;
    return !stat(path, &s);
}

/* ---- one data set */

typedef struct data_set {
    glia_object *in[CLI_NET_PORTS_MAX], *out[CLI_NET_PORTS_MAX];
    int in_count, out_count;
} data_set;

static bool read_side(cli *c, const glia_net *net, const char *folder, bool output, glia_object **to,
                      int *count, verdict *v)
{
    char path[PATH_SIZE];
    const int ports = output ? glia_net_output_count(net) : glia_net_input_count(net);
    for (*count = 0; *count < ports && *count < CLI_NET_PORTS_MAX; ++*count) {
        glia_port p = GLIA_PORT_INIT;
        if (output) glia_net_output(net, *count, &p);
        else glia_net_input(net, *count, &p);
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, output ? "output" : "input", *count);
        if (!exists(path)) break;
        to[*count] = cli_net_read(c, path, &p, &c->error);
        if (!to[*count]) {
            *v = (verdict){CLI_CASE_FAILED, ""};
            snprintf(v->why, sizeof v->why, "%.470s", c->error.text);
            return false;
        }
    }
    return true;
}

/* A row of the table that verify prints. */
static void put_output(cli *c, const char *set, const char *name, const cli_net_difference *d, bool equal)
{
    glia_json_writer *j = &c->json;
    if (c->set.json) {
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "data", set, -1);
        glia_json_put_string(j, "output", name, -1);
        glia_json_put_bool(j, "equal", equal);
        glia_json_put_i64(j, "elements", d->count);
        glia_json_put_i64(j, "wrong", d->wrong);
        glia_json_put_f64(j, "absolute", d->absolute);
        glia_json_put_f64(j, "relative", d->relative);
        if (!equal) glia_json_put_string(j, "why", d->why, -1);
        glia_json_close(j, '}');
        return;
    }
    glia_write_text(&c->out, "%s  ", set);
    cli_write_safe(&c->out, name, (int64_t)strlen(name), 60);
    glia_write_text(&c->out, ": %s, %lld elements, largest difference %.3g, relative %.3g",
                    equal ? "equal" : "differs", (long long)d->count, d->absolute, d->relative);
    if (!equal) glia_write_text(&c->out, "; %lld wrong: %s", (long long)d->wrong, d->why);
    glia_write_text(&c->out, "\n");
}

static void run_failed(cli *c, verdict *v)
{
    const glia_error *e = &c->error;
    v->v = e->status == GLIA_E_UNSUPPORTED ? CLI_CASE_UNSUPPORTED : CLI_CASE_FAILED;
    snprintf(v->why, sizeof v->why, "%s: %.460s", e->code,
             e->text[0] ? e->text : glia_status_name(e->status));
    for (char *s = v->why; *s; s++) {
        if (*s == '\n') *s = ' ';
    }
}

/* `show`: a row for each output. */
static void run_set(cli *c, glia_net *net, const char *folder, bool show, verdict *v)
{
    static data_set sets; /* too large for the stack; one at a time */
    data_set *d = &sets;
    const int outputs = glia_net_output_count(net);
    const char *slash = strrchr(folder, '/');
    static glia_object *got[CLI_NET_PORTS_MAX];
    *d = (data_set){.in_count = 0};
    memset(got, 0, sizeof got);
    if (outputs > CLI_NET_PORTS_MAX || glia_net_input_count(net) > CLI_NET_PORTS_MAX) {
        *v = (verdict){CLI_CASE_UNSUPPORTED, "more inputs or outputs than this command takes"};
        return;
    }
    bool ok = read_side(c, net, folder, false, d->in, &d->in_count, v) &&
              read_side(c, net, folder, true, d->out, &d->out_count, v);
    if (ok && glia_net_run(net, d->in, got, NULL, &c->error)) {
        run_failed(c, v);
        ok = false;
    }
    for (int i = 0; ok && i < d->out_count; i++) {
        glia_port p = GLIA_PORT_INIT;
        cli_net_difference diff;
        glia_net_output(net, i, &p);
        const bool equal = cli_net_equal(got[i], d->out[i], c->set.rtol, c->set.atol, &diff);
        if (show) put_output(c, slash ? slash + 1 : folder, p.name, &diff, equal);
        if (equal || v->v) continue;
        v->v = CLI_CASE_FAILED;
        snprintf(v->why, sizeof v->why, "output `%.60s`: %.300s", p.name, diff.why);
    }
    if (ok && !d->out_count) *v = (verdict){CLI_CASE_FAILED, "the data set has no outputs"};
    cli_net_release(d->in, d->in_count);
    cli_net_release(d->out, d->out_count);
    cli_net_release(got, outputs);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names in a folder, sorted; with `prefix` those that begin so. CLI_OK, or an exit code. */
static int list_folder(cli *c, const char *folder, const char *prefix, cli_texts *out)
{
    *out = (cli_texts){0};
    DIR *d = opendir(folder);
    if (!d) return cli_refuse(c, GLIA_E_IO, "G0802", "%.300s: %s", folder, strerror(errno));
    int code = CLI_OK;
    for (struct dirent *entry; !code && (entry = readdir(d));) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix))) continue;
        const char **v = glia_arena_grow(&c->arena, out->v, out->count, &out->capacity, sizeof *v);
        char *name = glia_arena_strdup(&c->arena, entry->d_name);
        if (!v || !name) {
            code = cli_no_memory(c);
            break;
        }
        out->v = v;
        v[out->count++] = name;
    }
    closedir(d);
    if (out->count) qsort(out->v, (size_t)out->count, sizeof *out->v, by_name);
    return code;
}

/* All data sets beside a model, or the one of --data. */
static int run_sets(cli *c, glia_net *net, const char *model, bool show, verdict *v)
{
    char folder[PATH_SIZE], path[PATH_SIZE + 300];
    cli_texts sets;
    if (c->set.data) {
        run_set(c, net, c->set.data, show, v);
        return CLI_OK;
    }
    const char *slash = strrchr(model, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - model) : 1, slash ? model : ".");
    int code = list_folder(c, folder, "test_data_set_", &sets);
    if (code) return code;
    if (!sets.count) *v = (verdict){CLI_CASE_FAILED, "there is no folder test_data_set_* beside the model"};
    for (int64_t i = 0; i < sets.count && (show || !v->v); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, sets.v[i]);
        run_set(c, net, path, show, v);
    }
    return CLI_OK;
}

int cli_cmd_verify(cli *c)
{
    glia_net *net;
    verdict v = {0};
    int code = cli_net_open(c, c->set.threads, &net);
    if (code) return code;
    if (c->set.json) glia_json_open(&c->json, NULL, '[');
    code = run_sets(c, net, c->args[0], true, &v);
    glia_net_close(net);
    if (code) return code;
    if (c->set.json) {
        glia_json_close(&c->json, ']');
        glia_write_text(&c->out, "\n");
    }
    code = cli_flush(c);
    if (code || !v.v) return code;
    cli_refuse(c, v.v == CLI_CASE_UNSUPPORTED ? GLIA_E_UNSUPPORTED : GLIA_E_STATE, "G0933", "%.450s", v.why);
    return CLI_FAILED;
}

/* ---- conform */

static void run_case(cli *c, const char *model, verdict *v)
{
    glia_net *net;
    const glia_net_options o = cli_net_options(c, c->set.threads == CLI_UNSET ? 1 : c->set.threads);
    if (glia_net_open(model, &o, &net, &c->error)) {
        run_failed(c, v);
        return;
    }
    if (run_sets(c, net, model, false, v)) *v = (verdict){CLI_CASE_FAILED, "its folder cannot be read"};
    glia_net_close(net);
}

/* Reads a verdict that a child writes; false at its end or when time is over. */
static bool read_verdict(int fd, verdict *v, int64_t timeout_ms)
{
    size_t done = 0;
    const glia_os *os = glia_os_default();
    const uint64_t end = os->clock_ns(os->ctx) + (uint64_t)timeout_ms * 1000000u;
    while (done < sizeof *v) {
        const uint64_t now = os->clock_ns(os->ctx);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000u) + 1) < 0) return false;
        if (!(p.revents & (POLLIN | POLLHUP))) continue;
        const ssize_t n = read(fd, (char *)v + done, sizeof *v - done);
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

static void write_verdict(int fd, const verdict *v)
{
    for (size_t done = 0; done < sizeof *v;) {
        const ssize_t n = write(fd, (const char *)v + done, sizeof *v - done);
        if (n <= 0) return;
        done += (size_t)n;
    }
}

static int run_apart(cli *c, const char *model, verdict *v)
{
    int fds[2], status = 0;
    *v = (verdict){0};
    fflush(stdout);
    if (pipe(fds)) return cli_refuse(c, GLIA_E_THREAD, "G0803", "no pipe: %s", strerror(errno));
    const pid_t pid = fork();
    if (pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return cli_refuse(c, GLIA_E_THREAD, "G0803", "no process: %s", strerror(errno));
    }
    if (!pid) {
        close(fds[0]);
        run_case(c, model, v);
        write_verdict(fds[1], v);
        _exit(0);
    }
    close(fds[1]);
    const int64_t seconds = c->set.timeout == CLI_UNSET ? 60 : c->set.timeout;
    const bool told = read_verdict(fds[0], v, seconds * 1000);
    close(fds[0]);
    const bool late = !told && !waitpid(pid, &status, WNOHANG);
    if (late) usleep(20000); /* a process that died may not be gone yet */
    if (late && !waitpid(pid, &status, WNOHANG)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        *v = (verdict){CLI_CASE_FAILED, ""};
        snprintf(v->why, sizeof v->why, "it did not end within %lld seconds", (long long)seconds);
    } else if (told) {
        waitpid(pid, &status, 0);
    } else {
        *v = (verdict){CLI_CASE_FAILED, ""};
        snprintf(v->why, sizeof v->why, "it crashed (signal %d)", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    v->why[WHY_SIZE - 1] = 0;
    return CLI_OK;
}

/* Folders below `root` that hold a model.onnx, in order. */
static int find_cases(cli *c, const char *root, cli_texts *out)
{
    cli_texts todo = {0};
    const char *first = root;
    todo.v = &first;
    todo.count = 1; /* capacity 0: the first push copies it into the arena */
    char path[PATH_SIZE];
    *out = (cli_texts){0};
    while (todo.count) {
        const char *at = todo.v[--todo.count];
        cli_texts names;
        struct stat s;
        if (snprintf(path, sizeof path, "%s/model.onnx", at) >= (int)sizeof path) continue;
        if (exists(path)) {
            const char **v = glia_arena_grow(&c->arena, out->v, out->count, &out->capacity, sizeof *v);
            if (!v) return cli_no_memory(c);
            out->v = v;
            v[out->count++] = at;
            continue;
        }
        int code = list_folder(c, at, "", &names);
        if (code) return code;
        for (int64_t i = names.count - 1; i >= 0; i--) {
            if (snprintf(path, sizeof path, "%s/%s", at, names.v[i]) >= (int)sizeof path || lstat(path, &s) ||
                !S_ISDIR(s.st_mode))
                continue;
            const char **v = glia_arena_grow(&c->arena, todo.v, todo.count, &todo.capacity, sizeof *v);
            char *copy = glia_arena_strdup(&c->arena, path);
            if (!v || !copy) return cli_no_memory(c);
            todo.v = v;
            v[todo.count++] = copy;
        }
    }
    return CLI_OK;
}

static void put_case(cli *c, const char *name, const verdict *v)
{
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "case", name, -1);
        glia_json_put_string(&c->json, "result", verdict_names[v->v], -1);
        if (v->v) glia_json_put_string(&c->json, "why", v->why, -1);
        glia_json_close(&c->json, '}');
    } else if (v->v || c->set.list) {
        glia_write_text(&c->out, "%s %s%s%s\n", verdict_names[v->v], name, v->v ? ": " : "", v->why);
    }
}

int cli_cmd_conform(cli *c)
{
    cli_texts cases;
    char path[PATH_SIZE];
    int64_t counts[CLI_CASE_VERDICTS] = {0};
    int code = find_cases(c, c->args[0], &cases);
    if (code) return code;
    if (!cases.count)
        return cli_refuse(c, GLIA_E_NOT_FOUND, "G0934", "%.300s: no folder below it holds a model.onnx",
                          c->args[0]);
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_open(&c->json, "cases", '[');
    }
    const size_t root = strlen(c->args[0]);
    for (int64_t i = 0; i < cases.count && !code; i++) {
        verdict v;
        const char *name = cases.v[i] + (cases.v[i][root] == '/' ? root + 1 : 0);
        if (snprintf(path, sizeof path, "%s/model.onnx", cases.v[i]) >= (int)sizeof path) continue;
        code = run_apart(c, path, &v);
        if (code) return code;
        counts[v.v]++;
        put_case(c, name, &v);
        if (!c->set.json) code = cli_flush(c);
    }
    if (code) return code;
    if (c->set.json) {
        glia_json_close(&c->json, ']');
        for (int i = 0; i < CLI_CASE_VERDICTS; i++) glia_json_put_i64(&c->json, verdict_names[i], counts[i]);
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
    } else {
        glia_write_text(&c->out, "%lld passed, %lld failed, %lld unsupported\n", (long long)counts[0],
                        (long long)counts[1], (long long)counts[2]);
    }
    code = cli_flush(c);
    return code ? code : counts[CLI_CASE_FAILED] ? CLI_FAILED : CLI_OK;
}
