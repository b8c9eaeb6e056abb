#!/usr/bin/env python3
"""saved_model.py EXPORT OUT: a TensorFlow SavedModel of an npy export: users by raw id in, lists with titles out.

The signature `serving_default` takes `user`, strings (users,), and `k`, int32 (), and gives `item` and `title`, strings (users, k), and `score`,
float32 (users, k), best first: what `cfsnapshot recommend` lists, without what a user has seen. Where fewer than k items are left, items and
titles are empty and the score is minus infinity. Somebody of whom the model has learned nothing is the mean of the others. Any kind of
model; rankers take memory for items x units of a user at a time.
"""
import csv
import json
import sys

import numpy as np
import tensorflow as tf


def column(path, name):
    with open(path, encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


class Recommender(tf.Module):
    def __init__(self, folder):
        super().__init__()
        with open(f"{folder}/model.json", encoding="utf-8") as file:
            self.model = json.load(file)
        load = lambda name: np.load(f"{folder}/{name}.npy")
        # Variables, because constants would be in the graph, which ends at 2 GiB.
        keep = lambda array: tf.Variable(array, trainable=False)
        layers, towers = self.model["layers"], self.model["vector_dim"] > 0
        users, items = (load(f"{side}_{'vectors' if towers else 'embeddings'}") for side in ("user", "item"))
        constant = np.zeros(0, np.float32)  # What is the same for all pairs that are not in the data set.
        blocks = {"users": [users], "items": [items]}
        order = ["items", "users"] if self.model["item_first"] else ["users", "items"]
        self.input = [(side, blocks[side][0].shape[1]) for side in order]
        for feature in self.model["features"] if layers else []:  # Of other models they are in the vectors.
            of = feature["of"]
            rows = load(feature["name"] if of == "samples" else f"{feature['name']}_of_{of}")
            if of == "samples":
                constant = np.concatenate([constant, rows[feature["newest"]]])
            else:
                blocks[of].append(rows)
            self.input.append((of, rows.shape[1]))
        users, items = np.concatenate(blocks["users"], 1), np.concatenate(blocks["items"], 1)
        # Nobody has a row of their own: behind the others, their mean, which stands in for the untrained, too.
        learned = load("user_learned").astype(bool)
        users, user_biases = (np.append(rows, rows[:1], 0) for rows in (users, load("user_biases")))
        unlearned = np.append(~learned, True)
        for rows in (users, user_biases):
            rows[unlearned] = rows[~unlearned].mean(0)
        self.users, self.user_biases = keep(users), keep(user_biases)
        self.items, self.item_biases, self.constant = keep(items), keep(load("item_biases")), keep(constant)
        self.left_out = keep(np.where(load("item_learned"), 0, -np.inf).astype(np.float32))
        offsets = load("seen_offsets")
        self.seen_offsets, self.seen_items = keep(np.append(offsets, offsets[-1])), keep(load("seen_items"))
        self.kernels = [keep(load(f"dense_{k}_kernel")) for k in range(len(layers))]
        self.layer_biases = [keep(load(f"dense_{k}_bias")) for k in range(len(layers))]
        self.item_ids = keep(column(f"{folder}/items.csv", "item") + [""])
        self.titles = keep(column(f"{folder}/items.csv", "title") + [""])
        names = column(f"{folder}/users.csv", "user")
        self.row_of = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(names, np.arange(len(names), dtype=np.int64)), default_value=len(names))

    def raw_sums(self, row):
        """What the link makes ratings of, for all items and one user."""
        if not self.kernels:
            dots = tf.linalg.matvec(self.items, self.users[row])
            return self.user_biases[row] + self.item_biases + self.model["mean"] + dots
        parts = {"users": self.users[row], "items": self.items, "samples": self.constant}
        at, first, hidden = dict.fromkeys(parts, 0), 0, self.layer_biases[0]
        # A layer of vectors side by side is the sum of layers, of which those of the user are the same for all items.
        for of, width in self.input:
            block = parts[of][..., at[of] : at[of] + width]
            hidden = hidden + tf.reshape(block, [-1, width]) @ self.kernels[0][first : first + width]
            at[of], first = at[of] + width, first + width
        for k, layer in enumerate(self.model["layers"]):
            if k > 0:
                hidden = hidden @ self.kernels[k] + self.layer_biases[k]
            if layer["activation"] == "relu":
                hidden = tf.nn.relu(hidden)
        return hidden[:, 0]

    def linked(self, x):
        if self.model["link"] == "identity":
            return x
        if self.model["link"] == "standardized":
            return self.model["rating_deviation"] * x
        return self.model["rating_min"] + (self.model["rating_max"] - self.model["rating_min"]) * tf.sigmoid(x)

    def one_list(self, row, k):
        seen = self.seen_items[self.seen_offsets[row] : self.seen_offsets[row + 1]]
        hidden = tf.tensor_scatter_nd_min(self.left_out, seen[:, None], tf.fill(tf.shape(seen), -np.inf))
        best, places = tf.math.top_k(self.raw_sums(row) + hidden, tf.minimum(k, self.items.shape[0]))
        fill = [[0, tf.maximum(k - self.items.shape[0], 0)]]
        return tf.pad(best, fill, constant_values=-np.inf), tf.pad(places, fill)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "user"), tf.TensorSpec([], tf.int32, "k")])
    def recommend(self, user, k):
        best, places = tf.map_fn(lambda row: self.one_list(row, k), self.row_of.lookup(user), fn_output_signature=(tf.float32, tf.int32))
        there = tf.math.is_finite(best)
        places = tf.where(there, places, self.items.shape[0])
        return {"item": tf.gather(self.item_ids, places), "title": tf.gather(self.titles, places),
                "score": tf.where(there, self.linked(best), best)}


if __name__ == "__main__":
    recommender = Recommender(sys.argv[1])
    tf.saved_model.save(recommender, sys.argv[2], signatures={"serving_default": recommender.recommend})
