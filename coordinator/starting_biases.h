#pragma once

#include <vector>

#include "coordinator/training_data.h"

namespace cf {

/// The biases that rows of a new model start with, by id, where the training samples decide them;
/// else empty, and the job's initial values stand.
struct StartingBiases {
  std::vector<float> users;
  std::vector<float> items;
};

/// Requires: the split is whole where the model has such biases.
StartingBiases MakeStartingBiases(const TrainingData& data);

}  // namespace cf
