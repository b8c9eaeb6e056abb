#!/usr/bin/env python3
"""check_faiss.py EXPORT PREDICTED: see scores.py. Asks the index for all its items, as exactly as it can."""
import sys

import faiss
import numpy as np

from scores import Expected

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
said = expected.model["index"]
index = faiss.read_index(f"{folder}/{said['file']}")
queries = np.load(f"{folder}/queries.npy")
constants = np.load(f"{folder}/user_constants.npy").astype(np.float64)
assert index.metric_type == faiss.METRIC_INNER_PRODUCT and index.d == said["dim"] == queries.shape[1]
assert index.ntotal == said["items"] == np.load(f"{folder}/item_learned.npy").sum()
if said["kind"].startswith("IVF"):
    faiss.downcast_index(faiss.downcast_index(index).index).nprobe = 16
if said["kind"].startswith("HNSW"):
    faiss.downcast_index(faiss.downcast_index(index).index).hnsw.efSearch = index.ntotal
users = np.unique(expected.users)
dots, ids = index.search(queries[users], index.ntotal)
approximate = said["kind"].startswith("HNSW")
expected.finish_search(f"faiss {faiss.__version__}, {said['kind']}", users, ids, dots, constants, not approximate)
