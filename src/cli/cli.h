/* The program `glia`: what its files share.
 *
 * One const table of commands and one of options (options.c) drive parsing, --help, the manual page and the
 * shell completions. Results are gathered in `out` and reach stdout only when the command has succeeded, so
 * that refused input leaves stdout empty; `run` alone writes as it goes. All else goes to stderr. */
#ifndef GLIA_CLI_CLI_H
#define GLIA_CLI_CLI_H

#include "base/json.h"
#include "base/reader.h"
#include "llm/model.h"
#include <glia/sampler.h>

enum { /* exit codes */
       CLI_OK = 0,
       CLI_FAILED = 1,       /* the run failed */
       CLI_USAGE = 2,        /* the command line is wrong */
       CLI_REFUSED = 3,      /* the model or the input is refused; nothing is on stdout */
       CLI_INTERRUPTED = 130 /* as a shell reports SIGINT */
};

enum { /* commands as bits */
       CLI_RUN = 1,
       CLI_INSPECT = 2,
       CLI_PLAN = 4,
       CLI_LOGITS = 8,
       CLI_TOKENIZE = 16,
       CLI_PERPLEXITY = 32,
       CLI_BENCH = 64,
       CLI_SYNTH = 128,
       CLI_EXPLAIN = 256,
       CLI_TOP = 512, /* before any command */
       CLI_VERIFY = 1 << 10,
       CLI_CONFORM = 1 << 11,
       CLI_COMPILE = 1 << 12,
       CLI_EMBED = 1 << 19,
       CLI_QUANTIZE = 1 << 20,
       CLI_CHAT = 1 << 24,
       CLI_CONVERT = 1 << 21,
       CLI_IMATRIX = 1 << 22,
       CLI_ALL = (1 << 30) - 1
};

typedef struct cli_ints {
    int64_t *v;
    int64_t count, capacity;
} cli_ints;

typedef struct cli_biases {
    int32_t *ids;
    float *values;
    int64_t count, capacity, capacity_values;
} cli_biases;

typedef struct cli_adapters {
    glia_adapter *v;
    int64_t count, capacity;
} cli_adapters;

typedef struct cli_texts {
    const char **v;
    int64_t count, capacity;
} cli_texts;

#define CLI_UNSET INT64_MIN /* an integer option that was not given */

typedef struct cli_settings { /* what the options set; texts are null, integers CLI_UNSET when not given */
    bool help, version, json, man;
    bool loop, ignore_end, special, verbose, graph, pieces, decode, no_bos;
    bool pure, dry_run, normalize;
    const char *imatrix;
    int64_t chunks;
    const char *completion, *prompt, *file, *profile, *isa, *kv, *format, *shape, *synth, *type, *out,
        *pooling;
    int64_t tokens, top_k, repeat_last_n, seed, context, batch, threads, slots, memory_limit;
    int64_t repetitions, ubatch, parallel;
    bool latency, kernels;
    cli_ints bench_prompts, bench_gens, bench_pairs, depths;
    const char *type_k, *type_v;
    double temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    cli_ints ids, thread_list;
    cli_biases biases;
    double typical_p, top_n_sigma, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exponent;
    double mirostat_tau, mirostat_eta, dry_multiplier, dry_base;
    int64_t min_keep, mirostat, dry_allowed_length, dry_last_n, logprobs;
    const char *samplers, *grammar, *grammar_file, *json_schema, *json_schema_file;
    cli_texts dry_breakers;
    cli_adapters adapters;
    const char *draft, *load_session, *save_session;
    int64_t draft_ngram, draft_max;
    const char *pack_cache;
    bool pack_copy, pack_verify;
    const char *chat_template, *chat_variant, *system, *history, *when_full;
    cli_texts inputs, dims; /* of networks */
    int64_t random, level, timeout;
    bool plain, list;
    double rtol, atol;
    const char *data, *html, *against, *python;
    double seconds;
} cli_settings;

typedef enum {
    CLI_FLAG,    /* bool */
    CLI_INT,     /* int64_t within [min, max] */
    CLI_REAL,    /* double within [min, max] */
    CLI_TEXT,    /* const char * */
    CLI_BYTES,   /* int64_t with K, M or G behind it, in powers of 1024 */
    CLI_CHOICE,  /* const char *, one of `choices` */
    CLI_INTS,    /* cli_ints, separated by commas, each within [min, max] */
    CLI_BIAS,    /* cli_biases, ID=VALUE, may be repeated */
    CLI_ADAPTER, /* cli_adapters, FILE[:SCALE], may be repeated */
    CLI_TEXTS    /* cli_texts, may be repeated */
} cli_kind;

typedef struct cli_option {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what help calls the value; null for flags */
    cli_kind kind;
    int commands;        /* bits */
    double min, max;     /* exact for all bounds in use */
    const char *choices; /* "f16|f32" */
    size_t offset;       /* in cli_settings */
    const char *help;
} cli_option;

typedef struct cli cli;

typedef struct cli_command {
    const char *name;
    int bit;
    const char *args; /* "MODEL" */
    int args_min, args_max;
    const char *summary;
    const char *details; /* whole lines */
    const char *example;
    int (*run)(cli *c);
} cli_command;

extern const cli_command cli_commands[]; /* ends with a null name */
extern const cli_option cli_options[];   /* ends with a null name */

enum { CLI_ARGS_MAX = 4 };

struct cli {
    const cli_command *command; /* null before one is known */
    cli_settings set;
    const char *args[CLI_ARGS_MAX];
    int arg_count;
    glia_error error;
    glia_arena arena;
    glia_writer out;
    glia_json_writer json; /* onto out */
};

/* ---- options.c */
const cli_command *cli_command_find(const char *name);
/* Parses argv[from..argc) for c->command (null: options before a command); CLI_OK or CLI_USAGE. Stops at the
 * first word when there is no command yet; *next is what comes after. */
int cli_parse(cli *c, int argc, char **argv, int from, int *next);

/* ---- help.c */
void cli_write_help(const cli *c, glia_writer *w);
void cli_write_man(glia_writer *w);
/* False if there is no such shell. */
bool cli_write_completion(glia_writer *w, const char *shell);

/* ---- common.c */
/* "glia run: text; see glia run --help", and CLI_USAGE. */
int cli_usage(const cli *c, const char *format, ...) GLIA_PRINTF(2, 3);
/* Reports c->error. The first is for trouble with what was given: CLI_REFUSED, unless memory or threads ran
 * out; the second for trouble while running: CLI_FAILED. Both: CLI_INTERRUPTED after a cancellation. */
int cli_refused(cli *c);
int cli_failed(cli *c);
/* Records an error of the program's own (G09xx) and reports it as refused. */
int cli_refuse(cli *c, glia_status status, const char *code, const char *format, ...) GLIA_PRINTF(4, 5);
int cli_no_memory(cli *c);
/* Sends `out` to stdout and empties it. */
int cli_flush(cli *c);
/* Text for a terminal: control characters and what is no UTF-8 are escaped; longer than `most` bytes is cut.
 */
void cli_write_safe(glia_writer *w, const char *text, int64_t size, int64_t most);
/* "1.2 MiB" */
const char *cli_bytes_text(int64_t bytes, char buf[32]);

/* A whole file, or stdin for "-"; CLI_OK or the exit code. */
int cli_read_file(cli *c, const char *path, const char **text, int64_t *size);
/* The text of -p or -f; CLI_USAGE unless exactly one was given. */
int cli_read_text(cli *c, const char **text, int64_t *size);

/* Writes the model that "SHAPE[:TYPE]" names to a temporary file, whose name goes to path; the caller removes
 * it. */
int cli_synth_temporary(cli *c, const char *spec, char *path, int64_t size);
/* Opens args[0] with the model options; logit_rows 0: one, -1: as many as a step has tokens. */
glia_model_options cli_model_options(const cli *c);
int cli_open(cli *c, const glia_model_options *o, bool load, glia_model **out);
/* A session that SIGINT cancels; one at a time. */
int cli_session(cli *c, glia_model *m, glia_session **out);
void cli_session_close(glia_session *s);
bool cli_interrupted(void);
/* From now on SIGINT is noted instead of ending the process; a second one ends it. */
void cli_catch_interrupt(void);
/* Forgets a SIGINT that was answered, and listens for the next one. */
void cli_interrupt_reset(void);
/* A descriptor that can be read from once SIGINT has come; -1 if there is none. */
int cli_wake_fd(void);
/* Ids of a text by the model's policy, in the arena. */
int cli_encode(cli *c, const glia_tokenizer *t, const char *text, int64_t size, int flags, int32_t **ids,
               int64_t *count);
/* The ids of --ids, which the vocabulary must have, or else those of the text. */
int cli_ids(cli *c, const glia_model *m, const char *text, int64_t size, int32_t **ids, int64_t *count);
/* The profile that --profile asks for, after the work. */
int cli_profile(cli *c, const glia_model *m);

/* ---- run_sampling.c */
typedef struct cli_sampling { /* what the options say about sampling; on the model's side of the command line
                               */
    glia_sampler_options options;
    glia_vocab_tree *tree;
    glia_grammar *grammar;
} cli_sampling;
/* CLI_OK, or the exit code of what was refused. */
int cli_sampling_open(cli *c, const glia_model *m, cli_sampling *out);
void cli_sampling_close(cli_sampling *s);

/* ---- lines.c */
typedef struct cli_lines {
    int fd;
    char *data;
    size_t size, at, capacity;
    bool ended;
} cli_lines;
/* The next line without its newline, valid until the next call; false at the end of input, and after SIGINT.
 */
bool cli_line_next(cli_lines *l, const char **line, int64_t *size);
void cli_lines_free(cli_lines *l);

/* ---- run_session.c: for `run` */
typedef struct cli_run_session {
    glia_model *draft_model;
    glia_session *draft;
    glia_draft_counts counts;
    int32_t *held; /* tokens of the session that was loaded */
    int64_t held_count;
} cli_run_session;
/* Checks the options and asks the model for the rows of logits that guesses need. */
int cli_run_session_options(cli *c, glia_model_options *o);
/* Opens the draft model, loads the session. Close it in any case. */
int cli_run_session_open(cli *c, const glia_model *m, glia_session *s, cli_run_session *x);
void cli_run_session_close(cli_run_session *x);
bool cli_run_session_guesses(const cli *c);
void cli_run_session_guess(const cli *c, cli_run_session *x, glia_generate_options *o);
/* Puts the loaded tokens in front of the prompt's. */
int cli_run_session_join(cli *c, const cli_run_session *x, int32_t **ids, int64_t *count);
/* Saves sequence 0 if that is asked for; it should hold `want` tokens, of which `last` is the last. */
int cli_run_session_save(cli *c, glia_session *s, int64_t context, int64_t want, int32_t last);

/* ---- commands */
int cli_cmd_run(cli *c);
int cli_inspect_safetensors(cli *c);
int cli_cmd_inspect(cli *c);
int cli_cmd_chat(cli *c);
int cli_cmd_plan(cli *c);
int cli_cmd_logits(cli *c);
int cli_cmd_tokenize(cli *c);
int cli_cmd_embed(cli *c);
int cli_cmd_perplexity(cli *c);
int cli_cmd_bench(cli *c);
int cli_cmd_synth(cli *c);
int cli_cmd_quantize(cli *c);
int cli_cmd_imatrix(cli *c);
int cli_cmd_convert(cli *c);
int cli_cmd_explain(cli *c);

#endif
