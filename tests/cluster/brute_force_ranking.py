#!/usr/bin/env python3
"""brute_force_ranking.py EXPORT SPLIT FIGURES: whether every figure of FIGURES is what brute force finds.

EXPORT: of `cfsnapshot export --format npy`. SPLIT: of `cfdata export-split`. FIGURES: of `cfsnapshot evaluate
--metrics ... --format csv`. All users' scores of all items are sorted whole; figures must agree to 1e-6.
"""
import csv
import functools
import json
import sys

import numpy as np

LANES = 16


def rows_of(path):
    return list(csv.DictReader(open(path, encoding="utf-8", newline="")))


def dot(vector, matrix):
    """Rounds as docs/arithmetic.md has it: 16 lanes with fused multiply-add, then a tree. A tie must be one here too."""
    dim = matrix.shape[1]
    products = np.zeros((matrix.shape[0], -(-dim // LANES) * LANES))
    products[:, :dim] = matrix.astype(np.float64) * vector.astype(np.float64)
    lanes = np.zeros((matrix.shape[0], LANES), np.float32)
    for block in range(0, products.shape[1], LANES):
        lanes = (products[:, block : block + LANES] + lanes).astype(np.float32)
    for width in (8, 4, 2, 1):
        lanes = lanes[:, :width] + lanes[:, width : 2 * width]
    return lanes[:, 0]


def dense(rows, layers, name):
    """The rows behind the layers, each sum a chain of fused multiply-adds as it is there."""
    for l, layer in enumerate(layers):
        kernel = np.load(f"{export}/{name}_{l}_kernel.npy").astype(np.float64)
        outputs = np.tile(np.load(f"{export}/{name}_{l}_bias.npy"), (len(rows), 1))
        for i in range(layer["inputs"]):
            outputs = (rows[:, i : i + 1].astype(np.float64) * kernel[i] + outputs).astype(np.float32)
        rows = np.maximum(outputs, np.float32(0)) if layer["activation"] == "relu" else outputs
    return rows


def scores_of(user):
    if not model["layers"]:
        return dot(P[user], Q) + bias
    one = np.tile(P[user], (len(Q), 1))
    return dense(np.concatenate((Q, one) if model["item_first"] else (one, Q), 1), model["layers"], "dense")[:, 0]


export, split, figures = sys.argv[1:]
model = json.load(open(f"{export}/model.json", encoding="utf-8"))
users = {row["user"]: int(row["row"]) for row in rows_of(f"{export}/users.csv")}
items = {row["item"]: int(row["row"]) for row in rows_of(f"{export}/items.csv")}
P = np.load(f"{export}/user_embeddings.npy")
Q = np.load(f"{export}/item_embeddings.npy")
if model["vector_dim"]:
    P, Q = dense(P, model["user_layers"], "user_dense"), dense(Q, model["item_layers"], "item_dense")
bias = np.load(f"{export}/item_biases.npy")


def samples(name):
    by_user = {}
    for row in rows_of(f"{split}/{name}.csv"):
        values = list(row.values())
        by_user.setdefault(users[values[0]], set()).add(items[values[1]])
    return by_user


train, val = samples("train"), samples("val")
popularity = np.zeros(len(items))
for seen in train.values():
    for item in seen:
        popularity[item] += 1
ids = np.arange(len(items))
with np.errstate(invalid="ignore", divide="ignore"):
    norms = np.linalg.norm(Q.astype(np.float64), axis=1, keepdims=True)
    directions = np.where(norms > 0, Q / norms, 0)


SCORES = {user: scores_of(user) for user in val}


def below(user, bounds):
    """Draw k of the user's stream for sampled metrics (docs/metrics.md), times bounds[k] / 2^64: Philox4x32-10, key 0."""
    mask, count = np.uint64(0xFFFFFFFF), len(bounds)
    words = [np.arange(count), np.zeros(count), np.full(count, user), np.full(count, 4 << 24 | (1 << 24) - 2)]
    words = [word.astype(np.uint64) for word in words]
    for turn in range(10):
        product0, product1 = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        keys = [np.uint64(turn * step & 0xFFFFFFFF) for step in (0x9E3779B9, 0xBB67AE85)]
        words = [product1 >> np.uint64(32) ^ words[1] ^ keys[0], product1 & mask,
                 product0 >> np.uint64(32) ^ words[3] ^ keys[1], product0 & mask]
    return [(int(low) | int(high) << 32) * bound >> 64 for low, high, bound in zip(words[0], words[1], bounds)]


def sampled(user, count):
    """Floyd's sample of the items that the user has neither in training nor in validation."""
    others = np.setdiff1d(ids, list(train.get(user, set()) | val[user]))
    count = min(count, len(others))
    lasts = range(len(others) - count, len(others))
    ranks = set()
    for rank, last in zip(below(user, [last + 1 for last in lasts]), lasts):
        ranks.add(last if rank in ranks else rank)
    return others[sorted(ranks)]


class Ranked:
    """What the figures of one user need, among all items, those not seen, or some ("_sampled_100")."""

    def __init__(self, user, among):
        self.positives = np.array(sorted(val[user]))
        if among == "unmasked":
            candidates = ids
        elif among:
            candidates = np.union1d(sampled(user, int(among.split("_")[1])), self.positives)
        else:
            candidates = np.setdiff1d(ids, list(train.get(user, ())))
        scores = SCORES[user][candidates]
        is_positive = np.isin(candidates, self.positives)
        self.ranks = np.array([(scores >= score).sum() for score in SCORES[user][self.positives]])
        # The last key counts first: by score, positives behind what ties with them.
        self.places = np.flatnonzero(is_positive[np.lexsort((is_positive, -scores))]) + 1
        self.top = candidates[np.lexsort((candidates, -scores))]


@functools.lru_cache(None)
def ranked(among):
    return [Ranked(user, among) for user in sorted(val)]


def figure(name):
    _, kind, k, among = (name + "_").split("_", 3)
    k = int(k)
    values, weight, listed = [], 0, set()
    for user in ranked(among.rstrip("_")):
        places = user.places[user.places <= k]
        top = user.top[:k]
        weight += len(user.positives) if kind == "top" else 1
        if kind == "top":
            values.append((user.ranks <= k).sum())
        elif kind == "recall":
            values.append(len(places) / len(user.positives))
        elif kind == "hr":
            values.append(len(places) > 0)
        elif kind == "mrr":
            values.append(1 / places[0] if len(places) else 0)
        elif kind == "ndcg":
            ideal = (1 / np.log2(np.arange(min(k, len(user.positives))) + 2)).sum()
            values.append((1 / np.log2(places + 1)).sum() / ideal)
        elif kind == "novelty":
            values.append(-np.log2(np.maximum(popularity[top], 1) / len(users)).mean())
        elif kind == "ild":
            cosines = directions[top] @ directions[top].T
            values.append((1 - cosines[np.triu_indices(len(top), 1)]).mean())
        elif kind == "coverage":
            listed.update(top)
    return len(listed) / len(items) if kind == "coverage" else sum(values) / weight


found = rows_of(figures)[0]
checked, wrong = 0, 0
for name, text in found.items():
    if name.count("_") < 2:
        continue
    expected = figure(name)
    checked += 1
    if not abs(expected - float(text)) <= 1e-6:
        wrong += 1
        print(f"{name} is {text}; brute force finds {expected}")
tied = np.mean([len(np.unique(scores)) < len(scores) for scores in SCORES.values()])
print(f"{checked} figures, {wrong} wrong; of {tied:.0%} of the users two items tie")
sys.exit(0 if checked > 0 and wrong == 0 else 1)
