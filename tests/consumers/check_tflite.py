#!/usr/bin/env python3
"""check_tflite.py EXPORT PREDICTED: see scores.py. By signatures, in batches of several sizes."""
import sys

import numpy as np
import ai_edge_litert
from ai_edge_litert.interpreter import Interpreter

from scores import TOLERANCES, Expected

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
tolerance = TOLERANCES[expected.model["precision"]]
interpreter = Interpreter(model_path=f"{folder}/model.tflite")
signatures = interpreter.get_signature_list()
score = interpreter.get_signature_runner("score")
users, items = expected.users.astype(np.int32), expected.items.astype(np.int32)
parts = [slice(0, 1), slice(1, 8), slice(8, None)]
scores = np.concatenate([score(user=users[part], item=items[part])["score"] for part in parts])

# Whoever is unknown has the last row.
unknown = np.array([len(expected.user_ids)], np.int32), np.array([len(expected.item_ids)], np.int32)
stranger = score(user=unknown[0], item=unknown[1])["score"]
assert stranger.shape == (1,) and np.isfinite(stranger).all()

assert ("user_tower" in signatures) == (not expected.model["layers"])
if "user_tower" in signatures:
    p = interpreter.get_signature_runner("user_tower")(user=users)["vector"].astype(np.float64)
    q = interpreter.get_signature_runner("item_tower")(item=items)["vector"]
    raw = np.sum(p * q, 1) + np.load(f"{expected.npy}/user_biases.npy")[users] + expected.model["mean"]
    scale = np.maximum(np.abs(expected.scores), np.sqrt(np.mean(expected.scores**2)))
    assert np.max(np.abs(expected.linked(raw) - expected.scores) / scale) <= tolerance
expected.finish(f"ai-edge-litert {ai_edge_litert.__version__ if hasattr(ai_edge_litert, '__version__') else ''}, "
                f"{', '.join(sorted(signatures))}", scores, tolerance)
