"""What the reference scripts share: the notebooks' models, the split to train on, and the table of results.

A script brings its variants (`lazy_adam`, `keras`, ...), each a function of (model, split, seed) that trains
and yields the predictions for the validation samples after every epoch; `main` does the rest.
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


MODELS = {
    "keras_recommender_net": Factorization(link="sigmoid", loss="bce", biases="uniform"),
    "mf_dot": Factorization(link="identity", loss="mse", biases="none"),
    "mf_bias_scaled_sigmoid": Factorization(link="scaled_sigmoid", loss="mse", biases="he_normal", l2_biases=1e-6),
}


@dataclasses.dataclass(frozen=True)
class Samples:
    users: np.ndarray  # Dense ids from 0.
    items: np.ndarray
    ratings: np.ndarray  # In stars.


class Split:
    """The training and the validation samples that `cfdata export-split` wrote to a folder.

    As in cf, a row is there for every user and item of either file, and the smallest and largest rating
    are of the training samples.
    """

    def __init__(self, folder):
        files = [self._read(folder / name) for name in ("train.csv", "val.csv")]
        users, items = ({raw: k for k, raw in enumerate(sorted({row[column] for rows in files for row in rows}))}
                        for column in ("user", "item"))
        self.users, self.items = len(users), len(items)
        self.train, self.val = (
            Samples(np.array([users[row["user"]] for row in rows], np.int64),
                    np.array([items[row["item"]] for row in rows], np.int64),
                    np.array([row["rating"] for row in rows], np.float32))
            for rows in files)
        self.low, self.high = float(self.train.ratings.min()), float(self.train.ratings.max())

    @staticmethod
    def _read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def targets(self, model, samples):
        """What the model's loss compares its predictions with."""
        if model.link == "sigmoid":
            return (samples.ratings - self.low) / (self.high - self.low)
        return samples.ratings


def figures(model, split, predictions):
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
    return float(loss), stars * float(np.sqrt(squares.mean()))


def row_of(name, variant, train, split, seeds):
    """Trains the model once for each seed; its row of the table."""
    model = MODELS[name]
    start = time.monotonic()
    histories = []
    for seed in seeds:
        history = []
        for predictions in train(model, split, seed):
            history.append(figures(model, split, predictions))
            print(f"{name} {variant} seed {seed} epoch {len(history)}: val_loss %.4f val_rmse %.4f" % history[-1],
                  file=sys.stderr)
        histories.append(history)
    last = [history[-1][0] for history in histories]
    cells = [
        name,
        variant,
        "%.4f" % statistics.mean(last),
        ", ".join("%.4f" % loss for loss in last),
        "%.4f" % statistics.mean(min(history)[0] for history in histories),
        " ".join(str(1 + history.index(min(history))) for history in histories),
        "%.4f" % statistics.mean(history[-1][1] for history in histories),
        "%.0f" % ((time.monotonic() - start) / len(histories)),
    ]
    return "| " + " | ".join(cells) + " |"


def main(description, variants):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=pathlib.Path, help="folder that cfdata export-split wrote")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--variants", default=",".join(variants))
    parser.add_argument("--seeds", default="1,2,3")
    arguments = parser.parse_args()
    models, chosen = arguments.models.split(","), arguments.variants.split(",")
    for flag, names, known in (("--models", models, MODELS), ("--variants", chosen, variants)):
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
    print("| model | reference | val loss, last epoch | of each seed | at the best epoch | best epoch | val RMSE | s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in models:
        for variant in chosen:
            print(row_of(name, variant, variants[variant], split, seeds), flush=True)
