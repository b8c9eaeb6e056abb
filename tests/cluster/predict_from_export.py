#!/usr/bin/env python3
"""Predicts and recommends from an export alone: predict_from_export.py EXPORT [USER_ROW ...]"""
import csv, json, sys
import numpy as np


def vectors_of(feature):
    """The array with a feature's vectors: of each user or item, or of what samples have."""
    return feature["name"] if feature["of"] == "samples" else f"{feature['name']}_of_{feature['of']}"


def load(folder):
    model = json.load(open(f"{folder}/model.json", encoding="utf-8"))
    names = ["user_embeddings", "item_embeddings", "user_biases", "item_biases"]
    names += ["seen_offsets", "seen_items", "seen_in_training", "user_learned", "item_learned"]
    for stack in ("", "user_", "item_"):
        for k in range(len(model[f"{stack}layers"])):
            names += [f"{stack}dense_{k}_kernel", f"{stack}dense_{k}_bias"]
    names += [vectors_of(feature) for feature in model["features"]]
    return model, {name: np.load(f"{folder}/{name}.npy") for name in names}


def through(model, a, stack, h):
    """The output of a ranker's layers (`stack` is ""), or of a tower's ("user_" or "item_")."""
    for k, layer in enumerate(model[f"{stack}layers"]):
        h = h @ a[f"{stack}dense_{k}_kernel"].astype(np.float64) + a[f"{stack}dense_{k}_bias"]
        if layer["activation"] == "relu":
            h = np.maximum(h, 0)
    return h


def raw_sums(model, a, user):
    """What the link makes a rating of, for all items and the user in row `user`."""
    one, items = a["user_embeddings"][user].astype(np.float64), a["item_embeddings"].astype(np.float64)
    if model["layers"]:
        blocks = [items, one] if model["item_first"] else [one, items]
        for feature in model["features"]:
            row = {"users": user, "items": slice(None), "samples": feature["newest"]}[feature["of"]]
            blocks.append(a[vectors_of(feature)][row])
        rows = [np.broadcast_to(block, (len(items), block.shape[-1])) for block in blocks]
        return through(model, a, "", np.concatenate(rows, 1))[:, 0]
    dots = through(model, a, "item_", items) @ through(model, a, "user_", one)
    return a["user_biases"][user].astype(np.float64) + a["item_biases"] + model["mean"] + dots


def predict(model, a, user):
    """The predicted ratings of all items for the user in row `user`."""
    x = raw_sums(model, a, user)
    if model["link"] == "identity":
        return x
    if model["link"] == "standardized":
        return model["rating_deviation"] * x
    return model["rating_min"] + (model["rating_max"] - model["rating_min"]) / (1 + np.exp(-x))


def recommend(model, a, user, top=10, mask="all"):
    """The rows of the `top` items with the highest predictions, but for those that the mask leaves out; ties by row."""
    if not a["user_learned"][user]:
        return []
    ratings = np.where(a["item_learned"], predict(model, a, user), -np.inf)
    own = slice(a["seen_offsets"][user], a["seen_offsets"][user + 1])
    masked = {"all": True, "train": a["seen_in_training"][own], "none": False}[mask]
    ratings[a["seen_items"][own][np.broadcast_to(masked, own.stop - own.start)]] = -np.inf
    rows = np.argsort(-ratings, kind="stable")[:top]
    return [(int(row), ratings[row]) for row in rows if ratings[row] > -np.inf]


if __name__ == "__main__":
    model, arrays = load(sys.argv[1])
    titles = [row["title"] for row in csv.DictReader(open(f"{sys.argv[1]}/items.csv", encoding="utf-8", newline=""))]
    for user in map(int, sys.argv[2:]):
        for row, rating in recommend(model, arrays, user):
            print(f"{user}\t{row}\t{rating:.7f}\t{titles[row]}")
