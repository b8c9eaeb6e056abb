"""What the checks of exports share: the pairs whose scores `cfsnapshot predict` has written, and how near to them others come.

A check is `check_FORMAT.py EXPORT PREDICTED`: it loads the export with the format's own library, in a process of its own, and exits
with 0 where every score is within 1e-5 of ours, relative to the larger of the score and the root mean square of all.
"""
import csv
import json
import os
import sys

import numpy as np

TOLERANCE = 1e-5
# A half has 11 bits; a step of int8 is up to a 254th of the largest number of its row.
TOLERANCES = {"fp32": TOLERANCE, "fp16": 5e-3, "int8": 5e-2}


def rows_of(path):
    """The lines of a CSV file, by column."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Expected:
    """The pairs of a predicted.csv that the model itself answered: raw ids, rows of the export, and our scores."""

    def __init__(self, folder, predicted):
        self.npy = os.path.join(os.path.dirname(predicted), "npy")
        with open(f"{folder}/model.json", encoding="utf-8") as file:
            self.model = json.load(file)
        self.user_ids = [row["user"] for row in rows_of(f"{folder}/users.csv")]
        self.item_ids = [row["item"] for row in rows_of(f"{folder}/items.csv")]
        source = "popular" if "popularity" in self.model["job"]["model"] else "model"
        pairs = [row for row in rows_of(predicted) if row["source"] == source]
        if any(feature["of"] == "samples" for feature in self.model["features"]):
            # A pair of the data set has a timestamp of its own, which an export does not know.
            pairs = [row for row in pairs if row["actual"] == ""]
        column = next(c for c in ("predicted", "probability", "ratings", "score") if c in pairs[0])
        users = {name: row for row, name in enumerate(self.user_ids)}
        items = {name: row for row, name in enumerate(self.item_ids)}
        self.raw_users = [row["user"] for row in pairs]
        self.raw_items = [row["item"] for row in pairs]
        self.users = np.array([users[name] for name in self.raw_users])
        self.items = np.array([items[name] for name in self.raw_items])
        self.scores = np.array([float(row[column]) for row in pairs])

    def linked(self, raw):
        """What the link makes of raw sums."""
        raw = np.asarray(raw, np.float64)
        if self.model["link"] == "identity":
            return raw
        if self.model["link"] == "standardized":
            return self.model["rating_deviation"] * raw
        low, high = self.model["rating_min"], self.model["rating_max"]
        return low + (high - low) / (1 + np.exp(-raw))

    def tenth_best(self, users):
        """The raw sum of each user's tenth best item, less a little, by brute force over the npy export."""
        def load(name):
            return np.load(f"{self.npy}/{name}.npy").astype(np.float64)
        towers = self.model["vector_dim"] > 0
        items, vectors = load("item_vectors" if towers else "item_embeddings"), load("user_vectors" if towers else "user_embeddings")
        raw = vectors[users] @ items.T + load("item_biases") + load("user_biases")[users][:, None] + self.model["mean"]
        tenth = np.sort(raw[:, load("item_learned") == 1])[:, -10]
        return tenth - 1e-5 * np.maximum(np.abs(tenth), 1)

    def finish(self, what, scores, tolerance=TOLERANCE):
        """Says how near the scores are; ends the process with 1 where one is too far or there are too few."""
        scores = np.asarray(scores, np.float64)
        assert scores.shape == self.scores.shape, (scores.shape, self.scores.shape)
        scale = np.maximum(np.abs(self.scores), np.sqrt(np.mean(self.scores**2)))
        worst = np.max(np.abs(scores - self.scores) / scale)
        print(f"{what}: {len(scores)} scores, the farthest {worst:.2g} off")
        sys.exit(0 if len(scores) >= 500 and worst <= tolerance else 1)

    def finish_search(self, what, users, ids, dots, constants, exact=False):
        """Judges what a search for all items by inner product found: `ids` and `dots` by user, best first.

        An exact search finds every item, a graph nine tenths of the ten best; the raw sums of what is found are inner products and the
        user's constant.
        """
        raw_ids = self.model["index"]["ids"] == "raw"
        names = {(int(name) if raw_ids else row): row for row, name in enumerate(self.item_ids)}
        place = {user: k for k, user in enumerate(users)}
        found = [{names[item]: dot for item, dot in zip(ids[k], dots[k]) if item >= 0} for k in range(len(users))]
        have = np.array([item in found[place[user]] for user, item in zip(self.users, self.items)])
        best = self.tenth_best(users)
        recall = np.mean([np.mean(dots[k][:10] + constants[user] >= best[k]) for k, user in enumerate(users)])
        raw = [found[place[u]].get(i, 0) + constants[u] for u, i in zip(self.users, self.items)]
        scores = np.where(have, self.linked(raw), self.scores)
        print(f"{have.sum()} of {len(have)} pairs found, recall of the ten best {recall:.3f}; ", end="")
        if have.sum() < (len(have) if exact else 50) or recall < (1 if exact else 0.9):
            sys.exit(1)
        self.finish(what, scores)
