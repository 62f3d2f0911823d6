/* The tables of commands and options, and the parser that walks them. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/number.h"

#include <string.h>

const cli_command cli_commands[] = {
    {"run", CLI_RUN, "MODEL", 1, 1, "Generate text from a prompt, or run an ONNX network",
     "model.onnx: takes an --input for each input, writes the outputs into --output, and prints their "
     "types.\n"
     "Else prints the prompt and what follows it, as it comes, until an end token, the context's end or -n "
     "tokens.\n"
     "The same options give the same text on every machine and with any number of threads.\n",
     "glia run model.gguf -p \"Once upon a time\" -n 200 --temp 0", cli_cmd_run},
    {"chat", CLI_CHAT, "MODEL", 1, 1, "Talk with a model",
     "Turns what is typed into the model's own form of a conversation, by the template in its file, and "
     "shows "
     "the\n"
     "answer as it comes. /help lists the commands of the prompt; Ctrl-C stops an answer, Ctrl-D ends. What "
     "is "
     "typed\n"
     "never becomes a control token, unless --special is given. With --json each answer is one line of "
     "JSON.\n",
     "glia chat model.gguf --system \"You are terse.\" --temp 0.7", cli_cmd_chat},
    {"inspect", CLI_INSPECT, "MODEL", 1, 1, "Show what a GGUF, SafeTensors or ONNX file holds",
     "Prints metadata, tensors, types and sizes; long arrays and texts are shortened. Reads the header only, "
     "so\n"
     "vocabularies and files with tensor types that cannot be run are shown too.\n",
     "glia inspect model.gguf", cli_cmd_inspect},
    {"plan", CLI_PLAN, "MODEL", 1, 1, "Show how a model would run",
     "Prints the compiled plan without loading the weights: passes, memory by class beside the lower bound, "
     "phases,\n"
     "meetings of the threads, and the kernels that were chosen. model.onnx: the parts that it became, and "
     "why.\n",
     "glia plan model.gguf -c 2048 -t 2", cli_cmd_plan},
    {"logits", CLI_LOGITS, "MODEL", 1, 1, "Write the logits of every token of a text",
     "Writes a NumPy file of float32, [tokens, vocabulary]. The text's tokens follow the model's policy on\n"
     "beginning tokens; ids are used as they are given.\n",
     "glia logits model.gguf -f text.txt -o out.npy", cli_cmd_logits},
    {"tokenize", CLI_TOKENIZE, "MODEL", 1, 1, "Turn text into token ids, or back",
     "Reads stdin unless -p or -f is given, and prints the ids on one line. Beginning tokens are added by "
     "the\n"
     "model's policy. Vocabularies without weights will do, and so does a tokenizer.json.\n",
     "glia tokenize model.gguf < text", cli_cmd_tokenize},
    {"embed", CLI_EMBED, "MODEL", 1, 1, "Turn texts into embeddings",
     "Prints one embedding a line of the input (-p: of one text): the last hidden states of the text's "
     "tokens,\n"
     "pooled. Encoders such as BERT, and every other model. With --pooling none there is one line a token.\n",
     "glia embed model.gguf -f texts.txt --normalize -o out.npy", cli_cmd_embed},
    {"perplexity", CLI_PERPLEXITY, "MODEL", 1, 1, "Measure how well a model predicts a text",
     "Cuts the text into windows of -c tokens without overlap and scores every token after a window's "
     "first.\n"
     "Prints the mean negative log-likelihood in nats, its exponential, and the number of scored tokens.\n",
     "glia perplexity model.gguf -f text.txt -c 512", cli_cmd_perplexity},
    {"bench", CLI_BENCH, "MODEL | --synth SHAPE[:TYPE] | --kernels [NAME]", 0, 1,
     "Measure the speed of a model",
     "model.onnx: load, first run, and runs on given or random inputs; --against lets another runtime take "
     "turns.\n"
     "Prefill: -p random tokens in one go, with the logits of the last. Decode: -n tokens one by one, each "
     "with its\n"
     "logits. Both after --depth tokens; loading and what warms caches are not counted. Beside the speed "
     "stand the\n"
     "limits of the machine, measured in the same run by the same threads. Lists mean every combination.\n",
     "glia bench model.gguf -p 512 -n 128 -t 1,2 -o md", cli_cmd_bench},
    {"synth", CLI_SYNTH, "OUT", 1, 1, "Write a model of a known shape with random weights",
     "For tests and benchmarks: work and bytes are those of the real model, the text has no meaning.\n",
     "glia synth --shape llama-110m --type Q4_0 out.gguf", cli_cmd_synth},
    {"quantize", CLI_QUANTIZE, "MODEL OUT TYPE", 2, 3, "Write a model with its matrices in a smaller type",
     "TYPE is a mixture such as Q4_K_M, or a type for all matrices such as Q8_0; `glia quantize MODEL TYPE "
     "--dry-run`\n"
     "shows what each tensor would be. Vectors, norms and routers keep their type. The file appears under "
     "its "
     "name\n"
     "when it is complete, with the same bytes for any number of threads.\n",
     "glia quantize model-f16.gguf model-q4.gguf Q4_K_M", cli_cmd_quantize},
    {"imatrix", CLI_IMATRIX, "MODEL", 1, 1, "Measure what matters in a model's matrices",
     "The model reads a text of -p or -f, in chunks of -c tokens; the mean squares of what each matrix meets "
     "go to "
     "-o,\n"
     "for glia quantize --imatrix. The same text gives the same file for any number of threads.\n",
     "glia imatrix model-f16.gguf -f text.txt -o model.imatrix.gguf", cli_cmd_imatrix},
    {"convert", CLI_CONVERT, "CHECKPOINT OUT", 2, 2, "Write a Hugging Face checkpoint as a GGUF model",
     "CHECKPOINT is a folder with config.json, tokenizer.json and weights as SafeTensors, or the weights' "
     "file in "
     "it.\n"
     "Matrices keep their type unless --type says otherwise. What has no place in a GGUF file is refused by "
     "name.\n",
     "glia convert Qwen3-0.6B/ qwen3-0.6b.gguf --type Q8_0", cli_cmd_convert},
    {"verify", CLI_VERIFY, "MODEL", 1, 1, "Compare an ONNX network's outputs with stored ones",
     "Runs every data set beside the model (test_data_set_N, with input_I.pb and output_I.pb), or that of "
     "--data, and\n"
     "prints the largest difference of each output. Equal means: the same dtype and shape, and for each "
     "number\n"
     "|got - want| <= atol + rtol * |want|, NaN being equal to NaN.\n",
     "glia verify resnet/model.onnx --data resnet/test_data_set_0", cli_cmd_verify},
    {"conform", CLI_CONFORM, "DIR", 1, 1, "Run a folder of ONNX test cases",
     "Verifies every folder below DIR that holds a model.onnx, each in a process of its own. One line a "
     "failure, with\n"
     "its reason; what is not built is counted apart. The last line is `N passed, N failed, N "
     "unsupported`.\n",
     "glia conform onnx/backend/test/data/node", cli_cmd_conform},
    {"compile", CLI_COMPILE, "MODEL", 1, 1, "Write an ONNX network as a .glia container",
     "One file, external data included, whose weights are mapped and not copied, so that it opens in "
     "milliseconds. "
     "It\n"
     "appears under its name when it is complete. run, bench, plan, inspect and verify take it as they take "
     "ONNX "
     "files;\n"
     "it is checked and planned like one, on any machine.\n",
     "glia compile model.onnx -o model.glia", cli_cmd_compile},
    {"explain", CLI_EXPLAIN, "[CODE]", 0, 1, "Explain an error code",
     "Without a code: the list of all of them.\n", "glia explain G0102", cli_cmd_explain},
    {0},
};

#define AT(field) offsetof(cli_settings, field)
#define SAMPLES (CLI_RUN | CLI_CHAT)
#define TESTS (CLI_VERIFY | CLI_CONFORM)
#define NETS (CLI_RUN | CLI_PLAN | CLI_BENCH | TESTS)
#define MODEL_COMMANDS (CLI_RUN | CLI_CHAT | CLI_PLAN | CLI_LOGITS | CLI_PERPLEXITY | CLI_BENCH | CLI_EMBED)
#define FLAG(letter, name, commands, field, help)                                                            \
    {                                                                                                        \
        letter, name, NULL, CLI_FLAG, commands, 0, 0, NULL, AT(field), help                                  \
    }
#define INT(letter, name, commands, min, max, field, help)                                                   \
    {                                                                                                        \
        letter, name, "N", CLI_INT, commands, min, max, NULL, AT(field), help                                \
    }
#define INTS(letter, name, value, commands, min, max, field, help)                                           \
    {                                                                                                        \
        letter, name, value, CLI_INTS, commands, min, max, NULL, AT(field), help                             \
    }
#define REAL(name, commands, min, max, field, help)                                                          \
    {                                                                                                        \
        0, name, "X", CLI_REAL, commands, min, max, NULL, AT(field), help                                    \
    }
#define TEXT(letter, name, value, commands, field, help)                                                     \
    {                                                                                                        \
        letter, name, value, CLI_TEXT, commands, 0, 0, NULL, AT(field), help                                 \
    }
static const char isa_names[] = "portable"
#define X(name) "|" #name
#include "provider/cpu/isas.def"
#undef X
    ;

#define CHOICE(letter, name, value, commands, choices, field, help)                                          \
    {                                                                                                        \
        letter, name, value, CLI_CHOICE, commands, 0, 0, choices, AT(field), help                            \
    }

const cli_option cli_options[] = {
    {'i', "input", "NAME=FILE", CLI_TEXTS, CLI_RUN | CLI_BENCH, 0, 0, NULL, AT(inputs),
     "ONNX: an input, .npy or .pb; may be repeated"},
    TEXT('o', "output", "DIR", CLI_RUN, out,
         "ONNX: write each output there, NAME.npy (.json: what is no tensor)"),
    TEXT('o', "output", "FILE", CLI_COMPILE, out, "the .glia file"),
    INT(0, "random", CLI_RUN | CLI_BENCH, 0, 9007199254740992.0, random,
        "ONNX: fill the inputs that are not given from this seed"),
    {0, "dim", "NAME=N", CLI_TEXTS, CLI_RUN | CLI_PLAN | CLI_BENCH, 0, 0, NULL, AT(dims),
     "ONNX: the size of a named dimension of filled inputs (1); may be repeated"},
    INT(0, "level", NETS, 1, 3, level,
        "ONNX: rewrite by exact rules alone, 2: also those that reassociate sums, 3: also approximate ones "
        "(2)"),
    FLAG(0, "plain", NETS, plain, "ONNX: no rewriting at all, and reference kernels"),
    TEXT(0, "data", "DIR", CLI_VERIFY, data, "the data set (all that lie beside the model)"),
    REAL("rtol", TESTS, 0, 1e6, rtol, "relative tolerance (0.001)"),
    REAL("atol", TESTS, 0, 1e30, atol, "absolute tolerance (1e-7)"),
    INT(0, "timeout", CLI_CONFORM, 1, 86400, timeout, "seconds that a case may take (60)"),
    CHOICE(0, "against", "RUNTIME", CLI_BENCH, "onnxruntime", against,
           "ONNX: in turn with another runtime, on the same inputs"),
    TEXT(0, "python", "PROGRAM", CLI_BENCH, python, "the Python that has the other runtime (python3)"),
    REAL("seconds", CLI_BENCH, 0, 3600, seconds, "ONNX: of a round (0.3); -r rounds"),
    TEXT(0, "html", "FILE", CLI_PLAN, html,
         "ONNX: write a page: the graph before and after, rules, memory over time, schedule"),
    FLAG(0, "list", CLI_CONFORM, list, "a line for each case, passed ones too"),
    TEXT('p', "prompt", "TEXT", CLI_RUN | CLI_TOKENIZE | CLI_IMATRIX, prompt,
         "the text; an empty prompt starts from the beginning token"),
    INTS('p', "prompt", "N,N,..", CLI_BENCH, 0, 1 << 24, bench_prompts,
         "tokens of prefill (512); 0: no prefill"),
    TEXT('f', "file", "FILE", CLI_RUN | CLI_TOKENIZE | CLI_LOGITS | CLI_PERPLEXITY | CLI_IMATRIX, file,
         "read the text from a file; - is stdin"),
    TEXT('p', "prompt", "TEXT", CLI_EMBED, prompt, "the text"),
    TEXT('f', "file", "FILE", CLI_EMBED, file, "read the texts from a file, one a line; - is stdin (-)"),
    CHOICE(0, "pooling", "HOW", CLI_EMBED, "mean|cls|last|none", pooling,
           "of the tokens' states: their mean, the first, the last, or all (by the model)"),
    FLAG(0, "normalize", CLI_EMBED, normalize, "divide every embedding by its length"),
    {0, "ids", "ID,ID,..", CLI_INTS, CLI_LOGITS | CLI_EMBED, 0, INT32_MAX, NULL, AT(ids),
     "token ids instead of a text, used as given"},
    TEXT(0, "chat-template", "FILE|NAME", CLI_CHAT, chat_template,
         "a template instead of the model's: a file, or chatml, llama2, llama3, gemma, phi3, mistral"),
    TEXT(0, "chat-variant", "NAME", CLI_CHAT, chat_variant,
         "the model's template of this name, for example tool_use"),
    TEXT(0, "system", "TEXT", CLI_CHAT, system, "the system message"),
    TEXT(0, "history", "FILE", CLI_CHAT, history, "keep what is typed on a terminal in this file"),
    CHOICE(0, "when-full", "WHAT", CLI_CHAT, "stop|drop", when_full,
           "when the context is full, stop (the default) or drop the oldest turns whole"),
    FLAG(0, "loop", CLI_RUN, loop, "one prompt a line, from stdin or -f, until input ends"),
    INT('n', "tokens", SAMPLES, 1, 1 << 30, tokens,
        "tokens to generate (until an end token or the context's end)"),
    INTS('n', "tokens", "N,N,..", CLI_BENCH, 0, 1 << 24, bench_gens, "tokens of decode (128); 0: no decode"),
    INTS(0, "pg", "P,N,..", CLI_BENCH, 0, 1 << 24, bench_pairs,
         "prefill of P, then decode of N, measured together; without -p and -n only these"),
    INTS('d', "depth", "N,N,..", CLI_BENCH, 0, 1 << 24, depths, "tokens in the context before each test (0)"),
    INT('r', "repetitions", CLI_BENCH, 1, 1000000, repetitions, "counted repetitions (5)"),
    INT(0, "parallel", CLI_BENCH, 1, 4096, parallel,
        "sequences that are computed together, each as a test says (1)"),
    FLAG(0, "latency", CLI_BENCH, latency,
         "how even the time of a token is: 20000 or -n tokens, in turn with work of fixed size"),
    FLAG(0, "kernels", CLI_BENCH, kernels,
         "no model: the kernels whose names have NAME (all) beside the machine's limits"),
    REAL("temp", SAMPLES, 0, 1e6, temperature, "temperature; 0: always the likeliest token (0)"),
    REAL("dynatemp-range", SAMPLES, 0, 1e6, dynatemp_range,
         "the temperature follows the entropy within temp -+ X; 0: off (0)"),
    REAL("dynatemp-exp", SAMPLES, 0, 1e6, dynatemp_exponent, "exponent of the dynamic temperature (1)"),
    INT(0, "top-k", SAMPLES, 0, INT32_MAX, top_k, "keep the N likeliest tokens; 0: all (0)"),
    REAL("top-p", SAMPLES, 0, 1, top_p, "keep the likeliest tokens that reach probability X; 0, 1: all (0)"),
    REAL("min-p", SAMPLES, 0, 1, min_p, "keep tokens of at least X times the likeliest; 0: all (0)"),
    REAL("typical", SAMPLES, 0, 1, typical_p,
         "keep the tokens nearest to the entropy that reach X; 0, 1: all (0)"),
    REAL("top-nsigma", SAMPLES, 0, 1e6, top_n_sigma,
         "keep logits within X standard deviations of the highest; 0: all (0)"),
    REAL("xtc-probability", SAMPLES, 0, 1, xtc_probability,
         "how often the likely tokens but the last of them are excluded (0)"),
    REAL("xtc-threshold", SAMPLES, 0, 1, xtc_threshold, "what is likely then; above 0.5: nothing (0.1)"),
    INT(0, "min-keep", SAMPLES, 0, INT32_MAX, min_keep, "tokens that cuts by probability leave at least (1)"),
    REAL("repeat-penalty", SAMPLES, 0, 1e6, repeat_penalty,
         "divide the logits of recent tokens; 0, 1: off (0)"),
    REAL("presence-penalty", SAMPLES, -1e6, 1e6, presence_penalty,
         "subtract from the logits of recent tokens (0)"),
    REAL("frequency-penalty", SAMPLES, -1e6, 1e6, frequency_penalty,
         "subtract, times how often a token is recent (0)"),
    INT(0, "repeat-last-n", SAMPLES, -1, INT32_MAX, repeat_last_n,
        "how many tokens are recent; 0: none, -1: all (64)"),
    REAL("dry-multiplier", SAMPLES, 0, 1e6, dry_multiplier,
         "penalise tokens that would continue a repetition; 0: off (0)"),
    REAL("dry-base", SAMPLES, 0, 1e6, dry_base, "by MULTIPLIER * X^(length - allowed length) (1.75)"),
    INT(0, "dry-allowed-length", SAMPLES, 0, INT32_MAX, dry_allowed_length,
        "repetitions shorter than this are free (2)"),
    INT(0, "dry-penalty-last-n", SAMPLES, -1, INT32_MAX, dry_last_n,
        "how far back repetitions are looked for; 0: off, -1: the context (-1)"),
    {0, "dry-sequence-breaker", "TEXT", CLI_TEXTS, SAMPLES, 0, 0, NULL, AT(dry_breakers),
     "a text that ends a repetition, none: no text; may be repeated (\\n : \" *)"},
    INT(0, "mirostat", SAMPLES, 0, 2, mirostat, "1, 2: cut by surprise instead of all cuts above (0)"),
    REAL("mirostat-ent", SAMPLES, 0, 1e6, mirostat_tau, "the surprise that mirostat aims at, in bits (5)"),
    REAL("mirostat-lr", SAMPLES, 0, 1e6, mirostat_eta, "how fast mirostat adapts (0.1)"),
    TEXT(0, "samplers", "NAMES", SAMPLES, samplers,
         "the chain (penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature)"),
    TEXT(0, "grammar", "TEXT", SAMPLES, grammar, "only texts of this grammar (GBNF)"),
    TEXT(0, "grammar-file", "FILE", SAMPLES, grammar_file, "the same from a file"),
    TEXT('j', "json-schema", "TEXT", SAMPLES, json_schema,
         "only JSON that this schema allows; {}: any value"),
    TEXT(0, "json-schema-file", "FILE", SAMPLES, json_schema_file, "the same from a file"),
    INT(0, "logprobs", CLI_RUN, 0, 1 << 20, logprobs,
        "with --json: the log-probability of each token, and of the N likeliest"),
    {0, "logit-bias", "ID=BIAS", CLI_BIAS, SAMPLES, -1e30, 1e30, NULL, AT(biases),
     "add BIAS to a token's logit; -inf forbids it; may be repeated"},
    INT(0, "seed", SAMPLES | CLI_SYNTH | CLI_BENCH, 0, 9007199254740992.0, seed,
        "seed of the random numbers (0)"),
    FLAG(0, "ignore-eos", CLI_RUN, ignore_end, "never choose end tokens"),
    FLAG(0, "special", SAMPLES | CLI_TOKENIZE | CLI_LOGITS | CLI_PERPLEXITY | CLI_EMBED, special,
         "control tokens written in the text are taken as such, and shown"),
    FLAG(0, "no-bos", CLI_TOKENIZE, no_bos, "add no beginning token, whatever the model's policy"),
    FLAG(0, "pieces", CLI_TOKENIZE, pieces, "print one token a line with its text"),
    FLAG(0, "decode", CLI_TOKENIZE, decode, "the input is ids, the output their text"),
    INT('c', "context", MODEL_COMMANDS, 1, 1 << 30, context,
        "tokens of context (the model's own, at most 4096)"),
    INT('c', "context", CLI_IMATRIX, 1, 1 << 20, context, "tokens of a chunk (512)"),
    INT(0, "chunks", CLI_IMATRIX, 1, 1 << 30, chunks, "read so many chunks at most (all)"),
    INT('b', "batch", CLI_RUN | CLI_CHAT | CLI_PLAN | CLI_PERPLEXITY | CLI_BENCH, 1, 65536, batch,
        "most tokens in one step (128)"),
    INT(0, "ub", CLI_BENCH, 1, 65536, ubatch, "the same as -b, the smaller one counts"),
    INT('b', "batch", CLI_EMBED, 1, 65536, batch, "most tokens in one step (128; encoders: the context)"),
    INT(0, "chunk", CLI_LOGITS, 1, 65536, batch, "tokens in one step (128)"),
    INT('t', "threads",
        CLI_RUN | CLI_CHAT | CLI_PLAN | CLI_LOGITS | CLI_PERPLEXITY | CLI_EMBED | CLI_QUANTIZE | CLI_IMATRIX |
            CLI_VERIFY,
        1, 1024, threads, "worker threads (the usable processors)"),
    INT('t', "threads", CLI_CONFORM, 1, 1024, threads, "worker threads of each case (1)"),
    INTS('t', "threads", "N,N,..", CLI_BENCH, 1, 1024, thread_list, "worker threads, one measurement each"),
    INT(0, "slots", MODEL_COMMANDS | TESTS, 1, 64, slots, "shares of the work (as many as threads)"),
    CHOICE(0, "isa", "NAME", MODEL_COMMANDS | TESTS, isa_names, isa, "no faster instruction set than this"),
    TEXT(0, "draft", "MODEL", CLI_RUN, draft,
         "a smaller model with the same tokens, which guesses ahead; the text is the same"),
    INT(0, "draft-ngram", CLI_RUN, 1, 64, draft_ngram,
        "guess what followed the last N tokens when they occurred before"),
    INT(0, "draft-max", CLI_RUN, 1, 64, draft_max, "most guesses a step (8)"),
    TEXT(0, "load-session", "FILE", CLI_RUN, load_session,
         "go on from a saved session; the prompt follows what it holds, and may be left out"),
    TEXT(0, "save-session", "FILE", CLI_RUN, save_session, "save the session, with the text, at the end"),
    CHOICE(0, "kv", "TYPE", MODEL_COMMANDS, "f32|f16|q8_0", kv,
           "element type of the key-value cache (by the model)"),
    CHOICE(0, "ctk", "TYPE", CLI_BENCH, "f32|f16|q8_0", type_k, "the same as --kv"),
    CHOICE(0, "ctv", "TYPE", CLI_BENCH, "f32|f16|q8_0", type_v,
           "the same as --kv; keys and values have one type"),
    {0, "lora", "FILE[:SCALE]", CLI_ADAPTER, MODEL_COMMANDS, -1e6, 1e6, NULL, AT(adapters),
     "apply a low-rank adapter, SCALE times (1); may be repeated"},
    {0, "memory-limit", "BYTES", CLI_BYTES, MODEL_COMMANDS | TESTS, 1, 0, NULL, AT(memory_limit),
     "refuse to load above this; K, M, G may follow"},
    TEXT(0, "pack-cache", "DIR|off", MODEL_COMMANDS, pack_cache,
         "keep the weights in this folder as they lie in memory, so that later starts map them (off)"),
    FLAG(0, "pack-copy", MODEL_COMMANDS, pack_copy,
         "copy the kept weights into memory instead of mapping them"),
    FLAG(0, "pack-verify", MODEL_COMMANDS, pack_verify,
         "compare the whole model file with what the kept weights were made of"),
    TEXT(0, "profile", "FILE", CLI_RUN | CLI_LOGITS | CLI_PERPLEXITY | CLI_EMBED, profile,
         "write a trace for a trace viewer (JSON); -: a table to stderr"),
    FLAG(0, "graph", CLI_PLAN, graph, "print the graph's text form instead"),
    CHOICE(0, "type", "TYPE", CLI_CONVERT, "F32|F16|BF16|Q8_0", type,
           "type of the matrices (the checkpoint's own)"),
    TEXT(0, "imatrix", "FILE", CLI_QUANTIZE, imatrix,
         "weigh the columns by an importance matrix (GGUF or .dat)"),
    FLAG(0, "pure", CLI_QUANTIZE, pure, "the same type for all matrices"),
    FLAG(0, "dry-run", CLI_QUANTIZE, dry_run, "write nothing, list what each tensor would be"),
    TEXT('o', "output", "FILE", CLI_IMATRIX, out, "the importance matrix to write (GGUF)"),
    TEXT('o', "output", "FILE", CLI_LOGITS, out, "the NumPy file to write"),
    TEXT('o', "output", "FILE", CLI_EMBED, out, "write a NumPy file, float32, instead of text"),
    CHOICE('o', "output", "FORMAT", CLI_BENCH, "md|json|csv", format, "form of the result (md)"),
    TEXT(0, "shape", "NAME", CLI_SYNTH, shape,
         "llama-3.2-1b, qwen3-0.6b, gemma-3-1b, gpt-oss-20b ...; a wrong name lists them all"),
    TEXT(0, "synth", "SHAPE[:TYPE]", CLI_BENCH, synth,
         "measure random weights in this shape and type or mixture, in a temporary file (Q4_0)"),
    TEXT(0, "type", "TYPE", CLI_SYNTH, type,
         "type of the matrices, or a mixture: F16, Q8_0, Q4_0, Q4_K_M ... (Q4_0)"),
    FLAG('v', "verbose", CLI_RUN | CLI_LOGITS | CLI_PERPLEXITY | CLI_BENCH | CLI_EMBED, verbose,
         "report on stderr"),
    FLAG(0, "json", CLI_ALL, json, "print the result as JSON"),
    FLAG('h', "help", CLI_ALL, help, "print this help"),
    FLAG(0, "version", CLI_ALL, version, "print the version"),
    FLAG(0, "man", CLI_TOP, man, "print the manual page (roff)"),
    CHOICE(0, "completion", "SHELL", CLI_TOP, "bash|zsh|fish", completion, "print the shell's completions"),
    {0},
};

const cli_command *cli_command_find(const char *name)
{
    for (const cli_command *k = cli_commands; k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------------- */

/* Digits with an optional minus, all of text[0..size). */
static bool parse_int(const char *text, int64_t size, int64_t *out)
{
    bool minus = size > 0 && text[0] == '-';
    int64_t v = 0;
    if (size <= minus) return false;
    for (int64_t i = minus; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (!glia_mul(v, 10, &v) || !glia_add(v, text[i] - '0', &v)) return false;
    }
    *out = minus ? -v : v;
    return true;
}

static bool in_range(const cli_option *o, int64_t v) { return (double)v >= o->min && (double)v <= o->max; }

static int bad_number(const cli *c, const cli_option *o, const char *value, const char *kind)
{
    return cli_usage(c, "option --%s is `%.60s`; it must be %s from %.10g to %.10g", o->name, value, kind,
                     o->min, o->max);
}

static int set_int(cli *c, const cli_option *o, const char *value, void *to)
{
    int64_t v;
    if (!parse_int(value, (int64_t)strlen(value), &v) || !in_range(o, v))
        return bad_number(c, o, value, "a whole number");
    memcpy(to, &v, sizeof v);
    return CLI_OK;
}

static int set_real(cli *c, const cli_option *o, const char *value, void *to)
{
    double v;
    if (!glia_number_parse(value, (int64_t)strlen(value), &v) || !(v >= o->min && v <= o->max))
        return bad_number(c, o, value, "a number");
    memcpy(to, &v, sizeof v);
    return CLI_OK;
}

static int set_bytes(cli *c, const cli_option *o, const char *value, void *to)
{
    static const char units[] = "KMGT", small[] = "kmgt";
    int64_t size = (int64_t)strlen(value), v;
    int shift = 0;
    for (int i = 0; size && i < 4; i++)
        if (value[size - 1] == units[i] || value[size - 1] == small[i]) shift = 10 * (i + 1);
    if (!parse_int(value, size - (shift != 0), &v) || v < 1 || !glia_mul(v, (int64_t)1 << shift, &v))
        return cli_usage(c, "option --%s is `%.60s`; it must be a number of bytes, such as 800M", o->name,
                         value);
    memcpy(to, &v, sizeof v);
    return CLI_OK;
}

static int set_choice(cli *c, const cli_option *o, const char *value, void *to)
{
    size_t size = strlen(value);
    for (const char *at = o->choices; size && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, size) || (at[size] && at[size] != '|')) continue;
        memcpy(to, &value, sizeof value);
        return CLI_OK;
    }
    return cli_usage(c, "option --%s is `%.60s`; it must be one of %s", o->name, value, o->choices);
}

static int set_ints(cli *c, const cli_option *o, const char *value, void *to)
{
    cli_ints *list = to;
    list->count = 0;
    for (const char *at = value;; at++) {
        const char *end = strchr(at, ',');
        int64_t size = end ? end - at : (int64_t)strlen(at), v;
        if (!parse_int(at, size, &v) || !in_range(o, v))
            return bad_number(c, o, value, "whole numbers separated by commas, each");
        int64_t *grown = glia_arena_grow(&c->arena, list->v, list->count, &list->capacity, sizeof v);
        if (!grown) return cli_no_memory(c);
        list->v = grown;
        list->v[list->count++] = v;
        at += size;
        if (!*at) return CLI_OK;
    }
}

static int set_bias(cli *c, const cli_option *o, const char *value, void *to)
{
    cli_biases *list = to;
    const char *equals = strchr(value, '=');
    int64_t id;
    double bias = 0;
    bool ok = equals && parse_int(value, equals - value, &id) && id >= 0 && id <= INT32_MAX;
    bool forbid = ok && !strcmp(equals + 1, "-inf");
    if (ok && !forbid)
        ok = glia_number_parse(equals + 1, (int64_t)strlen(equals + 1), &bias) && bias >= o->min &&
             bias <= o->max;
    if (!ok)
        return cli_usage(c, "option --%s is `%.60s`; it must be ID=BIAS, such as 15043=-1.5 or 15043=-inf",
                         o->name, value);
    int32_t *ids = glia_arena_grow(&c->arena, list->ids, list->count, &list->capacity, sizeof *ids);
    float *values =
        glia_arena_grow(&c->arena, list->values, list->count, &list->capacity_values, sizeof *values);
    if (!ids || !values) return cli_no_memory(c);
    list->ids = ids;
    list->values = values;
    ids[list->count] = (int32_t)id;
    values[list->count++] = forbid ? -__builtin_inff() : (float)bias;
    return CLI_OK;
}

static int set_adapter(cli *c, const cli_option *o, const char *value, void *to)
{
    cli_adapters *list = to;
    const char *colon = strrchr(value, ':');
    double scale = 1;
    char *path = glia_arena_strdup(&c->arena, value);
    glia_adapter *v = glia_arena_grow(&c->arena, list->v, list->count, &list->capacity, sizeof *v);
    if (!path || !v) return cli_no_memory(c);
    if (colon && glia_number_parse(colon + 1, (int64_t)strlen(colon + 1), &scale)) path[colon - value] = 0;
    else scale = 1;
    if (!path[0] || !(scale >= o->min && scale <= o->max))
        return cli_usage(c, "option --%s is `%.60s`; it must be FILE or FILE:SCALE", o->name, value);
    list->v = v;
    v[list->count++] = (glia_adapter){path, (float)scale};
    return CLI_OK;
}

static int set_texts(cli *c, const cli_option *o, const char *value, void *to)
{
    cli_texts *list = to;
    (void)o;
    const char **v = glia_arena_grow(&c->arena, list->v, list->count, &list->capacity, sizeof *v);
    if (!v) return cli_no_memory(c);
    list->v = v;
    v[list->count++] = value;
    return CLI_OK;
}

static int set_text(cli *c, const cli_option *o, const char *value, void *to)
{
    (void)c;
    (void)o;
    memcpy(to, &value, sizeof value);
    return CLI_OK;
}

static int set_value(cli *c, const cli_option *o, const char *value)
{
    static int (*const setters[])(cli *, const cli_option *, const char *, void *) = {
        [CLI_INT] = set_int,     [CLI_REAL] = set_real,       [CLI_TEXT] = set_text,
        [CLI_BYTES] = set_bytes, [CLI_CHOICE] = set_choice,   [CLI_INTS] = set_ints,
        [CLI_BIAS] = set_bias,   [CLI_ADAPTER] = set_adapter, [CLI_TEXTS] = set_texts,
    };
    return setters[o->kind](c, o, value, (char *)&c->set + o->offset);
}

/* ---- words ---------------------------------------------------------------------------------------- */

static const cli_option *find_option(const cli *c, char letter, const char *name, size_t size)
{
    int bit = c->command ? c->command->bit : CLI_TOP;
    for (const cli_option *o = cli_options; o->name; o++) {
        if (!(o->commands & bit)) continue;
        if (letter ? o->letter == letter : !strncmp(o->name, name, size) && !o->name[size]) return o;
    }
    return NULL;
}

/* One word that begins with a dash; *at is moved over the value where it is a word of its own. */
static int parse_option(cli *c, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *value = NULL;
    /* Names of two or three letters may follow one dash, as in other programs: -pg. */
    const bool short_name = word[1] != '-' && word[2] && strlen(word) <= 4;
    const cli_option *o = short_name ? find_option(c, 0, word + 1, strlen(word + 1)) : NULL;
    if (o) {
        value = NULL;
    } else if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t size = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
        o = size ? find_option(c, 0, word + 2, size) : NULL;
        if (equals) value = equals + 1;
    } else {
        o = find_option(c, word[1], NULL, 0);
        if (o && word[2]) value = word + 2;
    }
    if (!o) return cli_usage(c, "unknown option `%.60s`", word);
    if (o->kind == CLI_FLAG) {
        if (value) return cli_usage(c, "option --%s takes no value", o->name);
        *((bool *)((char *)&c->set + o->offset)) = true;
        return CLI_OK;
    }
    if (!value) {
        if (*at + 1 >= argc) return cli_usage(c, "option --%s needs a value", o->name);
        value = argv[++*at];
    }
    return set_value(c, o, value);
}

int cli_parse(cli *c, int argc, char **argv, int from, int *next)
{
    bool words_only = false;
    int at = from;
    for (; at < argc; at++) {
        const char *word = argv[at];
        if (!words_only && !strcmp(word, "--")) {
            words_only = true;
        } else if (!words_only && word[0] == '-' && word[1]) {
            int code = parse_option(c, argc, argv, &at);
            if (code) return code;
        } else {
            if (!c->command) break;
            if (c->arg_count >= c->command->args_max) return cli_usage(c, "extra argument `%.60s`", word);
            c->args[c->arg_count++] = word;
        }
    }
    *next = at;
    if (c->set.help || c->set.version || !c->command) return CLI_OK;
    if (c->arg_count < c->command->args_min) return cli_usage(c, "%s is missing", c->command->args);
    return CLI_OK;
}
