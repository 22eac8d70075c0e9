"""Runs Optuna's samplers on the functions and prints one JSON line for each study.

    python optuna_side.py SAMPLER FUNCTION FIRST_SEED LAST_SEED [TRIALS]
"""

import json
import sys
import time
import warnings

import optuna

from functions import FUNCTIONS

SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    sampler, function = sys.argv[1:3]
    first, last = int(sys.argv[3]), int(sys.argv[4])
    trials = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    suggest, cost = FUNCTIONS[function]
    for seed in range(first, last + 1):
        study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
        begin = time.perf_counter()
        study.optimize(lambda t: cost(suggest(t)), n_trials=trials)
        seconds = time.perf_counter() - begin
        row = {"sampler": sampler, "function": function, "seed": seed, "trials": trials}
        print(json.dumps({**row, "best": study.best_value, "seconds": seconds}), flush=True)


main()
