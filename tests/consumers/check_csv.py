#!/usr/bin/env python3
"""check_csv.py EXPORT PREDICTED: see scores.py. Reads by raw ids alone, in whatever order the lines are."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from predict_from_export import predict
from scores import Expected, rows_of

folder = sys.argv[1]
expected = Expected(folder, sys.argv[2])
places = {"user": {name: row for row, name in enumerate(expected.user_ids)},
          "item": {name: row for row, name in enumerate(expected.item_ids)}}


def array_of(name):
    rows = rows_of(f"{folder}/{name}")
    owner = next(iter(rows[0]))
    columns = list(rows[0])[1:]
    array = np.empty((len(rows), len(columns)), np.float32)
    for row in rows:
        place = int(row["row"]) if owner == "row" else places[owner][row[owner]]
        array[place] = [float(row[column]) for column in columns]
    return array[:, 0] if columns == ["value"] else array


names = [file["name"] for file in expected.model["files"]]
arrays = {name[:-4]: array_of(name) for name in names if name not in ("users.csv", "items.csv", "seen.csv")}
of_user = {row: predict(expected.model, arrays, row) for row in set(expected.users)}
scores = [of_user[user][item] for user, item in zip(expected.users, expected.items)]

seen = {(row["user"], row["item"]) for row in rows_of(f"{folder}/seen.csv")}
answered = [row for row in rows_of(sys.argv[2]) if row["actual"] != ""]
assert answered and all((row["user"], row["item"]) in seen for row in answered)
expected.finish("csv", scores)
