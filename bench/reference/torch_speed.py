#!/usr/bin/env python3
"""Measures how fast PyTorch trains a model of configs/: for bench/run and bench/dense.

    bench/reference/torch_speed.py DATA [--model ml_20m_biased_mf] --variant dense_adam|lazy_adam [--threads N] [--steps N]

DATA is a folder of cfdata's. Prints the samples a second of the steps, which are the median of five parts of them, so
that a pause of the machine does not count. Loading and the first steps are not in it. The variant is the optimizer of
vectors where the model's is Adam: on whole tables, or SparseAdam on touched rows.
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
import torch_networks

MODELS = {"ml_20m_biased_mf": notebooks.Factorization(link="identity", loss="mse", biases="uniform", dim=64, batch=4096),
          **{name: notebooks.NETWORKS[name] for name in ("mlp_128_32", "ranking_256_64", "retrieval_two_tower")}}
VARIANTS = ("dense_adam", "lazy_adam")
WARM_UP = 3
PARTS = 5


class FactorizationTraining:
    """A factorisation and its optimizer."""

    def __init__(self, model, shape, lazy):
        self.net, self.lazy = torch_factorization.Net(model, shape, sparse=lazy), lazy
        optimizer = torch.optim.SparseAdam if lazy else torch.optim.Adam
        self.adam = optimizer(list(self.net.parameters()), lr=model.rate, eps=model.epsilon)

    def step(self, users, items, ratings, _):
        self.adam.zero_grad()
        loss = torch.nn.functional.mse_loss(self.net(users, items), ratings)
        (loss + self.net.penalty(users, items, touched=self.lazy)).backward()
        self.adam.step()


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
    parser.add_argument("--model", choices=MODELS, default="ml_20m_biased_mf")
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    users, items, ratings = read(arguments.data)
    shape = types.SimpleNamespace(users=int(users[-1]) + 1, items=int(items.max()) + 1, low=0.5, high=5.0)
    model = MODELS[arguments.model]
    make = FactorizationTraining if isinstance(model, notebooks.Factorization) else torch_networks.training
    training = make(model, shape, lazy=arguments.variant == "lazy_adam")
    steps = max(PARTS, arguments.steps // PARTS * PARTS)
    samples = (WARM_UP + steps) * model.batch
    order = torch.cat([torch.randperm(len(users)) for _ in range(-(-samples // len(users)))])[:samples].numpy()
    # Drawn beforehand, as a loader in other threads would have them ready.
    drawn = [torch.from_numpy(column[order].astype(kind))
             for column, kind in ((users, np.int64), (items, np.int64), (ratings, np.float32))]
    marks = []
    for step, batch in enumerate(zip(*(column.split(model.batch) for column in drawn))):
        if step >= WARM_UP and (step - WARM_UP) % (steps // PARTS) == 0:
            marks.append(time.monotonic())
        training.step(*batch, None)
    marks.append(time.monotonic())
    seconds = statistics.median(end - start for start, end in zip(marks, marks[1:]))
    print(f"{steps // PARTS * model.batch / seconds:.0f}")


if __name__ == "__main__":
    main()
