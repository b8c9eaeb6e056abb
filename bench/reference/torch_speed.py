#!/usr/bin/env python3
"""Measures how fast PyTorch trains the factorisation of configs/ml_20m_biased_mf.textproto: for bench/run.

    bench/reference/torch_speed.py DATA --variant dense_adam|lazy_adam [--threads N] [--steps N]

DATA is a folder of cfdata's. Prints the samples a second of the steps, which are the median of five parts of them, so
that a pause of the machine does not count. Loading and the first steps are not in it.
"""

import argparse
import pathlib
import statistics
import time
import types

import numpy as np
import torch

import notebooks
import torch_factorization

MODEL = notebooks.Factorization(link="identity", loss="mse", biases="uniform", dim=64, batch=4096)
VARIANTS = {"dense_adam": torch.optim.Adam, "lazy_adam": torch.optim.SparseAdam}
WARM_UP = 3
PARTS = 5


def read(folder):
    """Users, items and ratings of all samples, without copies (docs/dataset_format.md)."""
    offsets = np.fromfile(folder / "user_offsets.u64", np.int64)
    items = np.fromfile(folder / "items.u32", np.int32)
    ratings = np.fromfile(folder / "ratings.f32", np.float32)
    users = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    return users, items, ratings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    users, items, ratings = read(arguments.data)
    lazy = arguments.variant == "lazy_adam"
    shape = types.SimpleNamespace(users=int(users[-1]) + 1, items=int(items.max()) + 1, low=0.5, high=5.0)
    net = torch_factorization.Net(MODEL, shape, sparse=lazy)
    adam = VARIANTS[arguments.variant](list(net.parameters()), lr=MODEL.rate, eps=MODEL.epsilon)
    steps = max(PARTS, arguments.steps // PARTS * PARTS)
    order = torch.randperm(len(users))[: (WARM_UP + steps) * MODEL.batch].numpy()
    # Drawn beforehand, as a loader in other threads would have them ready.
    drawn = [torch.from_numpy(column[order].astype(kind))
             for column, kind in ((users, np.int64), (items, np.int64), (ratings, np.float32))]
    marks = []
    for step, batch in enumerate(zip(*(column.split(MODEL.batch) for column in drawn))):
        if step >= WARM_UP and (step - WARM_UP) % (steps // PARTS) == 0:
            marks.append(time.monotonic())
        batch_users, batch_items, targets = batch
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(net(batch_users, batch_items), targets)
        (loss + net.penalty(batch_users, batch_items, touched=lazy)).backward()
        adam.step()
    marks.append(time.monotonic())
    seconds = statistics.median(end - start for start, end in zip(marks, marks[1:]))
    print(f"{steps // PARTS * MODEL.batch / seconds:.0f}")


if __name__ == "__main__":
    main()
