#!/usr/bin/env python3
"""served_lists.py EXPORT PORT [EVERY]: whether cfserve's top-10 of each user is what brute force finds.

EXPORT: of `cfsnapshot export --format npy`, of the model that cfserve has on PORT. Scores of all items are made by NumPy in
double precision (predict_from_export.py). Items whose scores are within 1e-6 may stand in one another's place; every score
must agree to 1e-5 relative. EVERY: only each so manieth user.
"""
import csv
import http.client
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import predict_from_export

TOP = 10
SWAP = 1e-6
RELATIVE = 1e-5


def rows_of(path, column):
    return [row[column] for row in csv.DictReader(open(path, encoding="utf-8", newline=""))]


folder, port = sys.argv[1], int(sys.argv[2])
every = int(sys.argv[3]) if len(sys.argv) > 3 else 1
model, arrays = predict_from_export.load(folder)
items = rows_of(f"{folder}/items.csv", "item")
row_of = {item: row for row, item in enumerate(items)}
server = http.client.HTTPConnection("127.0.0.1", port)
users = lists = swapped = 0
worst = 0.0
for row, user in enumerate(rows_of(f"{folder}/users.csv", "user")):
    if row % every:
        continue
    server.request("GET", f"/v1/users/{urllib.parse.quote(user, safe='')}/recommendations?k={TOP}")
    response = server.getresponse()
    answer = json.loads(response.read())
    expected = predict_from_export.recommend(model, arrays, row, TOP)
    users += 1
    if not expected:
        assert response.status == 404, (user, answer)
        continue
    assert response.status == 200, (user, answer)
    assert answer["model"]["digest"] == model["source"]["digest"], (user, answer["model"])
    served = [(row_of[item["item"]], item["score"]) for item in answer["items"]]
    assert len(served) == len(expected), (user, served, expected)
    assert len({item for item, _ in served}) == len(served), (user, served)
    scores = predict_from_export.predict(model, arrays, row)
    for (item, score), (best, best_score) in zip(served, expected):
        if item != best:
            swapped += 1
            assert abs(scores[item] - best_score) <= SWAP, (user, item, best, scores[item], best_score)
        worst = max(worst, abs(score - scores[item]) / max(1.0, abs(scores[item])))
        assert worst <= RELATIVE, (user, item, score, scores[item])
    lists += 1
assert lists > 0
print(f"{users} users, {lists} lists equal brute force; {swapped} places swapped within {SWAP:g}; scores within {worst:.1e}")
