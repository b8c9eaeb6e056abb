#!/usr/bin/env python3
"""Trains the notebooks' matrix factorisations in PyTorch, as references for docs/results.md.

    bench/reference/torch_factorization.py SPLIT

Variants: lazy_adam   SparseAdam: only rows that a batch touches move, and L2 is on those rows, as in cf
          dense_adam  Adam: every row moves at every step, and L2 is on the whole table, as in Keras
          dense_adam_touched  dense Adam with L2 on touched rows: what of the difference is due to which
"""

import math

import torch
from torch import nn

import notebooks


def start(weight, kind):
    """Keras's initial values; fan_in of an embedding is the number of its rows."""
    if kind == "uniform":
        nn.init.uniform_(weight, -0.05, 0.05)
        return
    # A normal that is cut at two deviations keeps .8796 of its deviation.
    deviation = math.sqrt(2 / weight.shape[0]) / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


class Net(nn.Module):
    def __init__(self, model, split, sparse):
        super().__init__()
        self.model, self.low, self.high = model, split.low, split.high
        tables = []
        for rows in (split.users, split.items):
            vectors = nn.Embedding(rows, model.dim, sparse=sparse)
            start(vectors.weight, "he_normal")
            biases = None
            if model.biases != "none":
                biases = nn.Embedding(rows, 1, sparse=sparse)
                start(biases.weight, model.biases)
            tables.append(nn.ModuleList([vectors, biases]))
        self.tables = nn.ModuleList(tables)

    def forward(self, users, items):
        (user_vectors, user_biases), (item_vectors, item_biases) = self.tables
        sums = (user_vectors(users) * item_vectors(items)).sum(1)
        if user_biases is not None:
            sums = sums + user_biases(users)[:, 0] + item_biases(items)[:, 0]
        if self.model.link == "identity":
            return sums
        unit = torch.sigmoid(sums)
        return unit if self.model.link == "sigmoid" else self.low + (self.high - self.low) * unit

    def penalty(self, users, items, touched):
        total = 0.0
        for (vectors, biases), ids in zip(self.tables, (users, items)):
            for table, l2 in ((vectors, self.model.l2_vectors), (biases, self.model.l2_biases)):
                if l2 > 0:
                    rows = table(ids.unique()) if touched else table.weight
                    total = total + l2 * rows.square().sum()
        return total


def train(model, split, seed, optimizer, touched):
    torch.manual_seed(seed)
    net = Net(model, split, sparse=optimizer is torch.optim.SparseAdam)
    adam = optimizer(list(net.parameters()), lr=model.rate, eps=model.epsilon)
    loss_of = nn.functional.binary_cross_entropy if model.loss == "bce" else nn.functional.mse_loss
    users, items = torch.from_numpy(split.train.users), torch.from_numpy(split.train.items)
    targets = torch.from_numpy(split.targets(model, split.train))
    for _ in range(model.epochs):
        for batch in torch.randperm(len(targets)).split(model.batch):
            adam.zero_grad()
            loss = loss_of(net(users[batch], items[batch]), targets[batch])
            (loss + net.penalty(users[batch], items[batch], touched)).backward()
            adam.step()
        with torch.no_grad():
            yield net(torch.from_numpy(split.val.users), torch.from_numpy(split.val.items)).numpy()


def variant(optimizer, touched):
    return lambda model, split, seed: train(model, split, seed, optimizer, touched)


if __name__ == "__main__":
    torch.set_num_threads(1)
    notebooks.main(__doc__, notebooks.FACTORIZATIONS, {
        "lazy_adam": variant(torch.optim.SparseAdam, touched=True),
        "dense_adam": variant(torch.optim.Adam, touched=False),
        "dense_adam_touched": variant(torch.optim.Adam, touched=True),
    })
