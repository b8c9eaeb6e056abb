#!/usr/bin/env python3
"""Trains the notebooks' rankers and their retrieval in Keras on TensorFlow, as references for docs/results.md.

    bench/reference/keras_networks.py SPLIT --models mlp_10

The optimizers are Keras's own, so Adam is dense: every row moves at every step, and L2 is on the whole table.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf

import notebooks


def table(rows, model, kind, l2):
    return keras.layers.Embedding(rows, model.dim, embeddings_initializer=kind,
                                  embeddings_regularizer=keras.regularizers.L2(l2) if l2 > 0 else None)


class RankerNet(keras.Model):
    def __init__(self, model, split):
        super().__init__()
        self.model, self.low, self.high = model, split.low, split.high
        self.vectors = [table(rows, model, model.embeddings, model.l2) for rows in (split.users, split.items)]
        self.stack = [keras.layers.Dropout(model.dropout)]
        for units, dropout in model.layers:
            self.stack += [keras.layers.Dense(units, "relu", kernel_initializer=model.kernels),
                           keras.layers.Dropout(dropout)]
        self.stack.append(keras.layers.Dense(1, kernel_initializer=model.kernels))

    def call(self, inputs, training=False):
        users, items = (vectors(inputs[:, k]) for k, vectors in enumerate(self.vectors))
        values = tf.concat([items, users] if self.model.item_first else [users, items], 1)
        for layer in self.stack:
            values = layer(values, training=training)
        if self.model.link == "identity":
            return values
        return self.low + (self.high - self.low) * tf.sigmoid(values)


class RetrievalNet(keras.Model):
    def __init__(self, model, split):
        super().__init__()
        self.vectors = [table(rows, model, "uniform", 0) for rows in (split.users, split.items)]

    def call(self, inputs):
        users, items = (vectors(inputs[:, k]) for k, vectors in enumerate(self.vectors))
        return tf.matmul(users, items, transpose_b=True)

    @staticmethod
    def loss_of(_, scores):
        targets = tf.range(tf.shape(scores)[0])
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, scores))


def train(model, split, seed):
    keras.utils.set_random_seed(seed)
    inputs, validation = (np.stack([samples.users, samples.items], 1) for samples in (split.train, split.val))
    adagrad = keras.optimizers.Adagrad(model.rate, initial_accumulator_value=0.1, epsilon=model.epsilon)
    if isinstance(model, notebooks.Retrieval):
        net = RetrievalNet(model, split)
        net.compile(loss=net.loss_of, optimizer=adagrad)
    else:
        net = RankerNet(model, split)
        adam = keras.optimizers.Adam(model.rate, epsilon=model.epsilon)
        net.compile(loss="mse", optimizer=adam if model.optimizer == "adam" else adagrad, steps_per_execution=64)
    for _ in range(model.epochs):
        net.fit(inputs, split.train.ratings[:, None], batch_size=model.batch, shuffle=True, verbose=0)
        if isinstance(model, notebooks.Retrieval):
            yield [vectors.get_weights()[0] for vectors in net.vectors]
        else:
            yield net.predict(validation, batch_size=1024, verbose=0)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    models = {name: model for name, model in notebooks.NETWORKS.items() if name != "mlp_10_features"}
    notebooks.main(__doc__, models, {"keras": train})
