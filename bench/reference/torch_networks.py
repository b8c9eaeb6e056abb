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


class RankerTraining:
    """A ranker and its optimizers."""

    def __init__(self, model, split, lazy):
        self.model, self.split = model, split
        self.lazy = lazy and model.optimizer == "adam"
        self.embeddings, self.net = Embeddings(model, split, model.embeddings, sparse=self.lazy), layers(model)
        self.features = Features(model, split, sparse=self.lazy) if model.features else None
        tables = [*self.embeddings.parameters(), *(self.features.parameters() if self.features else [])]
        if model.optimizer == "adagrad":
            self.optimizers = [adagrad(model, [*tables, *self.net.parameters()])]
        else:
            of_vectors = torch.optim.SparseAdam if self.lazy else torch.optim.Adam
            self.optimizers = [of_vectors(tables, lr=model.rate, eps=model.epsilon),
                               torch.optim.Adam(self.net.parameters(), lr=model.rate, eps=model.epsilon)]

    def predict(self, users, items, times):
        vectors = self.embeddings(users, items)
        vectors = vectors[::-1] if self.model.item_first else vectors
        output = self.net(torch.cat([*vectors, *(self.features(items, times) if self.features else [])], 1))[:, 0]
        if self.model.link == "identity":
            return output
        return self.split.low + (self.split.high - self.split.low) * torch.sigmoid(output)

    def step(self, users, items, ratings, times):
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.predict(users, items, times), ratings)
        if self.model.l2 > 0:
            loss = loss + self.embeddings.penalty(users, items, self.model.l2, touched=self.lazy)
        if self.features:
            loss = loss + self.features.penalty(items, times, self.model.l2, touched=self.lazy)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()


class RetrievalTraining:
    """The two tables of a retrieval and their optimizer."""

    def __init__(self, model, split):
        self.embeddings = Embeddings(model, split, "uniform", sparse=False)
        self.optimizer = adagrad(model, self.embeddings.parameters())

    def step(self, users, items, *_):
        self.optimizer.zero_grad()
        user_vectors, item_vectors = self.embeddings(users, items)
        scores = user_vectors @ item_vectors.T
        nn.functional.cross_entropy(scores, torch.arange(len(users)), reduction="sum").backward()
        self.optimizer.step()


def training(model, split, lazy):
    return RetrievalTraining(model, split) if isinstance(model, notebooks.Retrieval) else RankerTraining(model, split, lazy)


def adagrad(model, parameters):
    return torch.optim.Adagrad(parameters, lr=model.rate, initial_accumulator_value=0.1, eps=model.epsilon)


def train_ranker(model, split, lazy):
    ranker = training(model, split, lazy)
    columns = [torch.from_numpy(column) for column in vars(split.train).values()]
    validation = [torch.from_numpy(column) for column in (split.val.users, split.val.items, split.val.times)]
    for _ in range(model.epochs):
        ranker.net.train()
        for batch in torch.randperm(len(columns[0])).split(model.batch):
            ranker.step(*(column[batch] for column in columns))
        ranker.net.eval()
        with torch.no_grad():
            yield ranker.predict(*validation).numpy()


def train_retrieval(model, split):
    retrieval = training(model, split, lazy=False)
    users, items = torch.from_numpy(split.train.users), torch.from_numpy(split.train.items)
    for _ in range(model.epochs):
        for batch in torch.randperm(len(users)).split(model.batch):
            retrieval.step(users[batch], items[batch])
        yield tuple(table.weight.detach().numpy() for table in (retrieval.embeddings.users, retrieval.embeddings.items))


def variant(lazy):
    def train(model, split, seed):
        torch.manual_seed(seed)
        return train_retrieval(model, split) if isinstance(model, notebooks.Retrieval) else train_ranker(model, split, lazy)
    return train


if __name__ == "__main__":
    torch.set_num_threads(1)
    notebooks.main(__doc__, notebooks.NETWORKS, {"lazy": variant(lazy=True), "dense": variant(lazy=False)})
