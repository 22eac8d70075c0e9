#!/usr/bin/env python3
"""Runs `steps` and PyTorch in turn, round after round, and prints a table of medians and ratios.

usage: compare.py --steps target/release/steps --python venv/bin/python [--rounds 9] [--secs 1]
       [--workloads mlp_train,lstm64_train] [--threads 1,2]

The ratio is torch's time over ours, taken round by round against the fastest torch of that round; the
interval is the 5th to 95th percentile of the median ratio over 2,000 bootstrap samples of the rounds. `torch-keep` is torch
with its allocator told to keep freed memory (glibc's defaults give it back and fault it in again every step).
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).parent
KEEP = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}

parser = argparse.ArgumentParser()
parser.add_argument("--steps", required=True)
parser.add_argument("--python", required=True)
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--secs", default="1")
parser.add_argument("--workloads", default="mlp_train,lstm64_train")
parser.add_argument("--threads", default="1,2")
args = parser.parse_args()

torch_steps = [args.python, str(HERE / "peers" / "torch_steps.py")]
PEERS = {
    "azura": ([args.steps], {}),
    "torch-eager": ([*torch_steps, "--optimizer", "eager"], {}),
    "torch-fused": ([*torch_steps, "--optimizer", "fused"], {}),
    "torch-keep": ([*torch_steps, "--optimizer", "fused"], KEEP),
}


def measure(peer, workload, threads):
    command, extra = PEERS[peer]
    env = {
        **os.environ,
        **extra,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "BENCH_T0": repr(time.time()),
    }
    command = [*command, "--workload", workload, "--threads", threads, "--secs", args.secs]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def bootstrap(ratios):
    dice = random.Random(0)
    medians = sorted(
        statistics.median(dice.choices(ratios, k=len(ratios))) for _ in range(2000)
    )
    return medians[100], medians[1899]


print("| workload | threads | " + " | ".join(PEERS) + " | ratio (90 % interval) |")
print("|---|---|" + "---|" * (len(PEERS) + 1))
for workload in args.workloads.split(","):
    for threads in args.threads.split(","):
        rounds = [
            {peer: measure(peer, workload, threads)["ms_per_step"] for peer in PEERS}
            for _ in range(args.rounds)
        ]
        ratios = [min(v for k, v in r.items() if k != "azura") / r["azura"] for r in rounds]
        low, high = bootstrap(ratios)
        cells = [f"{statistics.median(r[peer] for r in rounds):.2f}" for peer in PEERS]
        print(
            f"| {workload} | {threads} | "
            + " | ".join(cells)
            + f" | {statistics.median(ratios):.2f} ({low:.2f}–{high:.2f}) |",
            flush=True,
        )
