"""Sets our samplers beside Optuna's and prints the table of benches/RESULTS.md.

    cargo build --release -p azura-benches --bin tune
    python -m venv venv && venv/bin/pip install optuna==5.0.0 cmaes scipy torch
    venv/bin/python benches/tune/compare.py target/release/tune [RESULTS_OF_OPTUNA.jsonl]

Best value after 100 trials, 20 seeds of each. With a file of Optuna's lines (made by optuna_side.py) Optuna is not run
again. `p` is that of a two-sided Mann-Whitney test.
"""

import json
import pathlib
import random
import statistics
import subprocess
import sys

from scipy.stats import mannwhitneyu

from functions import FUNCTIONS

SAMPLERS = ["tpe", "cmaes", "gp"]
SEEDS = ["0", "19"]
HERE = pathlib.Path(__file__).parent


def lines(command):
    return [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]


def check_functions(binary):
    """Both sides must have the same functions: our values at the points of a random study."""
    for name, (_, cost) in FUNCTIONS.items():
        for row in lines([binary, "values", name, "0", "0", "20"]):
            ours, theirs = row["cost"], cost(row["values"])
            assert abs(ours - theirs) <= 1e-9 * max(1, abs(theirs)), (name, row, theirs)


def main():
    binary = sys.argv[1]
    check_functions(binary)
    stored = [json.loads(line) for line in open(sys.argv[2])] if len(sys.argv) > 2 else None
    pairs, no_worse, worse = 0, 0, 0
    print("| sampler | function | ours, median | Optuna, median | p | ours | Optuna |")
    print("|---|---|---|---|---|---|---|")
    for sampler in SAMPLERS:
        for function in FUNCTIONS:
            ours = lines([binary, sampler, function, *SEEDS])
            if stored is None:
                theirs = lines([sys.executable, HERE / "optuna_side.py", sampler, function, *SEEDS])
            else:
                theirs = [r for r in stored if (r["sampler"], r["function"]) == (sampler, function)]
            a, b = ([r["best"] for r in rows] for rows in (ours, theirs))
            p = mannwhitneyu(a, b).pvalue
            pairs += 1
            no_worse += statistics.median(a) <= statistics.median(b)
            worse += statistics.median(a) > statistics.median(b) and p < 0.05
            seconds = [statistics.mean(r["seconds"] for r in rows) for rows in (ours, theirs)]
            note = "" if len(b) == 20 else f" ({len(b)} seeds)"
            print(
                f"| {sampler} | {function} | {statistics.median(a):.4g} | {statistics.median(b):.4g}{note} | {p:.3f} "
                f"| {seconds[0]:.2g} s | {seconds[1]:.2g} s |"
            )
    print(f"\nMedian no worse in {no_worse} of {pairs} pairs; worse at p < 0.05 in {worse}.")


main()
