#!/usr/bin/env python3
"""Makes rankers.csv: what PyTorch's autograd and optimizers make of small neural rankers on the minibatches of drawn.h.

Run once, with PyTorch 1.13 (Debian 12's python3-torch): ./make_ranker_reference.py > rankers.csv

Everything is in double precision. A dense layer is one row, its kernel by input and then unit and then its biases, so that SparseAdam,
whose formula is ours (make_optimizer_reference.py says why), moves it like an embedding's row that every batch touches.
"""

import torch
from torch.nn import functional

from make_optimizer_reference import BATCH, ITEMS, OPTIMIZERS, USERS, draw, fraction

USER_DIM, ITEM_DIM, LAYERS = 5, 3, ((8, 7), (7, 4), (4, 1))
STEPS, SHOWN = 60, (1, 10, 60)
L2 = 0.001


def show(case, step, table, weights):
    for row, values in enumerate(weights.tolist()):
        print(",".join([case, str(step), table, str(row)] + [f"{value:.9g}" for value in values]))


def train(case, kind, link, loss_name, item_first):
    shapes = [("users", USERS, USER_DIM), ("items", ITEMS, ITEM_DIM)]
    shapes += [(f"dense_{layer}", 1, (inputs + 1) * units) for layer, (inputs, units) in enumerate(LAYERS)]
    tables = {
        name: torch.nn.Parameter(torch.tensor([[fraction(6, t, r, k) for k in range(dim)] for r in range(rows)]))
        for t, (name, rows, dim) in enumerate(shapes)
    }
    optimizer = OPTIMIZERS[kind](list(tables.values()))
    for step in range(STEPS):
        users = torch.tensor([draw(5, step, s, 0) % USERS for s in range(BATCH)])
        items = torch.tensor([draw(5, step, s, 1) % ITEMS for s in range(BATCH)])
        ratings = torch.tensor([1.0 + draw(5, step, s, 2) % 5 for s in range(BATCH)])
        user = functional.embedding(users, tables["users"], sparse=True)
        item = functional.embedding(items, tables["items"], sparse=True)
        values = torch.cat((item, user) if item_first else (user, item), 1)
        for layer, (inputs, units) in enumerate(LAYERS):
            row = functional.embedding(torch.tensor([0]), tables[f"dense_{layer}"], sparse=True)[0]
            values = values @ row[: inputs * units].reshape(inputs, units) + row[inputs * units :]
            if layer + 1 < len(LAYERS):
                values = values.relu()
        raw = values[:, 0]
        if loss_name == "bce":
            loss = functional.binary_cross_entropy_with_logits(raw, (ratings - 1) / 4)
        elif link == "scaled_sigmoid":
            loss = functional.mse_loss(1 + 4 * raw.sigmoid(), ratings)
        else:
            loss = functional.mse_loss(raw, ratings)
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
    train("adam", "adam", "identity", "mse", False)
    train("adagrad", "adagrad", "scaled_sigmoid", "mse", True)
    train("sgd", "sgd", "sigmoid", "bce", False)
