#!/usr/bin/env python3
"""check_saved_model.py EXPORT PREDICTED: makes a SavedModel of an npy export (docs/examples/saved_model.py) in a process of its own, and
compares what it lists for every user, loaded afresh, with `cfsnapshot recommend` in lists.csv beside PREDICTED."""
import os
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from predict_from_export import load, raw_sums
from scores import TOLERANCE, Expected, rows_of

folder, out = sys.argv[1], sys.argv[1] + "_saved_model"
example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "examples", "saved_model.py")
subprocess.run([sys.executable, example, folder, out], check=True)
expected = Expected(folder, sys.argv[2])
lists = {}
for row in rows_of(os.path.join(os.path.dirname(sys.argv[2]), "lists.csv")):
    lists.setdefault(row["user"], []).append(row)
lists = {user: rows for user, rows in lists.items() if rows[0]["source"] != "none"}
column = next(c for c in ("predicted", "probability", "ratings", "score") if c in next(iter(lists.values()))[0])

recommend = tf.saved_model.load(out).signatures["serving_default"]
users = list(lists)
answer = {name: value.numpy() for name, value in recommend(user=tf.constant(users), k=tf.constant(10)).items()}
assert answer["item"].shape == answer["title"].shape == answer["score"].shape == (len(users), 10)
model, arrays = load(folder)
place = {user: row for row, user in enumerate(expected.user_ids)}
row_of = {item: row for row, item in enumerate(expected.item_ids)}
scale = np.sqrt(np.mean(expected.scores**2))
worst, swapped = 0.0, 0
for k, user in enumerate(users):
    ours = lists[user]
    items = [item.decode() for item in answer["item"][k, : len(ours)]]
    assert not any(answer["item"][k, len(ours) :]) and np.isneginf(answer["score"][k, len(ours) :]).all(), user
    assert len(set(items)) == len(items), (user, items)
    wanted = np.array([float(row[column]) for row in ours])
    limit = TOLERANCE * np.maximum(np.abs(wanted), scale)
    worst = max(worst, np.max(np.abs(answer["score"][k, : len(ours)] - wanted) / limit, initial=0) * TOLERANCE)
    titles = {row["item"]: row["title"] for row in ours}
    for at, (item, row) in enumerate(zip(items, ours)):
        assert answer["title"][k, at].decode() == titles.get(item, answer["title"][k, at].decode()), (user, item)
        if item != row["item"]:  # Only where scores are as near as floats are.
            swapped += 1
            score = expected.linked(raw_sums(model, arrays, place[user])[row_of[item]])
            assert abs(score - wanted[at]) <= limit[at], (user, item, row, score)

# Nobody has a list, too: what a mean user would like, nothing being masked, and k may be more than there are items.
nobody = recommend(user=tf.constant(["nobody at all"]), k=tf.constant(len(row_of) + 3))
learned = int(arrays["item_learned"].sum())
assert np.isfinite(nobody["score"].numpy()[0, :learned]).all() and np.isneginf(nobody["score"].numpy()[0, learned:]).all()
assert not any(nobody["item"].numpy()[0, learned:])
print(f"tensorflow {tf.__version__}: {len(users)} lists, {swapped} places swapped, the farthest score {worst:.2g} off")
sys.exit(0 if len(users) >= 100 and worst <= TOLERANCE else 1)
