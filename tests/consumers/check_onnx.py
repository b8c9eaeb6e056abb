#!/usr/bin/env python3
"""check_onnx.py EXPORT PREDICTED: see scores.py. Also lists with exclusions against brute force, towers, and ids that are unknown."""
import glob
import os
import sys

import numpy as np
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from predict_from_export import load, raw_sums
from scores import TOLERANCES, Expected

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
model, arrays = load(expected.npy)
tolerance = TOLERANCES[expected.model["precision"]]


def session(name):
    return onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])


def ids_for(graph, name, ids):
    """Raw ids as the graph takes them."""
    kind = {value.name: value.type for value in graph.get_inputs()}[name]
    return np.array([int(i) for i in ids], np.int64) if kind == "tensor(int64)" else np.array(ids, object)


score = session("score")
unknown = "-7" if score.get_inputs()[0].type == "tensor(int64)" else "nobody"
no_item = "-7" if score.get_inputs()[1].type == "tensor(int64)" else "nothing"
scores = score.run(None, {"user": ids_for(score, "user", expected.raw_users), "item": ids_for(score, "item", expected.raw_items)})[0]
strangers = score.run(None, {"user": ids_for(score, "user", [unknown, expected.user_ids[0], unknown]),
                             "item": ids_for(score, "item", [expected.item_ids[0], no_item, no_item])})[0]
assert np.isfinite(strangers).all(), strangers

# Lists: every 40th user's ten best without what it has seen, and then without exclusions.
top_k = session("top_k")
rows = np.arange(0, len(expected.user_ids), 40)
own = [slice(arrays["seen_offsets"][row], arrays["seen_offsets"][row + 1]) for row in rows]
longest = max(part.stop - part.start for part in own)
for excludes in (True, False):
    width = longest if excludes else 0
    exclude = [[expected.item_ids[i] for i in arrays["seen_items"][part]] if excludes else [] for part in own]
    exclude = [ids_for(top_k, "exclude", names + [no_item] * (width - len(names))) for names in exclude]
    items, best = top_k.run(None, {"user": ids_for(top_k, "user", [expected.user_ids[row] for row in rows]),
                                   "k": np.array([10], np.int64), "exclude": np.stack(exclude)})
    assert items.shape == best.shape == (len(rows), 10)
    for place, row in enumerate(rows):
        raw = np.where(arrays["item_learned"], raw_sums(model, arrays, row), -np.inf)
        if excludes:
            raw[arrays["seen_items"][own[place]]] = -np.inf
        order = np.argsort(-raw, kind="stable")[:10]
        order = order[raw[order] > -np.inf]
        assert np.isneginf(best[place, len(order):]).all()
        wanted = expected.linked(raw[order])
        limit = tolerance * np.maximum(np.abs(wanted), np.sqrt(np.mean(expected.scores**2)))
        assert (np.abs(best[place, : len(order)] - wanted) <= limit).all(), (row, best[place], wanted)
        got = [expected.item_ids.index(str(item)) for item in items[place, : len(order)]]
        assert (np.abs(expected.linked(raw[got]) - wanted) <= limit).all(), (row, got, order)
        assert len(set(got)) == len(got)

towers = os.path.exists(f"{folder}/user_tower.onnx")
assert towers == (not model["layers"])
if towers:
    user_tower, item_tower = session("user_tower"), session("item_tower")
    p = user_tower.run(None, {"user": ids_for(user_tower, "user", expected.raw_users)})[0].astype(np.float64)
    q = item_tower.run(None, {"item": ids_for(item_tower, "item", expected.raw_items)})[0]
    raw = np.sum(p * q, 1) + arrays["user_biases"][expected.users] + model["mean"]
    scale = np.maximum(np.abs(expected.scores), np.sqrt(np.mean(expected.scores**2)))
    assert np.max(np.abs(expected.linked(raw) - expected.scores) / scale) <= tolerance
beside = os.path.exists(f"{folder}/weights.bin")
names = ", ".join(sorted(os.path.basename(path)[:-5] for path in glob.glob(f"{folder}/*.onnx")))
expected.finish(f"onnxruntime {onnxruntime.__version__}, {names}{' with weights.bin' if beside else ''}", scores, tolerance)
