#!/usr/bin/env python3
"""Runs `steps` and its peers in turn, round after round, and prints a table of medians and ratios.

usage: compare.py --steps target/release/steps --python venv/bin/python [--rounds 9] [--secs 1]
       [--workloads mlp_train+lstm64_train,gpt_train] [--threads 1,2] [--peer NAME=COMMAND ...]

Workloads joined by + take turns in one round, in which each torch is started once: most of its time is its start. Its memory is then
that of the first of them.

The ratio is the fastest peer's time over ours, taken round by round; the interval is the 5th to 95th percentile of the median
ratio over 2,000 bootstrap samples of the rounds. `torch-keep` is torch-fused with its allocator told to keep freed memory
(glibc's defaults give it back and fault it in again every step). --compile adds torch.compile. A COMMAND is any
program that takes --workload, --threads and --secs and prints the same JSON lines; a peer called jax is kept on one processor
for one thread, since it obeys no variable. --write TITLE appends the table to RESULTS.md, under that title.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shlex
import statistics
import subprocess
import sys
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
parser.add_argument("--compile", action="store_true")
parser.add_argument("--peer", action="append", default=[])
parser.add_argument("--write")
args = parser.parse_args()

torch_steps = [args.python, str(HERE / "peers" / "torch_steps.py")]
PEERS = {
    "azura": ([args.steps], {}),
    "torch-eager": ([*torch_steps, "--mode", "eager"], {}),
    "torch-fused": ([*torch_steps, "--mode", "fused"], {}),
    "torch-keep": ([*torch_steps, "--mode", "fused"], KEEP),
}
if args.compile:
    PEERS["torch-compile"] = ([*torch_steps, "--mode", "compile"], {})
for peer in args.peer:
    name, _, command = peer.partition("=")
    PEERS[name] = (shlex.split(command), {})


def runs(peer, workload):
    """Where the optimiser makes no difference, one torch is enough."""
    return workload.endswith("_train") or peer not in ("torch-fused", "torch-keep")


def measure(peer, workload, threads):
    """The lines that a peer prints, by workload; none if it cannot."""
    names = workload.split("+")
    if len(names) > 1 and not peer.startswith("torch"):
        return {name: line for one in names for name, line in measure(peer, one, threads).items()}
    command, extra = PEERS[peer]
    variables = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"]
    env = os.environ | extra | dict.fromkeys(variables, threads)
    env["BENCH_T0"] = repr(time.time())
    if peer == "jax" and threads == "1":
        command = ["taskset", "-c", "0", *command]
    command = [*command, "--workload", ",".join(names), "--threads", threads, "--secs", args.secs]
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    if run.returncode:
        if peer == "azura":
            sys.exit(run.stderr)
        print(f"{peer} failed on {workload}: {run.stderr.strip()[-200:]}", file=sys.stderr)
        return {}
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return {line["workload"]: line for line in lines}


def bootstrap(ratios):
    medians = sorted(
        statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(2000)
    )
    return medians[100], medians[1900]


def say(line):
    print(line, flush=True)
    table.append(line)


random.seed(0)
table = []
peers = list(PEERS)
say("| workload | threads | " + " | ".join(peers) + " | ratio (90 % interval) | MB, ours / least |")
say("|---" * (len(peers) + 4) + "|")
for group in args.workloads.split(","):
    for threads in args.threads.split(","):
        rounds = collections.defaultdict(list)
        for _ in range(args.rounds):
            found = {peer: measure(peer, group, threads) for peer in peers if runs(peer, group)}
            for workload in found["azura"]:
                line = {peer: lines[workload] for peer, lines in found.items() if workload in lines}
                rounds[workload].append(line)
        for workload, lines in rounds.items():
            ms = [{peer: line["ms_per_step"] for peer, line in one.items()} for one in lines]
            ratios = [
                min(time for peer, time in one.items() if peer != "azura") / one["azura"]
                for one in ms
            ]
            low, high = bootstrap(ratios)
            cells = []
            for peer in peers:
                times = [one[peer] for one in ms if peer in one]
                cells.append(f"{statistics.median(times):.3g}" if times else "–")
            memory = {peer: line["rss_mb"] for peer, line in lines[0].items()}
            ours = memory.pop("azura")
            say(
                f"| {workload} | {threads} | {' | '.join(cells)} | "
                f"{statistics.median(ratios):.2f} ({low:.2f}–{high:.2f}) | "
                f"{ours:.0f} / {min(memory.values()):.0f} |"
            )
if args.write:
    with open(HERE / "RESULTS.md", "a") as results:
        print(f"\n## {args.write}\n", *table, sep="\n", file=results)
