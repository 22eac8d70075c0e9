"""The functions of the comparison: the same as in benches/src/bin/tune/functions.rs.

Each is `(name, suggest)`, where `suggest(trial)` asks an Optuna trial for its values, and `value(values)` is the cost.
"""

import math


def branin(v):
    x, y = v["x"], v["y"]
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10


HARTMANN_A = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
HARTMANN_P = [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
]
HARTMANN_C = [1.0, 1.2, 3.0, 3.2]


def hartmann6(v):
    x = [v[f"x{i}"] for i in range(6)]
    total = 0.0
    for c, a, p in zip(HARTMANN_C, HARTMANN_A, HARTMANN_P):
        total += c * math.exp(-sum(a[j] * (x[j] - p[j] * 1e-4) ** 2 for j in range(6)))
    return -total


def ackley5(v):
    x = [v[f"x{i}"] for i in range(5)]
    squares = sum(t * t for t in x) / 5
    waves = sum(math.cos(2 * math.pi * t) for t in x) / 5
    return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(waves) + 20 + math.e


def rosenbrock10(v):
    x = [v[f"x{i}"] for i in range(10)]
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(9))


def mixed(v):
    """A network's validation loss in shape: rate, depth, width, optimiser, dropout, a switch, and their interactions."""
    lr = math.log10(v["lr"])
    shift = {"adam": 0.0, "sgd": 1.0, "rmsprop": -0.3, "lion": -1.0}[v["optimizer"]]
    extra = {"adam": 0.0, "sgd": 0.25, "rmsprop": 0.1, "lion": 0.05}[v["optimizer"]]
    depth, width = v["layers"], math.log2(v["width"])
    loss = 0.5 * (lr + 2.7 - shift) ** 2 + extra
    loss += 0.05 * (depth - 5) ** 2 + 0.1 * (width - 7) ** 2 + 0.03 * (depth - 5) * (width - 7)
    loss += 4.0 * (v["dropout"] - 0.05 * depth) ** 2
    return loss + (0.0 if v["norm"] else 0.1 * depth)


def conditional(v):
    """Three kinds of model, each with its own parameters; the best one is the hardest to tune."""
    kind = v["kind"]
    if kind == "linear":
        return 0.6 + 0.05 * (math.log10(v["l2"]) + 3) ** 2
    if kind == "forest":
        return 0.3 + 0.02 * (v["depth"] - 9) ** 2 + 0.1 * (math.log10(v["trees"]) - 2.5) ** 2
    lr = math.log10(v["lr"])
    return 0.4 * (lr + 3) ** 2 + 0.1 * (math.log2(v["hidden"]) - 6.5) ** 2 + 3 * (v["dropout"] - 0.2) ** 2


def floats(low, high, names):
    return lambda t: {n: t.suggest_float(n, low, high) for n in names}


def suggest_mixed(t):
    return {
        "lr": t.suggest_float("lr", 1e-5, 1e-1, log=True),
        "layers": t.suggest_int("layers", 1, 8),
        "width": t.suggest_categorical("width", [16, 32, 64, 128, 256, 512]),
        "optimizer": t.suggest_categorical("optimizer", ["adam", "sgd", "rmsprop", "lion"]),
        "dropout": t.suggest_float("dropout", 0.0, 0.6),
        "norm": t.suggest_categorical("norm", [True, False]),
    }


def suggest_conditional(t):
    v = {"kind": t.suggest_categorical("kind", ["linear", "forest", "mlp"])}
    if v["kind"] == "linear":
        v["l2"] = t.suggest_float("l2", 1e-6, 1.0, log=True)
    elif v["kind"] == "forest":
        v["depth"] = t.suggest_int("depth", 2, 20)
        v["trees"] = t.suggest_int("trees", 10, 1000, log=True)
    else:
        v["lr"] = t.suggest_float("lr", 1e-5, 1e-1, log=True)
        v["hidden"] = t.suggest_int("hidden", 8, 512, log=True)
        v["dropout"] = t.suggest_float("dropout", 0.0, 0.8)
    return v


FUNCTIONS = {
    "branin": (lambda t: {"x": t.suggest_float("x", -5, 10), "y": t.suggest_float("y", 0, 15)}, branin),
    "hartmann6": (floats(0, 1, [f"x{i}" for i in range(6)]), hartmann6),
    "ackley5": (floats(-15, 30, [f"x{i}" for i in range(5)]), ackley5),
    "rosenbrock10": (floats(-2.048, 2.048, [f"x{i}" for i in range(10)]), rosenbrock10),
    "mixed": (suggest_mixed, mixed),
    "conditional": (suggest_conditional, conditional),
}
