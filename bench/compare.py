#!/usr/bin/env python3
"""Speed of glia and of its peers on the same GGUF files: rounds A B A B, ratios within a round, their medians.

    bench/compare.py model.gguf                                        against llama.cpp, in about three minutes
    bench/compare.py llama-3.2-1b:Q4_0 qwen3-0.6b:Q8_0 --suite full    models of these shapes, made here once
    bench/compare.py model.gguf --llama-bench ik=PATH --llama-bench ik-rtr=PATH:"-rtr 1"

llama.cpp comes as llama-cpp-python from the Python package index, built for this machine into a virtual environment
(--venv; one that exists is used as it is) and is run through its C functions, so Python costs it microseconds a
token. Any program that takes llama-bench's options and prints its JSON can be added by name: --llama-bench
NAME=PATH[:OPTIONS].

What is run, by --suite or --tests:

    prefill    512 tokens into an empty context, with the logits of the last
    decode     tokens one by one after 16, each with its logits (32; full, and small models: 128)
    deep       a quarter as many after 4096
    batch      a quarter as many for 8 sequences at once (llama-bench cannot, and is left out)

Each measurement is a process of its own, on as many processors as threads; loading and a warming run are not timed. A
round runs every program once, and rounds alternate in who comes first: what the machine does meanwhile meets all. The
ratio to a peer is taken within a round; the table has its median and its spread. Programs keep their own defaults
(largest step, cache of half precision, flash attention); the file, the threads and the counts are the same. On a busy
machine threads that spin while they wait for each other lose a factor of ten, so the load is recorded before, between
and after.

The result with all samples goes to bench/results/DATE-NAME.json."""

import argparse
import ctypes
import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "llama-cpp-python==0.3.36"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "glia-bench"
SUITES = {"quick": ["prefill", "decode"], "full": ["prefill", "decode", "deep", "batch"]}
STEP = 512  # llama.cpp's default for n_ubatch; longer prompts are cut to it


SMALL = 300 << 20  # bytes of a file whose measurements are so short that they are repeated


def tests_of(options, small):
    """Gives {name: (prompt, tokens, depth, sequences)}."""
    tokens = 128 if options.suite == "full" or small else 32
    every = {
        "prefill": (options.prompt, 0, 0, 1),
        "decode": (0, options.tokens or tokens, 16, 1),
        "deep": (0, options.tokens or tokens // 4, options.depth, 1),
        "batch": (0, options.tokens or tokens // 4, 16, 8),
    }
    names = options.tests.split(",") if options.tests else SUITES[options.suite]
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SystemExit(f"there is no test {', '.join(unknown)}; known are {', '.join(every)}")
    return {name: every[name] for name in names}


def title_of(test):
    prompt, tokens, depth, sequences = test
    text = f"prefill of {prompt} tokens" if prompt else f"decode of {tokens} tokens after {depth}"
    return text + (f", {sequences} sequences" if sequences > 1 else "")


# ---------------------------------------------------------------- llama.cpp, in a process of its own


class Peer:
    """A model in llama.cpp. Token ids come from a fixed generator: their values do not change the work."""

    def __init__(self, path, threads, context, sequences):
        import llama_cpp

        self.api = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, user_data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context * sequences
        params.n_seq_max = self.sequences = sequences
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"llama.cpp cannot make a context of {context} tokens")
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(max(STEP, sequences), 0, 1)
        self.state = 12345

    def id(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % self.vocab_size

    def step(self, places, wanted):
        """One token at each (sequence, position); `wanted` says of which the logits are wanted."""
        batch = self.batch
        batch.n_tokens = len(places)
        for i, (sequence, position) in enumerate(places):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = self.id(), position, 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted(i)
        if self.api.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")

    def prefill(self, sequence, count):
        for begin in range(0, count, STEP):
            end = min(begin + STEP, count)
            self.step([(sequence, i) for i in range(begin, end)], lambda i: begin + i + 1 == count)

    def clear(self):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def speed(self, prompt, tokens, depth):
        """Tokens a second of a prefill of `prompt`, or of `tokens` steps after `depth`."""
        self.clear()
        for sequence in range(self.sequences if depth else 0):
            self.prefill(sequence, depth)
        self.api.llama_synchronize(self.context)
        start = time.perf_counter()
        if prompt:
            self.prefill(0, prompt)
        for i in range(tokens):
            self.step([(sequence, depth + i) for sequence in range(self.sequences)], lambda i: True)
            self.api.llama_synchronize(self.context)
        self.api.llama_synchronize(self.context)
        return (prompt + tokens * self.sequences) / (time.perf_counter() - start)


def run_as_peer(order):
    """The child's main: prints one JSON object."""
    begin = time.perf_counter()
    prompt, tokens, depth, sequences = order["test"]
    peer = Peer(order["model"], order["threads"], prompt + tokens + depth + 1, sequences)
    load = time.perf_counter() - begin
    peer.speed(min(prompt, 64), min(tokens, 4), min(depth, 64))
    speeds = [peer.speed(prompt, tokens, depth) for _ in range(order["reps"])]
    print(json.dumps({"ts": speeds, "load_s": load}))


# ---------------------------------------------------------------- programs


def run(command, threads, **more):
    """What a child says on stderr is shown only if it fails. It stays on as many processors as it has threads."""
    usable = sorted(os.sched_getaffinity(0))[:threads]
    child = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                           preexec_fn=lambda: os.sched_setaffinity(0, usable), **more)
    if child.returncode != 0:
        words = shlex.join(str(word) for word in command)
        raise SystemExit(f"{words}: exit status {child.returncode}\n{child.stderr.strip()}")
    return child.stdout


class Glia:
    def __init__(self, path, extra):
        self.name, self.path, self.extra = "glia", path, shlex.split(extra)
        self.about = json.loads(run([path, "--version", "--json"], 1))["version"]

    def measure(self, model, test, options):
        prompt, tokens, depth, sequences = test
        command = [self.path, "bench", model, "-p", prompt, "-n", tokens, "-d", depth, "--parallel", sequences,
                   "-t", options.threads, "-r", reps_of(model, options), "-o", "json", *self.extra]
        (entry,) = json.loads(run(command, options.threads))
        check_entry(self, entry, n_prompt=prompt, n_gen=tokens, n_depth=depth, n_threads=options.threads, n_reused=0)
        kept = ["load_ns", "first_token_cold_ns", "peak_rss", "step_p50_ns", "step_p99_ns", "limit_read", "limit_int8",
                "limit_int8_tiles", "limit_fp32", "clock_hz", "fraction_read", "fraction_arithmetic", "waiting",
                "allocations", "page_faults_minor", "page_faults_major"]
        return {"ts": entry["samples_ts"], **{key: entry.get(key) for key in kept}}


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, python):
        self.python = python
        ask = "import llama_cpp; print(llama_cpp.__version__, llama_cpp.llama_print_system_info().decode())"
        self.about = run([python, "-c", ask], 1).strip()

    def measure(self, model, test, options):
        order = {"model": str(model), "test": test, "threads": options.threads, "reps": reps_of(model, options)}
        return json.loads(run([self.python, pathlib.Path(__file__).resolve(), "--as-peer", json.dumps(order)],
                              options.threads))


class LlamaBench:
    """A program with llama-bench's options. Decode behind a depth is -d, or -gp where the program has that."""

    def __init__(self, spec):
        self.name, separator, rest = spec.partition("=")
        self.path, _, extra = rest.partition(":")
        if not separator or not os.access(self.path, os.X_OK):
            raise SystemExit(f"--llama-bench {spec}: it must be NAME=PATH[:OPTIONS] with a program at PATH")
        self.extra = shlex.split(extra)
        told = subprocess.run([self.path, "--help"], capture_output=True, text=True)
        self.has_depth = "--n-depth" in told.stdout + told.stderr
        self.about = " ".join([pathlib.Path(self.path).name, *self.extra])

    def measure(self, model, test, options):
        prompt, tokens, depth, sequences = test
        if sequences > 1:
            return None
        command = [self.path, "-m", model, "-t", options.threads, "-r", reps_of(model, options), "-o", "json",
                   *self.extra]
        if prompt:
            command += ["-p", prompt, "-n", 0]
        elif self.has_depth:
            command += ["-p", 0, "-n", tokens, "-d", depth]
        else:
            command += ["-p", 0, "-n", 0, "-gp", f"{depth},{tokens}"]
        entries = json.loads(run(command, options.threads))
        (entry,) = [e for e in entries if e["n_gen"] == tokens]
        check_entry(self, entry, n_threads=options.threads)
        return {"ts": entry["samples_ts"], "build": entry.get("build_commit")}


def reps_of(model, options):
    return options.reps or (5 if model.stat().st_size < SMALL else 1)


def check_entry(program, entry, **expected):
    """Two different measurements side by side would look like a result."""
    for key, value in expected.items():
        if entry[key] != value:
            raise SystemExit(f"{program.name} measured with {key} = {entry[key]}, not {value}")


# ---------------------------------------------------------------- what is needed


def find_venv(path):
    """The python of a virtual environment that has llama_cpp; it is made where there is none."""
    python = path / "bin" / "python"
    if python.exists():
        if subprocess.run([python, "-c", "import llama_cpp"], capture_output=True).returncode == 0:
            return python
    else:
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
    print(f"building {PACKAGE} for this machine in {path}; this takes some minutes", file=sys.stderr)
    # Some versions of gcc drop stores of AMX tile configurations without these options (tools/oracles.sh).
    flags = {"CMAKE_ARGS": "-DGGML_NATIVE=ON", "CXXFLAGS": os.environ.get("CXXFLAGS", "") + " -fno-tree-dse -fno-dse"}
    subprocess.run([python, "-m", "pip", "install", "--no-binary", "llama-cpp-python", PACKAGE], check=True,
                   env={**os.environ, **flags})
    return python


def find_model(spec, glia, cache):
    """A file as it is; SHAPE:TYPE is made once."""
    if pathlib.Path(spec).exists():
        return pathlib.Path(spec)
    shape, separator, kind = spec.partition(":")
    if not separator:
        raise SystemExit(f"{spec} is neither a file nor SHAPE:TYPE")
    path = cache / f"{shape}-{kind}.gguf"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"making {path}", file=sys.stderr)
        part = path.with_suffix(".part")
        run([glia, "synth", "--shape", shape, "--type", kind, part], os.cpu_count())
        part.rename(path)
    return path


def machine():
    name = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                platform.machine())
    return {"cpu": name, "processors": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


# ---------------------------------------------------------------- rounds and tables


def run_rounds(programs, model, test, options):
    """Gives {program: [measurement of round 1, ...]} and the loads between rounds."""
    results, loads = {p.name: [] for p in programs}, [os.getloadavg()[0]]
    for index in range(options.rounds):
        for program in programs if index % 2 == 0 else reversed(programs):
            measured = program.measure(model, test, options)
            if measured:
                results[program.name].append(measured)
        loads.append(os.getloadavg()[0])
        print(f"  round {index + 1} of {options.rounds}", file=sys.stderr)
    return {name: rounds for name, rounds in results.items() if rounds}, loads


def summary_of(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summarise(rounds):
    """Speeds of each program, and glia's ratio to each other one, within rounds."""
    speeds = {name: [statistics.median(m["ts"]) for m in measured] for name, measured in rounds.items()}
    own = speeds.get("glia", [])
    ratios = {name: summary_of([a / b for a, b in zip(own, theirs)])
              for name, theirs in speeds.items() if own and name != "glia"}
    return {name: summary_of(values) for name, values in speeds.items()}, ratios


def put_table(entry):
    print(f"\n{entry['model']}, {entry['title']}\n")
    print("| program | tokens/s | spread | glia against it | spread |")
    print("|---|---:|---:|---:|---:|")
    for name, speed in entry["speeds"].items():
        ratio = entry["ratios"].get(name)
        right = f"**{ratio['median']:.2f}** | {ratio['least']:.2f} to {ratio['most']:.2f}" if ratio else " | "
        print(f"| {name} | {speed['median']:.4g} | {speed['least']:.4g} to {speed['most']:.4g} | {right} |")
    limits = [m for m in entry["rounds"].get("glia", [])]
    if limits:
        middle = {key: statistics.median(m[key] or 0 for m in limits)
                  for key in ("fraction_read", "fraction_arithmetic", "limit_read", "limit_int8", "limit_int8_tiles")}
        ops = max(middle["limit_int8"], middle["limit_int8_tiles"])
        print(f"\nglia against the limits of the machine: {middle['fraction_read']:.2f} of reading "
              f"({middle['limit_read'] * 1e-9:.1f} GB/s), {middle['fraction_arithmetic']:.2f} of the arithmetic "
              f"(int8 {ops * 1e-9:.0f} Gop/s)")
    sys.stdout.flush()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL|SHAPE:TYPE")
    parser.add_argument("--suite", choices=SUITES, default="quick")
    parser.add_argument("--tests", help="prefill,decode,deep,batch: some of them instead of a suite")
    parser.add_argument("--glia", default=str(HERE.parent / "glia"), help="the program (default: the one of this tree)")
    parser.add_argument("--glia-args", default="", help="further options for glia bench")
    parser.add_argument("--venv", type=pathlib.Path, default=CACHE / "venv", help=f"default {CACHE / 'venv'}")
    parser.add_argument("--no-llama-cpp", action="store_true", help="leave llama-cpp-python out")
    parser.add_argument("--llama-bench", action="append", default=[], metavar="NAME=PATH[:OPTIONS]")
    parser.add_argument("--cache", type=pathlib.Path, default=CACHE / "models", help="where made models are kept")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reps", type=int, help="repetitions in a process (1; small models: 5)")
    parser.add_argument("-p", "--prompt", type=int, default=512, help="tokens of the prefill (512)")
    parser.add_argument("-n", "--tokens", type=int, help="tokens of each decode (32; full: 128)")
    parser.add_argument("--depth", type=int, default=4096, help="tokens before a deep decode (4096)")
    parser.add_argument("--name", help="of the result (default: the first model's)")
    parser.add_argument("--no-result", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    if min(options.threads, options.rounds, options.reps or 1, options.prompt, options.depth,
           options.tokens or 1) < 1:
        parser.error("counts have to be at least 1")
    return options


def write_result(options, programs, entries):
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    name = options.name or pathlib.Path(options.models[0]).stem.replace(":", "-")
    path = folder / f"{datetime.date.today()}-{name}.json"
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "programs": {p.name: p.about for p in programs},
        "settings": {key: getattr(options, key) for key in ("suite", "threads", "rounds", "reps", "glia_args")},
        "results": entries,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nall samples: {path}")


def main():
    if sys.argv[1:2] == ["--as-peer"]:
        run_as_peer(json.loads(sys.argv[2]))
        return
    options = parse_options()
    tests_of(options, False)  # refuses what it does not know
    programs = [Glia(options.glia, options.glia_args)]
    if not options.no_llama_cpp:
        programs.append(LlamaCpp(find_venv(options.venv)))
    programs += [LlamaBench(spec) for spec in options.llama_bench]
    models = [find_model(spec, options.glia, options.cache) for spec in options.models]
    print(f"{machine()['cpu']}, {options.threads} threads of {os.cpu_count()} processors, "
          f"load {os.getloadavg()[0]:.2f}, {options.rounds} rounds")
    entries = []
    for model in models:
        for name, test in tests_of(options, model.stat().st_size < SMALL).items():
            print(f"{model.name}, {title_of(test)}", file=sys.stderr)
            rounds, loads = run_rounds(programs, model, test, options)
            speeds, ratios = summarise(rounds)
            entries.append({"model": model.name, "bytes": model.stat().st_size, "test": name,
                            "title": title_of(test), "speeds": speeds, "ratios": ratios, "loads": loads,
                            "rounds": rounds})
            put_table(entries[-1])
    print(f"\nload after: {os.getloadavg()[0]:.2f}")
    if not options.no_result:
        write_result(options, programs, entries)


if __name__ == "__main__":
    main()
