#!/usr/bin/env python3
"""check_export.py EXPORT PREDICTED LISTS: whether the NumPy program, with the export alone, agrees with cfsnapshot.

PREDICTED: of `cfsnapshot predict --pairs --out`; its ratings to 1e-5. LISTS: of `cfsnapshot recommend --all-users
--out`; the first 100 users' lists exactly.
"""
import csv
import sys

import numpy as np

from predict_from_export import load, predict, recommend, through


def rows_of(path):
    return list(csv.DictReader(open(path, encoding="utf-8", newline="")))


folder, predicted, lists = sys.argv[1:]
model, arrays = load(folder)
users = {row["user"]: int(row["row"]) for row in rows_of(f"{folder}/users.csv")}
items = {row["item"]: int(row["row"]) for row in rows_of(f"{folder}/items.csv")}
raw = {number: name for name, number in items.items()}

ratings = {user: predict(model, arrays, row) for user, row in users.items()}
pairs = rows_of(predicted)
assert len(pairs) == 1000
if any(feature["of"] == "samples" for feature in model["features"]):
    # A pair of the data set has a timestamp of its own, which an export does not know.
    seen = [set(items_of) for items_of in np.split(arrays["seen_items"], arrays["seen_offsets"][1:-1])]
    pairs = [row for row in pairs if items[row["item"]] not in seen[users[row["user"]]]]
score = next(name for name in ("predicted", "probability", "score") if name in pairs[0])
pairs = [row for row in pairs if row["source"] == "model"]
worst = max(abs(ratings[row["user"]][items[row["item"]]] - float(row[score])) for row in pairs)

if model["vector_dim"]:
    for stack in ("user_", "item_"):
        made = through(model, arrays, stack, arrays[f"{stack}embeddings"].astype(np.float64))
        worst = max(worst, np.abs(np.load(f"{folder}/{stack}vectors.npy") - made).max())

listed = {}
for row in rows_of(lists):
    listed.setdefault(row["user"], [])
    if row["source"] != "none":
        listed[row["user"]].append(row["item"])
checked = list(listed)[:100]
wrong = [u for u in checked if [raw[row] for row, _ in recommend(model, arrays, users[u])] != listed[u]]
seen = [u for u in listed for item in listed[u]
        if items[item] in arrays["seen_items"][arrays["seen_offsets"][users[u]] : arrays["seen_offsets"][users[u] + 1]]]

print(f"{len(pairs)} predictions differ by {worst:.2g} at most; {len(wrong)} of {len(checked)} lists differ; "
      f"{len(seen)} seen items recommended")
sys.exit(0 if len(pairs) > 900 and worst <= 1e-5 and len(checked) == 100 and not wrong and not seen else 1)
