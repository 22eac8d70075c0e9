"""PyTorch on the workloads of `steps`: the same sizes, one JSON line.

usage: torch_steps.py --workload mlp_train|lstm64_train|lstm256_train --threads N [--secs S] [--optimizer eager|fused]
"""

import argparse
import json
import os
import resource
import time

parser = argparse.ArgumentParser()
parser.add_argument("--workload", default="mlp_train")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--secs", type=float, default=2.0)
parser.add_argument("--optimizer", choices=["eager", "fused"], default="fused")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
started = float(os.environ.get("BENCH_T0", time.time()))

import torch  # noqa: E402  (the thread counts must be set before)
from torch import nn  # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(0)


class Lstm(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, 2, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


if args.workload == "mlp_train":
    model = nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    x, y, samples = torch.randn(64, 784), torch.randint(10, (64,)), 64
    criterion = nn.functional.cross_entropy
else:
    model = Lstm(int(args.workload.removeprefix("lstm").removesuffix("_train")))
    x, y, samples = torch.randn(32, 60, 8), torch.randn(32, 1), 32
    criterion = nn.functional.mse_loss
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=args.optimizer == "fused")


def step():
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


loss_first = step().item()
first_step_s = time.time() - started
for _ in range(3):
    step()
times, end = [], time.perf_counter() + args.secs
while len(times) < 5 or time.perf_counter() < end:
    begin = time.perf_counter()
    loss = step()
    times.append((time.perf_counter() - begin) * 1e3)
times.sort()
median = times[len(times) // 2]
print(
    json.dumps(
        {
            "peer": f"torch-{args.optimizer}",
            "workload": args.workload,
            "threads": args.threads,
            "ms_per_step": median,
            "min_ms": times[0],
            "samples_per_s": samples * 1e3 / median,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "first_step_s": first_step_s,
            "steps": len(times),
            "loss_first": loss_first,
            "loss_last": loss.item(),
        }
    )
)
