#!/usr/bin/env python3
"""Predicts and recommends from an export alone: predict_from_export.py EXPORT [USER_ROW ...]"""
import csv, json, sys
import numpy as np


def load(folder):
    names = ["user_embeddings", "item_embeddings", "user_biases", "item_biases", "seen_offsets", "seen_items"]
    arrays = {name: np.load(f"{folder}/{name}.npy") for name in names}
    return json.load(open(f"{folder}/model.json", encoding="utf-8")), arrays


def predict(model, a, user):
    """The predicted ratings of all items for the user in row `user`."""
    dots = a["item_embeddings"].astype(np.float64) @ a["user_embeddings"][user].astype(np.float64)
    x = a["user_biases"][user].astype(np.float64) + a["item_biases"] + model["mean"] + dots
    if model["link"] == "identity":
        return x
    return model["rating_min"] + (model["rating_max"] - model["rating_min"]) / (1 + np.exp(-x))


def recommend(model, a, user, top=10):
    """The rows of the `top` unseen items with the highest predictions; ties by row."""
    ratings = predict(model, a, user)
    ratings[a["seen_items"][a["seen_offsets"][user] : a["seen_offsets"][user + 1]]] = -np.inf
    rows = np.argsort(-ratings, kind="stable")[:top]
    return [(int(row), ratings[row]) for row in rows if ratings[row] > -np.inf]


if __name__ == "__main__":
    model, arrays = load(sys.argv[1])
    titles = [row["title"] for row in csv.DictReader(open(f"{sys.argv[1]}/items.csv", encoding="utf-8", newline=""))]
    for user in map(int, sys.argv[2:]):
        for row, rating in recommend(model, arrays, user):
            print(f"{user}\t{row}\t{rating:.7f}\t{titles[row]}")
