"""PyTorch on the workloads of `steps`: the same sizes, one JSON line each.

usage: torch_steps.py --workload NAME[,NAME...] [--threads N] [--secs S] [--mode eager|fused|compile] [--wait]
       torch_steps.py --workload NAME_train --export FILE [--steps 20]

Workloads: _train and _infer of mlp, lstm64, lstm256, cnn, resnet, gptsmall, gpt; gptsmall_gen, gpt_gen; micro.
With --wait it measures a workload for every line of its input that names one, and says `done` after each.
With --export it writes weights (under the names that `steps` has for them), a batch and the losses of its first steps,
for `steps --workload NAME_train --follow FILE`.
"""

import argparse
import json
import os
import resource
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--workload", default="mlp_train")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--secs", type=float, default=2.0)
parser.add_argument("--mode", choices=["eager", "fused", "compile"], default="fused")
parser.add_argument("--wait", action="store_true")
parser.add_argument("--export")
parser.add_argument("--steps", type=int, default=20)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
started = float(os.environ.get("BENCH_T0", time.time()))

import torch  # noqa: E402  (the thread counts must be set before)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(0)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(784, 256), nn.Linear(256, 128), nn.Linear(128, 10)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x)))))


class Lstm(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.l = nn.LSTM(8, hidden, 2, batch_first=True)
        self.o = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.o(self.l(x)[0][:, -1])


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.f1, self.f2 = nn.Linear(64 * 12 * 12, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c2(F.relu(self.c1(x)))), 2)
        return self.f2(F.relu(self.f1(x.flatten(1))))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        for i, inputs in enumerate([3, 64, 64]):
            setattr(self, f"c{i}", nn.Conv2d(inputs, 64, 3, padding=1, bias=False))
            setattr(self, f"b{i}", nn.BatchNorm2d(64))
        self.f = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.b0(self.c0(x)))
        y = F.relu(self.b1(self.c1(x)))
        return self.f(F.relu(self.b2(self.c2(y)) + x).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        linear = lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False)  # noqa: E731
        self.qkv, self.p = linear(width, 3 * width), linear(width, width)
        self.u, self.w = linear(width, 4 * width), linear(4 * width, width)

    def forward(self, x, cache=None, position=0):
        batch, length, width = x.shape
        heads = lambda t: t.view(batch, length, self.heads, -1).transpose(1, 2)  # noqa: E731
        q, k, v = map(heads, self.qkv(self.n1(x)).split(width, 2))
        if cache is not None:
            for whole, new in zip(cache, (k, v)):
                whole[:, :, position : position + 1] = new
            k, v = (whole[:, :, : position + 1] for whole in cache)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
        x = x + self.p(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.w(F.gelu(self.u(self.n2(x))))


class Gpt(nn.Module):
    def __init__(self, layers, heads, width, length):
        super().__init__()
        self.te, self.pe = nn.Embedding(65, width), nn.Embedding(length, width)
        self.bl = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.nf, self.hd = nn.LayerNorm(width), nn.Linear(width, 65, bias=False)
        self.cache_shape = (1, heads, length, width // heads)

    def forward(self, ids):
        x = self.te(ids) + self.pe(torch.arange(ids.shape[1]))
        for block in self.bl:
            x = block(x)
        return self.hd(self.nf(x))

    @torch.no_grad()
    def generate(self, count):
        caches = [[torch.zeros(self.cache_shape) for _ in "kv"] for _ in self.bl]
        token = torch.zeros(1, 1, dtype=torch.long)
        for position in range(count):
            x = self.te(token) + self.pe.weight[position]
            for block, cache in zip(self.bl, caches):
                x = block(x, cache, position)
            token = self.hd(self.nf(x)).argmax(-1)


def build(name):
    """The model, a batch, its targets and the loss."""
    labels = torch.randint(10, (64,))
    if name == "mlp":
        return Mlp(), torch.randn(64, 784), labels, F.cross_entropy
    if name.startswith("lstm"):
        return Lstm(int(name[4:])), torch.randn(32, 60, 8), torch.randn(32, 1), F.mse_loss
    if name == "cnn":
        return Cnn(), torch.randn(64, 1, 28, 28), labels, F.cross_entropy
    if name == "resnet":
        return Residual(), torch.randn(64, 3, 32, 32), labels, F.cross_entropy
    *sizes, batch = (4, 4, 128, 64, 12) if name == "gptsmall" else (6, 6, 384, 256, 8)
    ids, targets = (torch.randint(65, (batch, sizes[3])) for _ in "xy")
    loss = lambda y, t: F.cross_entropy(y.view(-1, 65), t.view(-1))  # noqa: E731
    return Gpt(*sizes), ids, targets, loss


class Timed:
    """What a workload repeats; `step` returns a loss or nothing."""

    def __init__(self, workload, step, samples=1, parts=1, secs=None):
        self.workload, self.step, self.samples, self.parts = workload, step, samples, parts
        self.secs = secs or args.secs
        self.first = None

    def measure(self):
        """Prints the line."""
        begin = time.perf_counter()
        last = self.step()
        if self.first is None:
            self.first, self.first_step_s = last, time.time() - started
        slow = time.perf_counter() - begin > self.secs
        for _ in range(0 if slow else 3 if self.parts == 1 else 1):
            self.step()
        times, end = [], time.perf_counter() + self.secs
        while len(times) < (3 if slow else 5) or time.perf_counter() < end:
            begin = time.perf_counter()
            last = self.step()
            times.append((time.perf_counter() - begin) * 1e3 / self.parts)
        times.sort()
        line = {
            "peer": f"torch-{args.mode}",
            "workload": self.workload,
            "threads": args.threads,
            "ms_per_step": times[len(times) // 2],
            "min_ms": times[0],
            "samples_per_s": self.samples * 1e3 / times[len(times) // 2],
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "first_step_s": self.first_step_s,
            "steps": len(times),
        }
        if isinstance(last, torch.Tensor) and last.numel() == 1:
            line |= {"loss_first": self.first.item(), "loss_last": last.item()}
        print(json.dumps(line), flush=True)


def train_step(name):
    model, x, y, criterion = build(name)
    kind = torch.optim.AdamW if name.startswith("gpt") else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=1e-3, fused=args.mode != "eager")
    forward = torch.compile(model) if args.mode == "compile" else model

    def step():
        optimizer.zero_grad()
        loss = criterion(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return model, x, y, step


def export(name):
    from safetensors.torch import save_file

    model, x, y, step = train_step(name)
    renamed = {"qkv.weight": "attention.in_proj_weight", "p.weight": "attention.out_proj.weight"}
    tensors = {"input": x, "target": y.flatten() if name.startswith("gpt") else y}
    for key, value in model.named_parameters():
        for old, new in renamed.items():
            key = key.replace(f".{old}", f".{new}")
        tensors[key] = value.detach().clone()
    losses = [step().double() for _ in range(args.steps)]
    save_file(tensors | {"losses": torch.stack(losses)}, args.export)


def micro():
    normal = lambda *shape: torch.randn(*shape)  # noqa: E731
    square, narrow, wide = normal(4096, 1024), normal(4096, 384), normal(4096, 1536)
    weight, bias = normal(384), normal(384)
    a, b, c = (normal(1 << 24) for _ in "abc")
    image, kernel = normal(64, 32, 26, 26), normal(64, 32, 3, 3)
    table, ids = normal(50257, 384), torch.randint(50257, (8192,))
    cell, x, h, state = nn.LSTMCell(256, 256), normal(32, 256), normal(32, 256), normal(32, 256)
    operations = {
        "softmax_4096x1024": lambda: square.softmax(-1),
        "layernorm_4096x384": lambda: F.layer_norm(narrow, (384,), weight, bias),
        "gelu_4096x1536": lambda: F.gelu(wide),
        "add_16M": lambda: a + b,
        "chain_16M": lambda: (a * b + c) * a - b,
        "sum_16M": lambda: a.sum(),
        "sum_dim0_4096x1024": lambda: square.sum(0),
        "sum_dim1_4096x1024": lambda: square.sum(1),
        "conv2d_64x32x26x26_k3_64": lambda: F.conv2d(image, kernel),
        "embed_8192x384": lambda: F.embedding(ids, table),
        "lstmcell_32x256": lambda: cell(x, (h, state))[0],
        "transpose_4096x1024": lambda: square.t().contiguous(),
        "exp_16M": lambda: a.exp(),
    }
    for name, operation in operations.items():
        run = torch.compile(operation) if args.mode == "compile" else operation

        def step(run=run):
            with torch.inference_mode():
                run()

        yield Timed(name, step, secs=0.6)


def timed(workload):
    """What is timed under that name."""
    name, _, kind = workload.rpartition("_")
    if workload == "micro":
        yield from micro()
    elif kind == "train":
        _, x, _, step = train_step(name)
        yield Timed(workload, step, samples=len(x))
    elif kind == "infer":
        model, x, *_ = build(name)
        model.eval()
        x = x[:1].contiguous()
        forward = torch.compile(model) if args.mode == "compile" else model

        def infer():
            with torch.inference_mode():
                forward(x)

        yield Timed(workload, infer)
    else:
        model, *_ = build(name)
        model.eval()
        yield Timed(workload, lambda: model.generate(64), parts=64)


if args.export:
    export(args.workload.rpartition("_")[0])
elif args.wait:
    ready = {}
    for workload in map(str.strip, sys.stdin):
        if workload not in ready:
            ready[workload] = list(timed(workload))
        for one in ready[workload]:
            one.measure()
        print("done", flush=True)
else:
    for workload in args.workload.split(","):
        for one in timed(workload):
            one.measure()
