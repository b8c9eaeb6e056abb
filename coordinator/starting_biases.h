#pragma once

#include <optional>
#include <vector>

#include "coordinator/training_data.h"

namespace cf {

/// Biases of a model with a mean and biases alone, on the scale of a raw sum. By id.
struct Baseline {
  std::vector<float> users;
  std::vector<float> items;
};

/// What the training samples decide of the rows of a new model; else the job's initial values stand.
struct StartingBiases {
  std::vector<float> counts = {};  ///< Biases of items: how often each is among the samples. By id.
  std::optional<Baseline> baseline = {};
};

/// Requires: the split is whole where the model has such biases.
StartingBiases MakeStartingBiases(const TrainingData& data);

}  // namespace cf
