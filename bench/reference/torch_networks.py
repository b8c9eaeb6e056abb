#!/usr/bin/env python3
"""Trains the notebooks' rankers and their retrieval in PyTorch, as references for docs/results.md.

    bench/reference/torch_networks.py SPLIT --models mlp_10

Variants: lazy   vectors by SparseAdam: only rows that a batch touches move, and L2 is on those rows, as in cf
          dense  vectors by Adam: every row moves at every step, and L2 is on the whole table, as in Keras
Layers are dense in both. Adagrad is the same in both: without a gradient it moves nothing.
"""

import torch
from torch import nn

import notebooks
from torch_factorization import start


class Embeddings(nn.Module):
    """The vectors of users and items."""

    def __init__(self, model, split, kind, sparse):
        super().__init__()
        self.users, self.items = (nn.Embedding(rows, model.dim, sparse=sparse) for rows in (split.users, split.items))
        for table in (self.users, self.items):
            start(table.weight, kind)

    def forward(self, users, items):
        return self.users(users), self.items(items)

    def penalty(self, users, items, l2, touched):
        tables = ((self.users, users), (self.items, items))
        return l2 * sum((table(ids.unique()) if touched else table.weight).square().sum() for table, ids in tables)


class Features(nn.Module):
    """The mean of the vectors of an item's genres; the vectors of year and weekday."""

    def __init__(self, model, split, sparse):
        super().__init__()
        genres = split.genres()
        self.lists = [torch.tensor(each) for each in genres]
        years = split.train.times[:, 0]
        self.first = torch.tensor([years.min(), 0])
        sizes = (1 + max(map(max, genres)), 1 + int(years.max() - years.min()), 7)
        self.genres = nn.EmbeddingBag(sizes[0], model.features[0], mode="mean", sparse=sparse)
        self.times = nn.ModuleList([nn.Embedding(rows, dim, sparse=sparse)
                                    for rows, dim in zip(sizes[1:], model.features[1:])])
        for table in (self.genres, *self.times):
            start(table.weight, model.embeddings)

    def forward(self, items, times):
        lists = [self.lists[item] for item in items.tolist()]
        ends = torch.tensor([0, *map(len, lists)]).cumsum(0)
        vectors = [self.genres(torch.cat(lists), ends[:-1])]
        return vectors + [table(rows) for table, rows in zip(self.times, self.time_rows(times))]

    def time_rows(self, times):
        return [rows.clamp(0, table.num_embeddings - 1) for table, rows in zip(self.times, (times - self.first).unbind(1))]

    def penalty(self, items, times, l2, touched):
        rows = [torch.cat([self.lists[item] for item in items.tolist()]), *self.time_rows(times)]
        tables = [self.genres, *self.times]
        if not touched:
            return l2 * sum(table.weight.square().sum() for table in tables)
        lookup = [nn.functional.embedding(ids.unique(), table.weight, sparse=True) for table, ids in zip(tables, rows)]
        return l2 * sum(vectors.square().sum() for vectors in lookup)


def layers(model):
    """From the vectors to the output."""
    stack = [nn.Dropout(model.dropout)]
    inputs = 2 * model.dim + sum(model.features)
    for units, dropout in (*model.layers, (1, None)):
        dense = nn.Linear(inputs, units)
        if model.kernels == "he_normal":
            start(dense.weight.T, "he_normal")
        else:
            nn.init.xavier_uniform_(dense.weight)
        nn.init.zeros_(dense.bias)
        stack.append(dense)
        if dropout is not None:
            stack += [nn.ReLU(), nn.Dropout(dropout)]
        inputs = units
    return nn.Sequential(*stack)


def train_ranker(model, split, seed, lazy):
    torch.manual_seed(seed)
    lazy = lazy and model.optimizer == "adam"
    embeddings, net = Embeddings(model, split, model.embeddings, sparse=lazy), layers(model)
    features = Features(model, split, sparse=lazy) if model.features else None
    tables = [*embeddings.parameters(), *(features.parameters() if features else [])]
    if model.optimizer == "adagrad":
        optimizers = [adagrad(model, [*tables, *net.parameters()])]
    else:
        of_vectors = torch.optim.SparseAdam if lazy else torch.optim.Adam
        optimizers = [of_vectors(tables, lr=model.rate, eps=model.epsilon),
                      torch.optim.Adam(net.parameters(), lr=model.rate, eps=model.epsilon)]

    def predict(users, items, times):
        vectors = embeddings(users, items)
        vectors = vectors[::-1] if model.item_first else vectors
        output = net(torch.cat([*vectors, *(features(items, times) if features else [])], 1))[:, 0]
        if model.link == "identity":
            return output
        return split.low + (split.high - split.low) * torch.sigmoid(output)

    users, items, ratings, times = (torch.from_numpy(column) for column in vars(split.train).values())
    validation = [torch.from_numpy(column) for column in (split.val.users, split.val.items, split.val.times)]
    for _ in range(model.epochs):
        net.train()
        for batch in torch.randperm(len(ratings)).split(model.batch):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = nn.functional.mse_loss(predict(users[batch], items[batch], times[batch]), ratings[batch])
            if model.l2 > 0:
                loss = loss + embeddings.penalty(users[batch], items[batch], model.l2, touched=lazy)
            if features:
                loss = loss + features.penalty(items[batch], times[batch], model.l2, touched=lazy)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        net.eval()
        with torch.no_grad():
            yield predict(*validation).numpy()


def train_retrieval(model, split, seed):
    torch.manual_seed(seed)
    embeddings = Embeddings(model, split, "uniform", sparse=False)
    optimizer = adagrad(model, embeddings.parameters())
    users, items = torch.from_numpy(split.train.users), torch.from_numpy(split.train.items)
    for _ in range(model.epochs):
        for batch in torch.randperm(len(users)).split(model.batch):
            optimizer.zero_grad()
            user_vectors, item_vectors = embeddings(users[batch], items[batch])
            scores = user_vectors @ item_vectors.T
            nn.functional.cross_entropy(scores, torch.arange(len(batch)), reduction="sum").backward()
            optimizer.step()
        yield embeddings.users.weight.detach().numpy(), embeddings.items.weight.detach().numpy()


def adagrad(model, parameters):
    return torch.optim.Adagrad(parameters, lr=model.rate, initial_accumulator_value=0.1, eps=model.epsilon)


def variant(lazy):
    def train(model, split, seed):
        if isinstance(model, notebooks.Retrieval):
            return train_retrieval(model, split, seed)
        return train_ranker(model, split, seed, lazy)
    return train


if __name__ == "__main__":
    torch.set_num_threads(1)
    notebooks.main(__doc__, notebooks.NETWORKS, {"lazy": variant(lazy=True), "dense": variant(lazy=False)})
