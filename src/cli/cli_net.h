/* What the commands for networks (ONNX files) share: values from and to files, and comparing them. */
#ifndef GLIA_CLI_CLI_NET_H
#define GLIA_CLI_CLI_NET_H

#include "cli/cli.h"
#include <glia/net.h>

enum { CLI_NET_PORTS_MAX = 4096 };

/* Whether the path names a network; the other commands of that name are for language models. */
bool cli_is_net(const char *path);
/* Options of networks from the command line; threads: of -t, or 0. */
glia_net_options cli_net_options(const cli *c, int64_t threads);
/* Opens args[0]; CLI_OK or the exit code. */
int cli_net_open(cli *c, int64_t threads, glia_net **out);

/* One value from a file: .npy, or .pb (a message of the kind that the port says). Types that NumPy lacks come from
 * float32 (floats) or int8 and uint8 (integers). Null: c->error is set. */
glia_object *cli_net_read(cli *c, const char *path, const glia_port *port, glia_error *e);
/* Into FOLDER/NAME.npy, or .json for what is no tensor of numbers. */
int cli_net_write(cli *c, const char *folder, const char *name, const glia_object *o);
/* The inputs of a run: those of -i, random ones where --random is given. in[ports] gets references. */
int cli_net_inputs(cli *c, glia_net *net, glia_object **in);
void cli_net_release(glia_object **o, int count);
/* "f32[2, 3]", "strings[4]", "sequence of 2" */
const char *cli_net_text(const glia_object *o, char *buf, int size);
const char *cli_net_port_text(const glia_port *p, char *buf, int size);

typedef struct cli_net_difference {
    double absolute, relative; /* the largest */
    int64_t count, wrong;      /* elements compared; beyond the tolerance */
    char why[256];             /* empty, or why they are not equal */
} cli_net_difference;
/* |got - want| <= atol + rtol * |want| for every number, NaN equal to NaN; kinds, dtypes and shapes equal. */
bool cli_net_equal(const glia_object *got, const glia_object *want, double rtol, double atol,
                   cli_net_difference *d);

/* A case: a model and the data sets beside it. Runs all of them; `why` gets the reason of a failure. */
typedef enum { CLI_CASE_PASSED, CLI_CASE_FAILED, CLI_CASE_UNSUPPORTED, CLI_CASE_VERDICTS } cli_verdict;

int cli_net_run(cli *c);
int cli_net_inspect(cli *c);
int cli_net_plan(cli *c);
int cli_net_html(cli *c, const glia_net *net); /* the page of --html */
int cli_net_bench(cli *c);
int cli_cmd_verify(cli *c);
int cli_cmd_conform(cli *c);
int cli_cmd_compile(cli *c);

#endif
