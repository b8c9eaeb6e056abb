#!/usr/bin/env python3
"""check_scann.py EXPORT PREDICTED: makes a ScaNN index of an npy export (docs/examples/scann_index.py) in a process of its own, loads it
afresh, and judges what it finds for every user by brute force."""
import os
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import scann

from scores import Expected

folder, out = sys.argv[1], sys.argv[1] + "_scann"
example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "examples", "scann_index.py")
expected = Expected(folder, sys.argv[2])
made = subprocess.run([sys.executable, example, folder, out], capture_output=True, text=True)
if expected.model["layers"] or expected.model["dim"] == 0:
    print(f"scann: {made.stderr.strip()}")
    sys.exit(0 if made.returncode == 1 and made.stderr.count("\n") == 1 else 1)
assert made.returncode == 0, made.stderr
rows, queries = np.load(f"{out}/rows.npy"), np.load(f"{out}/queries.npy")
found, dots = scann.scann_ops_pybind.load_searcher(out).search_batched(queries)
users = np.flatnonzero(np.load(f"{folder}/user_learned.npy"))
constants = np.load(f"{folder}/user_biases.npy").astype(np.float64) + expected.model["mean"]
best = expected.tenth_best(users)
recall = np.mean([np.mean(dots[user] + constants[user] >= best[k]) for k, user in enumerate(users)])
vectors = "vectors" if expected.model["vector_dim"] > 0 else "embeddings"
items = np.column_stack([np.load(f"{folder}/item_{vectors}.npy"), np.load(f"{folder}/item_biases.npy")]).astype(np.float64)
exact = np.einsum("ukd,ud->uk", items[rows[found[users]]], queries[users].astype(np.float64))
worst = np.max(np.abs(dots[users] - exact) / np.maximum(np.abs(exact), 1))
print(f"scann: recall of the ten best {recall:.3f}, inner products {worst:.2g} off")
sys.exit(0 if recall >= 0.9 and worst <= 1e-5 else 1)
