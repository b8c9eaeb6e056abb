"""A server of recommendations as people write it in Python: an ASGI application over an exact FAISS index.

FAISS_EXPORT=EXPORT uvicorn faiss_server:app --workers 2. EXPORT: of `cfsnapshot export --format npy`. The answer is cfserve's,
without "model". Biases are folded in: item [q; b], query [p; 1]. What a user has seen is asked for beside k and left out behind.
"""
import csv
import json
import os
from urllib.parse import parse_qs, unquote

import faiss
import numpy as np

faiss.omp_set_num_threads(1)
folder = os.environ["FAISS_EXPORT"]
model = json.load(open(f"{folder}/model.json", encoding="utf-8"))


def load(name):
    return np.load(f"{folder}/{name}.npy")


queries = np.hstack((load("user_embeddings"), np.ones((model["users"], 1), np.float32)))
constants = load("user_biases").astype(np.float64) + model["mean"]
vectors = np.hstack((load("item_embeddings"), load("item_biases")[:, None]))
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(np.ascontiguousarray(vectors, np.float32))
offsets, seen_items = load("seen_offsets"), load("seen_items")
row_of = {row["user"]: int(row["row"]) for row in csv.DictReader(open(f"{folder}/users.csv", encoding="utf-8", newline=""))}
items = [(row["item"], row["title"]) for row in csv.DictReader(open(f"{folder}/items.csv", encoding="utf-8", newline=""))]
low, high = model["rating_min"], model["rating_max"]


def rating(raw):
    return raw if model["link"] == "identity" else low + (high - low) / (1 + np.exp(-raw))


def recommend(user, k):
    row = row_of.get(user)
    if row is None:
        return 404, {"error": f"no user '{user}'"}
    seen = seen_items[offsets[row] : offsets[row + 1]]
    scores, rows = index.search(queries[row : row + 1], min(k + len(seen), len(items)))
    keep = ~np.isin(rows[0], seen, assume_unique=True)
    listed = []
    for rank, (item, score) in enumerate(zip(rows[0][keep][:k].tolist(), scores[0][keep][:k].tolist()), 1):
        raw_id, title = items[item]
        listed.append({"item": raw_id, "title": title, "score": float(rating(score + constants[row])), "rank": rank})
    return 200, {"user": user, "items": listed, "source": "model"}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = scope["raw_path"].decode().split("?")[0].split("/")
    if len(parts) == 5 and parts[1:3] == ["v1", "users"] and parts[4] == "recommendations":
        k = int(parse_qs(scope["query_string"].decode()).get("k", ["10"])[0])
        status, answer = recommend(unquote(parts[3]), k)
    else:
        status, answer = 200, {}
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
