#pragma once

#include <cstdint>
#include <vector>

#include "serving/exports/arrays.h"
#include "serving/exports/format.h"

namespace cf {

/// A dense layer: activation(input * kernel + bias).
struct GraphLayer {
  std::uint32_t inputs = 0;
  std::uint32_t units = 0;
  std::vector<float> kernel;  ///< Row-major by input and then unit.
  std::vector<float> bias;    ///< By unit.
  bool relu = false;          ///< Else linear.
};

/// A model as formats that hold a computation write it: two tables of rows, what rows go through,
/// and what becomes of a pair of them. Features and biases are in the rows, so no kind of model
/// needs a word of its own.
///
/// Each table has a row more than there are users or items: the last stands for whoever is unknown,
/// and is the mean of the rows of which the model has learned something.
///
/// Owner:   the format that writes it; the subject that it is of outlives it.
/// Threads: one.
/// Bounds:  that of the layers; tables are given out in pieces.
struct PairModel {
  ModelArray users;         ///< (users + 1, dim): [p; 1] where items have biases, else p.
  ModelArray items;         ///< (items + 1, dim): [q; b], else q.
  bool has_biases = false;  ///< Whether the last column is that of biases.
  std::vector<GraphLayer> user_tower = {};  ///< What a user's row goes through; empty: nothing.
  std::vector<GraphLayer> item_tower = {};
  /// What the two rows go through side by side, the user's first, to one number, the raw sum. Empty:
  /// the raw sum is their inner product and the user's constant.
  std::vector<GraphLayer> pair = {};
  ModelArray user_constants;  ///< (users + 1,): user bias and mean; all zeros with `pair`.
  /// The score is offset + scale * raw, or offset + scale / (1 + e^-raw).
  bool sigmoid = false;
  float offset = 0;
  float scale = 1;
  /// 0 for what lists may hold; minus infinity for items of which the model has learned nothing and
  /// for the unknown one.
  std::vector<float> item_penalties = {};
};

PairModel PairModelOf(const ExportSubject& subject);

}  // namespace cf
