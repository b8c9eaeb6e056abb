#!/usr/bin/env python3
"""Makes optimizers.csv: what PyTorch's optimizers and autograd make of the gradients and minibatches of drawn.h.

Run once, with PyTorch 1.13 (Debian 12's python3-torch): ./make_optimizer_reference.py > optimizers.csv

Everything is in double precision, so that the figures are the formulas' and not a float's. Where PyTorch's formulas differ from ours:
- Adam: SparseAdam has our formula, moments of touched rows only, the bias correction by global step and epsilon beside sqrt(v) before
  the correction. (torch.optim.Adam divides sqrt(v) by sqrt(1 - beta2^t) before it adds epsilon.)
- Adagrad: PyTorch divides by sqrt(a) + epsilon, we by sqrt(a + epsilon). With epsilon 1e-7 and accumulators of 0.1 and more the
  two differ by less than 1e-6 of a change.
- L2: weight_decay is refused for sparse gradients and would touch every row; ours is lambda * sum(w^2) over the touched rows, so
  here it is part of the gradient, or of the loss that autograd differentiates.
"""

import math

import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)

# As in drawn.h.
ROWS, DIM, STEPS, STEPS_PER_EPOCH = 10, 6, 200, 20
USERS, ITEMS, BATCH = 12, 9, 16
SHOWN = (1, 10, 50, 200)


def draw(*words):
    h = 2166136261
    for word in words:
        h = (h ^ word) * 16777619 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x7FEB352D & 0xFFFFFFFF
    h = (h ^ h >> 15) * 0x846CA68B & 0xFFFFFFFF
    return h ^ h >> 16


def fraction(*words):
    """In [-0.5, 0.5), exact in a float."""
    return (draw(*words) >> 8) / 2**24 - 0.5


def is_touched(step, row):
    if row == ROWS - 1:
        return step % 50 == 7  # A row that hardly anybody rates.
    return row == step % (ROWS - 1) or draw(1, step, row) % 3 == 0


# As in job.proto.
def constant(step):
    return 1.0


def exponential(step):
    return 0.9 ** (step // STEPS_PER_EPOCH) * min(1.0, (step + 1) / 15)  # Staircase; warm-up of 15 steps.


def cosine(step):
    done = min(1.0, step / STEPS_PER_EPOCH / 8)  # 8 epochs, floor 0.1.
    return 0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2


OPTIMIZERS = {
    "adam": lambda rows: torch.optim.SparseAdam(rows, lr=0.02, betas=(0.9, 0.999), eps=1e-7),
    "adagrad": lambda rows: torch.optim.Adagrad(rows, lr=0.05, initial_accumulator_value=0.1, eps=1e-7),
    "sgd": lambda rows: torch.optim.SGD(rows, lr=0.1),
}


def show(case, step, table, weights):
    for row, values in enumerate(weights.tolist()):
        print(",".join([case, str(step), table, str(row)] + [f"{value:.9g}" for value in values]))


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate


def train_rows(case, kind, l2_vector, l2_bias, schedule):
    """Given gradients; a row is its vector and then its bias."""
    rows = torch.nn.Parameter(torch.tensor([[fraction(3, r, k) for k in range(DIM + 1)] for r in range(ROWS)]))
    optimizer = OPTIMIZERS[kind]([rows])
    rate = optimizer.param_groups[0]["lr"]
    l2 = torch.tensor([2 * l2_vector] * DIM + [2 * l2_bias])
    for step in range(STEPS):
        ids = [r for r in range(ROWS) if is_touched(step, r)]
        gradient = torch.tensor([[fraction(2, step, r, k) for k in range(DIM + 1)] for r in ids])
        gradient += l2 * rows.detach()[ids]
        rows.grad = torch.sparse_coo_tensor([ids], gradient, rows.shape).coalesce()
        set_rate(optimizer, rate * schedule(step))
        optimizer.step()
        if step + 1 in SHOWN:
            show(case, step + 1, "rows", rows.detach())


def train_model(case, kind, loss_name, l2_vector, l2_bias):
    """The biased factorisation with the gradients of autograd."""
    tables = {
        name: torch.nn.Parameter(torch.tensor([[0.5 * fraction(4, t, r, k) for k in range(DIM + 1)] for r in range(count)]))
        for t, (name, count) in enumerate((("users", USERS), ("items", ITEMS)))
    }
    optimizer = OPTIMIZERS[kind](list(tables.values()))
    l2 = torch.tensor([l2_vector] * DIM + [l2_bias])
    for step in range(STEPS):
        users = torch.tensor([draw(5, step, s, 0) % USERS for s in range(BATCH)])
        items = torch.tensor([draw(5, step, s, 1) % ITEMS for s in range(BATCH)])
        ratings = torch.tensor([1.0 + draw(5, step, s, 2) % 5 for s in range(BATCH)])
        user = functional.embedding(users, tables["users"], sparse=True)
        item = functional.embedding(items, tables["items"], sparse=True)
        raw = user[:, DIM] + item[:, DIM] + (user[:, :DIM] * item[:, :DIM]).sum(1)
        if loss_name == "mse":
            loss = functional.mse_loss(raw + 3.25, ratings)  # The mean in drawn.h.
        else:
            loss = functional.binary_cross_entropy_with_logits(raw, (ratings - 1) / 4)
        for ids, name in ((users, "users"), (items, "items")):
            touched = functional.embedding(ids.unique(), tables[name], sparse=True)
            loss = loss + (l2 * touched**2).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for table in tables.values():
            table.grad = table.grad.coalesce()
        optimizer.step()
        if step + 1 in SHOWN:
            for name, table in tables.items():
                show(case, step + 1, name, table.detach())


if __name__ == "__main__":
    print("case,step,table,row," + ",".join(f"v{k}" for k in range(DIM)) + ",bias")
    train_rows("adam", "adam", 0, 0, constant)
    train_rows("adam_l2_exponential", "adam", 0.01, 0.02, exponential)
    train_rows("adagrad", "adagrad", 0, 0, constant)
    train_rows("adagrad_l2_cosine", "adagrad", 0.01, 0.02, cosine)
    train_rows("sgd", "sgd", 0, 0, constant)
    train_rows("sgd_l2_cosine", "sgd", 0.01, 0.02, cosine)
    train_model("model_mse_adam", "adam", "mse", 0.001, 0.002)
    train_model("model_bce_adam", "adam", "bce", 0.001, 0.002)
    train_model("model_mse_sgd", "sgd", "mse", 0, 0)
    train_model("model_bce_adagrad", "adagrad", "bce", 0.001, 0)
