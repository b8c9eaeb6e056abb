#!/usr/bin/env python3
"""Makes retrieval.csv: what PyTorch's autograd and optimizers make of a two-tower model with in-batch softmax on the minibatches of drawn.h.

Run once, with PyTorch 1.13 (Debian 12's python3-torch): ./make_retrieval_reference.py > retrieval.csv

Everything is in double precision. The loss is TensorFlow Recommenders': a column of logits for each sample of the batch, the diagonal
is what is to be found; divided by the temperature first, then corrected by log q, then without accidental hits.
"""

import math

import torch
from torch.nn import functional

from make_optimizer_reference import BATCH, ITEMS, OPTIMIZERS, USERS, draw, fraction
from make_ranker_reference import L2, SHOWN, STEPS, show

BARE = ((5, ()), (5, ()))
# For users and items the length of the vectors, and units and relu of the layers.
TOWERS = ((5, ((6, True), (4, False))), (3, ((4, True),)))


def through(values, tables, name, inputs, layers):
    for layer, (units, relu) in enumerate(layers):
        row = functional.embedding(torch.tensor([0]), tables[f"{name}_dense_{layer}"], sparse=True)[0]
        values = values @ row[: inputs * units].reshape(inputs, units) + row[inputs * units :]
        values, inputs = values.relu() if relu else values, units
    return values


def train(case, kind, temperature, logq, removes_hits, reduction, towers=BARE):
    shapes = [("users", USERS, towers[0][0]), ("items", ITEMS, towers[1][0])]
    for name, (inputs, layers) in zip(("user", "item"), towers):
        for layer, (units, _) in enumerate(layers):
            shapes.append((f"{name}_dense_{layer}", 1, (inputs + 1) * units))
            inputs = units
    tables = {
        name: torch.nn.Parameter(torch.tensor([[fraction(6, t, r, k) for k in range(dim)] for r in range(rows)]))
        for t, (name, rows, dim) in enumerate(shapes)
    }
    shares = torch.tensor([(item + 1) / (ITEMS * (ITEMS + 1) / 2) for item in range(ITEMS)])
    optimizer = OPTIMIZERS[kind](list(tables.values()))
    for step in range(STEPS):
        users = torch.tensor([draw(5, step, s, 0) % USERS for s in range(BATCH)])
        items = torch.tensor([draw(5, step, s, 1) % ITEMS for s in range(BATCH)])
        user = functional.embedding(users, tables["users"], sparse=True)
        item = functional.embedding(items, tables["items"], sparse=True)
        user, item = through(user, tables, "user", *towers[0]), through(item, tables, "item", *towers[1])
        logits = user @ item.T / temperature
        if logq:
            logits = logits - torch.log(shares[items])
        if removes_hits:
            hits = (items[:, None] == items[None, :]) & ~torch.eye(BATCH, dtype=torch.bool)
            logits = logits.masked_fill(hits, -math.inf)
        loss = functional.cross_entropy(logits, torch.arange(BATCH), reduction=reduction)
        for ids, name in ((users, "users"), (items, "items")):
            loss = loss + L2 * (functional.embedding(ids.unique(), tables[name], sparse=True) ** 2).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for table in tables.values():
            table.grad = table.grad.coalesce()
        optimizer.step()
        if step + 1 in SHOWN:
            for name, table in tables.items():
                show(case, step + 1, name, table.detach())


if __name__ == "__main__":
    print("case,step,table,row,values")
    train("adagrad", "adagrad", 1, False, False, "sum")
    train("adam", "adam", 0.5, True, False, "mean")
    train("sgd", "sgd", 0.8, True, True, "mean")
    train("hits", "adagrad", 1, False, True, "sum")
    # Not Adam: what is added to all items alike has no gradient but rounding, which Adam would make steps of.
    train("towers", "adagrad", 0.5, False, False, "sum", TOWERS)
