#!/usr/bin/env python3
"""Decode and prefill speed of glia and llama.cpp side by side on one GGUF file, as a markdown table.

Needs numpy and llama-cpp-python (tools/oracles.sh installs both) and a built glia program. Usage:

    python bench/compare_decode.py model.gguf --glia ./glia --threads 2 -p 128 -n 64 --rounds 5
    python bench/compare_decode.py model.gguf            llama.cpp alone

A round runs one process of each, one after the other, and the rounds alternate in who comes first: what the
machine does meanwhile (clock, neighbours) meets both. The ratio is taken within a round and its median over the
rounds; the spread says how far to trust it. On a busy machine threads that spin while they wait for each other
lose a factor of ten and more: the load printed on top should be near zero.

Both measure the same: prefill of P tokens into an empty context with the logits of the last one; decode of N
tokens one by one after D tokens (--depth, by default P), with logits for each. Tokens are random, the
context is warm, loading is not timed. llama.cpp runs through its C functions with its defaults (flash
attention where it chooses, half-precision KV cache), so Python costs it microseconds a token.

glia is called as `glia bench MODEL -p P -n N -t T -o json` and prints an array of objects with the keys n_prompt,
n_gen, n_threads, avg_ts and samples_ts (tokens a second). The object with n_gen = 0 is the prefill; the one with
n_gen = N is the decode, and its n_prompt says after how many tokens; it has to be D.
"""

import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

BATCH = 512  # llama.cpp's default for n_ubatch; longer prompts are cut to it


# ---------------------------------------------------------------- llama.cpp, in a process of its own


class Peer:
    """A model in llama.cpp. Token ids come from a fixed generator: their values do not change the work."""

    def __init__(self, path, threads, context):
        import llama_cpp

        self.api = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, user_data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        model_params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"llama.cpp cannot make a context of {context} tokens")
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(vocab)
        self.state = 12345

    def ids(self, count):
        drawn = (ctypes.c_int32 * count)()
        for i in range(count):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            drawn[i] = (self.state >> 33) % self.vocab_size
        return drawn

    def clear(self):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def feed(self, ids):
        """Runs the ids as one batch; llama_batch_get_one asks for the logits of the last."""
        batch = self.api.llama_batch_get_one(ids, len(ids))
        if self.api.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")

    def prefill(self, count):
        for begin in range(0, count, BATCH):
            self.feed(self.ids(min(BATCH, count - begin)))

    def prefill_ts(self, count):
        self.clear()
        start = time.perf_counter()
        self.prefill(count)
        self.api.llama_synchronize(self.context)
        return count / (time.perf_counter() - start)

    def decode_ts(self, depth, count):
        self.clear()
        self.prefill(depth)
        self.api.llama_synchronize(self.context)
        singles = [self.ids(1) for _ in range(count)]
        start = time.perf_counter()
        for one in singles:
            self.feed(one)
            self.api.llama_synchronize(self.context)
        return count / (time.perf_counter() - start)


def run_peer(options):
    """The child's main: prints one JSON object. The first run of each kind warms caches and is dropped."""
    context = max(options.prompt, options.depth + options.tokens) + 1
    peer = Peer(options.model, options.threads, context)
    results = {"prefill": [], "decode": []}
    for repetition in range(options.reps + 1):
        prefill = peer.prefill_ts(options.prompt)
        decode = peer.decode_ts(options.depth, options.tokens if repetition else min(4, options.tokens))
        if repetition:
            results["prefill"].append(prefill)
            results["decode"].append(decode)
    print(json.dumps(results))


def measure_peer(options):
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), *sys.argv[1:], "--as-peer"]
    results = json.loads(run(command))
    return {kind: statistics.median(samples) for kind, samples in results.items()}


# ---------------------------------------------------------------- glia


def measure_glia(options):
    command = [options.glia, "bench", options.model, "-p", str(options.prompt), "-n", str(options.tokens),
               "-t", str(options.threads), "-o", "json"]
    speeds = {}
    for entry in json.loads(run(command)):
        kind = "decode" if entry["n_gen"] > 0 else "prefill"
        check_entry(entry, kind, options)
        speeds[kind] = statistics.median(entry.get("samples_ts") or [entry["avg_ts"]])
    missing = {"decode", "prefill"} - speeds.keys()
    if missing:
        raise SystemExit(f"glia bench printed no entry for {', '.join(sorted(missing))}")
    return speeds


def check_entry(entry, kind, options):
    """Two different measurements side by side would look like a result."""
    expected = {"n_threads": options.threads}
    expected["n_prompt"] = options.depth if kind == "decode" else options.prompt
    expected["n_gen"] = options.tokens if kind == "decode" else 0
    for key, value in expected.items():
        if entry[key] != value:
            hint = "; --depth sets it for llama.cpp" if (kind, key) == ("decode", "n_prompt") else ""
            raise SystemExit(f"glia bench measured {kind} with {key} = {entry[key]}, not {value}{hint}")


def run(command):
    """What a child says on stderr is shown only if it fails."""
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {child.returncode}\n{child.stderr.strip()}")
    return child.stdout


# ---------------------------------------------------------------- rounds and tables


def run_rounds(options):
    """Gives {program: [speeds of round 1, ...]}; even rounds run in the order opposite to odd ones."""
    programs = [("llama.cpp", measure_peer)]
    if options.glia:
        programs.append(("glia", measure_glia))
    results = {name: [] for name, _ in programs}
    for index in range(options.rounds):
        for name, measure in programs if index % 2 == 0 else reversed(programs):
            results[name].append(measure(options))
        print(f"round {index + 1} of {options.rounds} done", file=sys.stderr)
    return results


def spread(values):
    return f"{min(values):.4g} to {max(values):.4g}"


def print_table(kind, title, results):
    columns = {name: [speeds[kind] for speeds in rounds] for name, rounds in results.items()}
    if "glia" in columns:
        columns["glia / llama.cpp"] = [own / peer for own, peer in zip(columns["glia"], columns["llama.cpp"])]
    print(f"\n{title}\n")
    print("| round | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for index, row in enumerate(zip(*columns.values()), 1):
        print(f"| {index} | " + " | ".join(f"{value:.4g}" for value in row) + " |")
    print("| **median** | " + " | ".join(f"**{statistics.median(v):.4g}**" for v in columns.values()) + " |")
    print("| spread | " + " | ".join(spread(v) for v in columns.values()) + " |")


def parse_options():
    parser = argparse.ArgumentParser(description="Decode and prefill speed of glia and llama.cpp, interleaved.")
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("--glia", help="the glia program; without it only llama.cpp is measured")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-p", "--prompt", type=int, default=128, help="tokens of prefill (default 128)")
    parser.add_argument("-n", "--tokens", type=int, default=64, help="tokens of decode (default 64)")
    parser.add_argument("--depth", type=int, help="tokens in the context before decode (default: -p)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reps", type=int, default=3, help="repetitions in llama.cpp's process (default 3)")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.depth is None:
        options.depth = options.prompt
    if min(options.prompt, options.tokens, options.rounds, options.reps, options.threads) < 1 or options.depth < 0:
        parser.error("counts have to be at least 1")
    return options


def main():
    options = parse_options()
    if options.as_peer:
        run_peer(options)
        return
    load = os.getloadavg()[0]
    results = run_rounds(options)
    print(f"{pathlib.Path(options.model).name}, {options.threads} threads on {os.cpu_count()} processors, "
          f"load before {load:.1f}, tokens a second")
    print_table("decode", f"decode of {options.tokens} tokens after {options.depth}", results)
    print_table("prefill", f"prefill of {options.prompt} tokens", results)


if __name__ == "__main__":
    main()
