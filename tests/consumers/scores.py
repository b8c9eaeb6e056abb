"""What the checks of exports share: the pairs whose scores `cfsnapshot predict` has written, and how near to them others come.

A check is `check_FORMAT.py EXPORT PREDICTED`: it loads the export with the format's own library, in a process of its own, and exits
with 0 where every score is within 1e-5 of ours, relative to the larger of the score and the root mean square of all.
"""
import csv
import json
import sys

import numpy as np

TOLERANCE = 1e-5


def rows_of(path):
    """The lines of a CSV file, by column."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Expected:
    """The pairs of a predicted.csv that the model itself answered: raw ids, rows of the export, and our scores."""

    def __init__(self, folder, predicted):
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

    def finish(self, what, scores, tolerance=TOLERANCE):
        """Says how near the scores are; ends the process with 1 where one is too far or there are too few."""
        scores = np.asarray(scores, np.float64)
        assert scores.shape == self.scores.shape, (scores.shape, self.scores.shape)
        scale = np.maximum(np.abs(self.scores), np.sqrt(np.mean(self.scores**2)))
        worst = np.max(np.abs(scores - self.scores) / scale)
        print(f"{what}: {len(scores)} scores, the farthest {worst:.2g} off")
        sys.exit(0 if len(scores) >= 500 and worst <= tolerance else 1)
