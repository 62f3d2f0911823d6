#!/usr/bin/env python3
"""Products of floats against PyTorch's (oneDNN, weights packed beforehand), one thread each, in turn.

    bench/compare_products.py build/release/bench/bench_products [--type f32] [--n 1024] [--k 1024]
        [--m 1,2,4,8,12,16,32,64,128] [--rounds 9] [--megabytes 0]

A round times one and then the other for a few milliseconds; the ratio is that of the best times, theirs over ours, so
that above 1 is ours. Needs torch; `linear` of the library is timed too (weights packed at each call), and the better
of the two counts as theirs. With megabytes, both walk through copies of the weights, which then come from memory.
"""
import argparse
import os
import subprocess
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import torch  # noqa: E402  (after the environment)


def best_of(run, copies):
    best, begin = 1e9, time.perf_counter()
    count = 0
    while count < 3 or time.perf_counter() - begin < 0.004:
        t = time.perf_counter()
        for c in range(copies):
            run(c)
        best = min(best, time.perf_counter() - t)
        count += 1
    return best / copies


def theirs(x, weights, m):
    """The ways to multiply that the library offers, by name."""
    ways = {"linear": lambda c: torch.nn.functional.linear(x, weights[c])}
    try:
        packed = [torch.ops.mkldnn._reorder_linear_weight(w, m) for w in weights]
        run = lambda c: torch.ops.mkldnn._linear_pointwise(x, packed[c], None, "none", [], "")  # noqa: E731
        run(0)
        ways["packed"] = run
    except (AttributeError, RuntimeError) as error:
        print("no packed linear:", str(error).split(".")[0])
    return ways


def compare(args, m):
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[args.type]
    size = args.n * args.k * (4 if args.type == "f32" else 2)
    copies = max(1, args.megabytes * 1000000 // size)
    weights = [torch.randn(args.n, args.k).to(dtype) for _ in range(copies)]
    x = torch.randn(m, args.k).to(dtype)
    ours = subprocess.Popen([args.program, args.type, str(args.n), str(args.k), str(m), str(args.megabytes)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kernel = ours.stderr.readline().strip()
    ways = theirs(x, weights, m)
    mine, peer = [], {name: [] for name in ways}
    with torch.inference_mode():
        for _ in range(args.rounds):
            ours.stdin.write("go\n")
            ours.stdin.flush()
            mine.append(float(ours.stdout.readline()))
            for name, run in ways.items():
                peer[name].append(best_of(run, copies))
    ours.stdin.close()
    ours.wait()
    flops = 2e-9 * m * args.n * args.k
    name, least = min(((n, min(t)) for n, t in peer.items()), key=lambda pair: pair[1])
    print(f"| {args.type} | {args.n} x {args.k} | {m} | {flops / min(mine):.1f} | {flops / least:.1f} ({name}) | "
          f"{least / min(mine):.2f} | {kernel} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--type", default="f32", choices=["f32", "f16", "bf16"])
    parser.add_argument("--n", type=int, default=1024)
    parser.add_argument("--k", type=int, default=1024)
    parser.add_argument("--m", default="1,2,4,8,12,16,32,64,128")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| type | weights | rows | ours, GFLOP/s | theirs | ratio | kernel |\n|---|---|---|---|---|---|---|")
    for m in args.m.split(","):
        compare(args, int(m))


if __name__ == "__main__":
    main()
