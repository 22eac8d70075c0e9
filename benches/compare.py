#!/usr/bin/env python3
"""Runs `steps` and its peers in turn, round after round, and prints a table of medians and ratios.

usage: compare.py --steps target/release/steps --python venv/bin/python [--rounds 9] [--secs 1]
       [--workloads mlp_train,lstm64_train] [--threads 1,2] [--peer NAME=COMMAND ...]

A round measures every workload with every peer, one after the other. Each torch is a process that waits for its next turn, since most of
its time would be its start; its memory is then that of all workloads so far. Every other program is started for each turn. A peer
that took more than 1.5 times the fastest's time in each of its first three rounds of a workload leaves it: it has no part in the ratio.

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


def environment(peer, threads):
    variables = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"]
    return os.environ | PEERS[peer][1] | dict.fromkeys(variables, threads) | {"BENCH_T0": repr(time.time())}


def once(peer, workload, threads):
    """What a peer prints that is started for it; nothing if it cannot."""
    command = [*PEERS[peer][0], "--workload", workload, "--threads", threads, "--secs", args.secs]
    if peer == "jax" and threads == "1":
        command = ["taskset", "-c", "0", *command]
    run = subprocess.run(command, env=environment(peer, threads), capture_output=True, text=True)
    if run.returncode:
        if peer == "azura":
            sys.exit(run.stderr)
        print(f"{peer} failed on {workload}: {run.stderr.strip()[-200:]}", file=sys.stderr)
    return run.stdout.splitlines()


class Waiting:
    """A torch that waits for its turns."""

    def __init__(self, peer, threads):
        command = [*PEERS[peer][0], "--wait", "--threads", threads, "--secs", args.secs]
        self.process = subprocess.Popen(
            command, env=environment(peer, threads), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )

    def turn(self, workload):
        print(workload, file=self.process.stdin, flush=True)
        lines = list(iter(lambda: self.process.stdout.readline().strip() or "done", "done"))
        if self.process.poll() is not None:
            sys.exit(f"a torch ended at {workload}")
        return lines


def measure(threads):
    """Lines of all rounds, by workload: a list of {peer: line}."""
    waiting = {peer: Waiting(peer, threads) for peer in PEERS if peer.startswith("torch")}
    rounds = collections.defaultdict(list)
    left = set()
    for number in range(args.rounds):
        for workload in args.workloads.split(","):
            found = collections.defaultdict(dict)
            for peer in PEERS:
                if not runs(peer, workload) or (peer, workload) in left:
                    continue
                turn = waiting[peer].turn(workload) if peer in waiting else once(peer, workload, threads)
                for line in (json.loads(line) for line in turn if line.startswith("{")):
                    found[line["workload"]][peer] = line
            for name, lines in found.items():
                if "azura" in lines:
                    rounds[name].append(lines)
            if number == 2 and workload != "micro":
                left |= {(peer, workload) for peer in PEERS if is_behind(peer, rounds[workload])}
        print(f"round {number + 1} of {args.rounds}, {threads} threads", file=sys.stderr, flush=True)
    for torch in waiting.values():
        torch.process.stdin.close()
        torch.process.wait()
    return rounds


def is_behind(peer, rounds):
    """Whether a peer has no hope to be the fastest of a workload, or cannot run it."""
    fastest = [min(line["ms_per_step"] for name, line in one.items() if name != "azura") for one in rounds]
    return peer != "azura" and all(
        peer not in one or one[peer]["ms_per_step"] > 1.5 * best for one, best in zip(rounds, fastest)
    )


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
for threads in args.threads.split(","):
    for workload, lines in measure(threads).items():
        ms = [{peer: line["ms_per_step"] for peer, line in one.items()} for one in lines]
        ratios = [
            min(time for peer, time in one.items() if peer != "azura") / one["azura"] for one in ms
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
