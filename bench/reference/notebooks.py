"""What the reference scripts share: the notebooks' models, the split to train on, and the table of results.

A script brings its variants (`lazy_adam`, `keras`, ...), each a function of (model, split, seed) that trains and
yields after every epoch what the model's `figures` takes: the predictions for the validation samples, or of a
retrieval the vectors of users and items. `main` does the rest.
"""

import argparse
import csv
import dataclasses
import pathlib
import statistics
import sys
import time

import numpy as np


@dataclasses.dataclass(frozen=True)
class Factorization:
    """A matrix factorisation as the job of the same name in configs/ has it."""

    link: str  # identity; sigmoid, of ratings scaled to [0, 1]; scaled_sigmoid, min + (max - min) * sigmoid
    loss: str  # mse or bce
    biases: str  # how they start: he_normal or uniform, in (-.05, .05); none: there are none
    l2_vectors: float = 1e-6
    l2_biases: float = 0.0
    dim: int = 50  # of vectors, which start he_normal
    batch: int = 64
    epochs: int = 5
    rate: float = 1e-3  # of Adam with the defaults of Keras
    epsilon: float = 1e-7

    def figures(self, split, predictions):
        return errors(self, split, predictions)


@dataclasses.dataclass(frozen=True)
class Ranker:
    """Dense layers on the vectors of user and item side by side."""

    dim: int
    layers: tuple  # Units and dropout of each hidden layer, which is a relu; one unit without either follows.
    embeddings: str = "uniform"  # How vectors start: in (-.05, .05), or he_normal.
    kernels: str = "glorot_uniform"  # How layers start, or he_normal.
    item_first: bool = False
    dropout: float = 0.0  # Of the vectors.
    l2: float = 0.0
    features: tuple = ()  # Dims of genres, year and weekday, in PyTorch only.
    link: str = "identity"
    loss: str = "mse"
    optimizer: str = "adam"  # Or adagrad, with accumulators that start at .1.
    rate: float = 1e-3
    epsilon: float = 1e-7
    batch: int = 32
    epochs: int = 5

    def figures(self, split, predictions):
        return errors(self, split, predictions)


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """Two tables of vectors; a softmax over the items of the batch, of which each sample's own is the target."""

    dim: int = 32  # Vectors start uniform in (-.05, .05).
    rate: float = 0.1  # Of Adagrad, with accumulators that start at .1, on the sum over the batch.
    epsilon: float = 1e-7
    batch: int = 8192
    epochs: int = 3

    def figures(self, split, vectors):
        """Top-k accuracy over all items, those seen in training among them or masked."""
        users, items = (table.astype(np.float64) for table in vectors)
        scores = users @ items.T
        positives = scores[split.val.users, split.val.items]
        result = {}
        for suffix in ("_unmasked", ""):
            if not suffix:
                scores[split.train.users, split.train.items] = -np.inf
            ranks = 1 + (scores[split.val.users] > positives[:, None]).sum(1)
            result |= {f"val_top_{k}{suffix}": float(np.mean(ranks <= k)) for k in (100, 50, 10, 5, 1)}
        return result


FACTORIZATIONS = {
    "keras_recommender_net": Factorization(link="sigmoid", loss="bce", biases="uniform"),
    "mf_dot": Factorization(link="identity", loss="mse", biases="none"),
    "mf_bias_scaled_sigmoid": Factorization(link="scaled_sigmoid", loss="mse", biases="he_normal", l2_biases=1e-6),
}

NETWORKS = {
    "mlp_10": Ranker(dim=50, layers=((10, 0.5),), embeddings="he_normal", kernels="he_normal", dropout=0.05, l2=1e-6,
                     link="scaled_sigmoid", batch=64),
    "mlp_10_features": Ranker(dim=50, layers=((10, 0.5),), embeddings="he_normal", kernels="he_normal", dropout=0.05,
                              l2=1e-6, features=(50, 2, 2), link="scaled_sigmoid", batch=64),
    "mlp_128_32": Ranker(dim=5, layers=((128, 0.0), (32, 0.0)), item_first=True),
    "ranking_256_64": Ranker(dim=32, layers=((256, 0.0), (64, 0.0)), optimizer="adagrad", rate=0.1, batch=8192,
                             epochs=3),
    "retrieval_two_tower": Retrieval(),
}


@dataclasses.dataclass(frozen=True)
class Samples:
    users: np.ndarray  # Dense ids from 0.
    items: np.ndarray
    ratings: np.ndarray  # In stars.
    times: np.ndarray  # Year and day of the week (UTC) of the rating, each from 0; none without timestamps.


class Split:
    """The training and the validation samples that `cfdata export-split` wrote to a folder.

    As in cf, a row is there for every user and item of either file, and the smallest and largest rating
    are of the training samples.
    """

    def __init__(self, folder):
        self.folder = folder
        files = [self._read(folder / name) for name in ("train.csv", "val.csv")]
        users, items = ({raw: k for k, raw in enumerate(sorted({row[column] for rows in files for row in rows}))}
                        for column in ("user", "item"))
        self.users, self.items = len(users), len(items)
        self.train, self.val = (
            Samples(np.array([users[row["user"]] for row in rows], np.int64),
                    np.array([items[row["item"]] for row in rows], np.int64),
                    np.array([row["rating"] for row in rows], np.float32),
                    self._times(rows))
            for rows in files)
        self.raw_items = list(items)
        self.low, self.high = float(self.train.ratings.min()), float(self.train.ratings.max())

    @staticmethod
    def _read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    @staticmethod
    def _times(rows):
        if "timestamp" not in rows[0]:
            return np.empty((len(rows), 0), np.int64)
        times = np.array([row["timestamp"] for row in rows], np.int64).astype("datetime64[s]")
        days = times.astype("datetime64[D]").astype(np.int64)  # 1 January 1970 was a Thursday.
        return np.stack([times.astype("datetime64[Y]").astype(np.int64), (days + 3) % 7], 1)

    def genres(self):
        """Of each item the numbers of its genres, from movies.csv in the folder of the split."""
        with open(self.folder / "movies.csv", newline="") as file:
            of_item = {row["movieId"]: row["genres"].split("|") for row in csv.DictReader(file)}
        number = {}
        return [[number.setdefault(genre, len(number)) for genre in of_item[raw]] for raw in self.raw_items]

    def targets(self, model, samples):
        """What the model's loss compares its predictions with."""
        if model.link == "sigmoid":
            return (samples.ratings - self.low) / (self.high - self.low)
        return samples.ratings


def errors(model, split, predictions):
    """Validation loss (without the L2 penalty) and RMSE in stars, in double precision."""
    predictions = predictions.astype(np.float64).ravel()
    targets = split.targets(model, split.val).astype(np.float64)
    squares = np.square(predictions - targets)
    if model.loss == "bce":
        p = np.clip(predictions, 1e-7, 1 - 1e-7)
        loss = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    else:
        loss = squares.mean()
    stars = split.high - split.low if model.link == "sigmoid" else 1
    return {"val_loss": float(loss), "val_rmse": stars * float(np.sqrt(squares.mean()))}


def print_rows(name, model, variant, train, split, seeds):
    """Trains the model once for each seed; prints a row of the table for each of its figures."""
    start = time.monotonic()
    histories = []
    for seed in seeds:
        history = []
        for result in train(model, split, seed):
            history.append(model.figures(split, result))
            shown = " ".join(f"{figure} {value:.4f}" for figure, value in history[-1].items())
            print(f"{name} {variant} seed {seed} epoch {len(history)}: {shown}", file=sys.stderr)
        histories.append(history)
    seconds = (time.monotonic() - start) / len(histories)
    for figure in histories[0][0]:
        runs = [[epoch[figure] for epoch in history] for history in histories]
        best = max if figure.startswith("val_top") else min
        cells = [
            name,
            variant,
            figure,
            "%.4f" % statistics.mean(run[-1] for run in runs),
            ", ".join("%.4f" % run[-1] for run in runs),
            "%.4f" % statistics.mean(best(run) for run in runs),
            " ".join(str(1 + run.index(best(run))) for run in runs),
            "%.0f" % seconds,
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def main(description, known_models, variants):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=pathlib.Path, help="folder that cfdata export-split wrote")
    parser.add_argument("--models", default=",".join(known_models))
    parser.add_argument("--variants", default=",".join(variants))
    parser.add_argument("--seeds", default="1,2,3")
    arguments = parser.parse_args()
    models, chosen = arguments.models.split(","), arguments.variants.split(",")
    for flag, names, known in (("--models", models, known_models), ("--variants", chosen, variants)):
        for name in names:
            if name not in known:
                parser.error(f"{flag}: {name}: expected some of {','.join(known)}")
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds: {arguments.seeds}: expected numbers, such as 1,2,3")
    try:
        split = Split(arguments.split)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}; expected a folder that cfdata export-split wrote")

    print(f"{len(split.train.ratings):,} training and {len(split.val.ratings):,} validation samples; "
          f"{split.users:,} users, {split.items:,} items\n")
    print("| model | reference | figure | last epoch | of each seed | at its best epoch | best epochs | s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in models:
        for variant in chosen:
            print_rows(name, known_models[name], variant, variants[variant], split, seeds)
