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


def layers(model):
    """From the two vectors to the output."""
    stack = [nn.Dropout(model.dropout)]
    inputs = 2 * model.dim
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
    if model.optimizer == "adagrad":
        optimizers = [adagrad(model, [*embeddings.parameters(), *net.parameters()])]
    else:
        of_vectors = torch.optim.SparseAdam if lazy else torch.optim.Adam
        optimizers = [of_vectors(list(embeddings.parameters()), lr=model.rate, eps=model.epsilon),
                      torch.optim.Adam(net.parameters(), lr=model.rate, eps=model.epsilon)]

    def predict(users, items):
        vectors = embeddings(users, items)
        output = net(torch.cat(vectors[::-1] if model.item_first else vectors, 1))[:, 0]
        if model.link == "identity":
            return output
        return split.low + (split.high - split.low) * torch.sigmoid(output)

    users, items, ratings = (torch.from_numpy(column) for column in vars(split.train).values())
    for _ in range(model.epochs):
        net.train()
        for batch in torch.randperm(len(ratings)).split(model.batch):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = nn.functional.mse_loss(predict(users[batch], items[batch]), ratings[batch])
            if model.l2 > 0:
                loss = loss + embeddings.penalty(users[batch], items[batch], model.l2, touched=lazy)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        net.eval()
        with torch.no_grad():
            yield predict(torch.from_numpy(split.val.users), torch.from_numpy(split.val.items)).numpy()


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
