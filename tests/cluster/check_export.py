#!/usr/bin/env python3
"""check_export.py EXPORT PREDICTED LISTS: whether the NumPy program, with the export alone, agrees with cfsnapshot.

PREDICTED: of `cfsnapshot predict --pairs --out`; its ratings to 1e-5. LISTS: of `cfsnapshot recommend --all-users
--out`; the first 100 users' lists exactly. What the export is served from must say what its CSV and arrays say.
"""
import csv
import os
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

def index_of(name):
    return np.load(f"{folder}/{name}.npy")


def texts_of(name, rows):
    if os.path.exists(f"{folder}/{name}.npy"):
        return [str(number) for number in index_of(name)]
    if not os.path.exists(f"{folder}/{name}_offsets.npy"):
        return [""] * rows
    offsets, text = index_of(f"{name}_offsets"), index_of(f"{name}_bytes").tobytes()
    return [text[first:last].decode() for first, last in zip(offsets, offsets[1:])]


# What is served from says the same as CSV and the arrays for other programs.
listed_users, listed_items = rows_of(f"{folder}/users.csv"), rows_of(f"{folder}/items.csv")
index = {
    "user_ids": [row["user"] for row in listed_users],
    "item_ids": [row["item"] for row in listed_items],
    "item_titles": [row["title"] for row in listed_items],
    "item_genres": [row["genres"] for row in listed_items],
}
wrong_index = [name for name, texts in index.items() if texts_of(name, len(texts)) != texts]
for side, rows in (("user", listed_users), ("item", listed_items)):
    ids = texts_of(f"{side}_ids", len(rows))
    order = [ids[row] for row in index_of(f"{side}_ids_order")]
    if order != sorted(ids, key=int) and order != sorted(ids):
        wrong_index.append(f"{side}_ids_order")
    if [int(row["training_ratings"]) for row in rows] != index_of(f"{side}_training_ratings").tolist():
        wrong_index.append(f"{side}_training_ratings")
counts = index_of("item_training_ratings")
popular = index_of("popular_items")
if popular.tolist() != [row for row in np.argsort(-counts, kind="stable") if counts[row] > 0]:
    wrong_index.append("popular_items")
if index_of("seen_ratings").shape != arrays["seen_items"].shape:
    wrong_index.append("seen_ratings")
for file in model["files"]:
    if not file["name"].endswith("_padded.npy"):
        continue
    padded, plain = (index_of(file["name"][: -len(end)]) for end in (".npy", "_padded.npy"))
    if padded.shape[1] % 16 or not np.array_equal(padded[:, : plain.shape[1]], plain) or padded[:, plain.shape[1] :].any():
        wrong_index.append(file["name"])

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
      f"{len(seen)} seen items recommended; wrong in the index: {wrong_index}")
sys.exit(0 if len(pairs) > 900 and worst <= 1e-5 and len(checked) == 100 and not wrong and not seen and not wrong_index else 1)
