#!/usr/bin/env python3
"""Trains the notebooks' matrix factorisations in Keras on TensorFlow, as references for docs/results.md.

    bench/reference/keras_factorization.py SPLIT

Variants: keras         the model as its notebook means it: one product for each sample
          as_published  the product as Keras's example writes it, tensordot(user, item, 2), which sums over all
                        samples of a batch, of training and of validation alike
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf

import notebooks


class Net(keras.Model):
    def __init__(self, model, split, tensordot):
        super().__init__()
        self.model, self.low, self.high, self.tensordot = model, split.low, split.high, tensordot

        def table(rows, dim, initial, l2):
            return keras.layers.Embedding(rows, dim, embeddings_initializer=initial,
                                          embeddings_regularizer=keras.regularizers.L2(l2) if l2 > 0 else None)

        sizes = (split.users, split.items)
        self.vectors = [table(rows, model.dim, "he_normal", model.l2_vectors) for rows in sizes]
        self.biases = []
        if model.biases != "none":
            self.biases = [table(rows, 1, model.biases, model.l2_biases) for rows in sizes]

    def call(self, inputs):
        users, items = (vectors(inputs[:, k]) for k, vectors in enumerate(self.vectors))
        sums = tf.tensordot(users, items, 2) if self.tensordot else tf.reduce_sum(users * items, 1, keepdims=True)
        for k, biases in enumerate(self.biases):
            sums = sums + biases(inputs[:, k])
        if self.model.link == "identity":
            return sums
        unit = tf.sigmoid(sums)
        return unit if self.model.link == "sigmoid" else self.low + (self.high - self.low) * unit


def train(model, split, seed, tensordot):
    keras.utils.set_random_seed(seed)
    net = Net(model, split, tensordot)
    net.compile(loss={"bce": "binary_crossentropy", "mse": "mse"}[model.loss],
                optimizer=keras.optimizers.Adam(model.rate, epsilon=model.epsilon), steps_per_execution=64)
    inputs, validation = (np.stack([samples.users, samples.items], 1) for samples in (split.train, split.val))
    targets = split.targets(model, split.train)[:, None]
    for _ in range(model.epochs):
        net.fit(inputs, targets, batch_size=model.batch, shuffle=True, verbose=0)
        yield net.predict(validation, batch_size=model.batch, verbose=0)


def variant(tensordot):
    return lambda model, split, seed: train(model, split, seed, tensordot)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    notebooks.main(__doc__, notebooks.FACTORIZATIONS, {
        "keras": variant(tensordot=False),
        "as_published": variant(tensordot=True),
    })
