#!/usr/bin/env python3
"""check_hnswlib.py EXPORT PREDICTED: see scores.py. Space and dimension come from the sidecar."""
import json
import sys

import hnswlib
import numpy as np

from scores import Expected

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
said = expected.model["index"]
with open(f"{folder}/{said['file']}.json", encoding="utf-8") as file:
    sidecar = json.load(file)
index = hnswlib.Index(space=sidecar["space"], dim=sidecar["dim"])
index.load_index(f"{folder}/{said['file']}")
assert index.get_current_count() == sidecar["elements"] == said["items"]
queries = np.load(f"{folder}/queries.npy")
constants = np.load(f"{folder}/user_constants.npy").astype(np.float64)
assert queries.shape[1] == sidecar["dim"] == said["dim"]

index.set_ef(index.get_current_count())
users = np.unique(expected.users)
ids, distances = index.knn_query(queries[users], k=10, num_threads=1)
# A distance is 1 - inner product.
dots = 1 - distances.astype(np.float64)
recall = np.mean([np.mean(dots[k] + constants[user] >= expected.tenth_best([user])[0]) for k, user in enumerate(users)])
print(f"recall of the ten best {recall:.3f}; ", end="")
assert recall >= 0.9
named = np.array([int(name) for name in expected.raw_items]) if said["ids"] == "raw" else expected.items
vectors = np.array(index.get_items(named), np.float64)
dots = np.sum(vectors * queries[expected.users], 1)
expected.finish(f"hnswlib {sidecar['space']}", expected.linked(dots + constants[expected.users]))
