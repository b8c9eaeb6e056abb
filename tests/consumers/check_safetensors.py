#!/usr/bin/env python3
"""check_safetensors.py EXPORT PREDICTED: see scores.py."""
import json
import os
import sys

import numpy as np
import safetensors
import safetensors.numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from predict_from_export import predict
from scores import TOLERANCES, Expected

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
arrays = safetensors.numpy.load_file(f"{folder}/model.safetensors")
with safetensors.safe_open(f"{folder}/model.safetensors", framework="numpy") as file:
    model = json.loads(file.metadata()["model"])
assert {k: v for k, v in expected.model.items() if k != "files"} == {k: v for k, v in model.items() if k != "files"}
assert arrays["seen_offsets"].dtype == np.int64 and arrays["seen_items"].dtype == np.int32
assert arrays["seen_in_training"].dtype == np.bool_
assert len(arrays["seen_items"]) == arrays["seen_offsets"][-1] == len(arrays["seen_in_training"])
precision = model["precision"]
stored = {"fp32": np.float32, "fp16": np.float16, "int8": np.int8}[precision]
assert arrays["item_embeddings"].dtype == (stored if arrays["item_embeddings"].size else np.float32 if precision == "int8" else stored)
if precision == "fp16":
    arrays = {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in arrays.items()}
if precision == "int8":
    arrays = {k: v * arrays[f"{k}_scales"] if v.dtype == np.int8 else v for k, v in arrays.items()}
of_user = {row: predict(model, arrays, row) for row in set(expected.users)}
scores = [of_user[user][item] for user, item in zip(expected.users, expected.items)]
expected.finish(f"safetensors {safetensors.__version__}", scores, TOLERANCES[precision])
