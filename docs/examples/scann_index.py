#!/usr/bin/env python3
"""scann_index.py EXPORT OUT: a ScaNN index of an npy export of a factorisation or a retrieval model, and OUT/queries.npy.

What such a model ranks by is an inner product of [p; 1] and [q; b]; the index finds its largest. Items of which the model has learned nothing
are not in it: OUT/rows.npy says which rows of the export's items.csv the index's numbers are. Of what a user has seen it knows nothing.
"""
import json
import os
import sys

import numpy as np
import scann


def build(folder):
    with open(f"{folder}/model.json", encoding="utf-8") as file:
        model = json.load(file)
    if model["layers"] or model["dim"] == 0:
        sys.exit(f"{folder}: {'layers on pairs of vectors are no inner product' if model['layers'] else 'the model has no vectors'}")
    load = lambda name: np.load(f"{folder}/{name}.npy")
    kind = "vectors" if model["vector_dim"] > 0 else "embeddings"
    rows = np.flatnonzero(load("item_learned"))
    items = np.column_stack([load(f"item_{kind}"), load("item_biases")])[rows]
    queries = load(f"user_{kind}")
    queries = np.column_stack([queries, np.ones(len(queries), np.float32)])
    builder = scann.scann_ops_pybind.builder(items, 10, "dot_product")
    # A partition for about each square root of the items; two in a hundred of what is searched are then compared exactly.
    leaves = int(np.sqrt(len(items)))
    builder = builder.tree(num_leaves=leaves, num_leaves_to_search=leaves // 4, training_sample_size=len(items))
    return builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(200).build(), rows, queries


if __name__ == "__main__":
    index, rows, queries = build(sys.argv[1])
    os.makedirs(sys.argv[2])
    index.serialize(sys.argv[2])
    np.save(f"{sys.argv[2]}/rows.npy", rows)
    np.save(f"{sys.argv[2]}/queries.npy", queries)
