#pragma once

#include "common/dataset/dataset.h"
#include "common/dataset/split.h"

namespace cf {

/// The RMSE, over the validation samples, of the model that has biases alone: rating = mean + b_u +
/// b_i, fitted to the training samples by three sweeps of damped means in closed form, first of
/// items (3 added to their counts), then of users (5): the baseline of Koren, Bell and Volinsky,
/// 2009. What a model of ratings should not be worse than. One pass over the samples for each half of
/// a sweep, on the caller's thread, which ticks. `mean`: of the training samples
/// (TrainingStatistics). Requires: samples of both kinds.
double RmseOfBiases(const Dataset& data, const DataSplit& split, double mean);

/// The standard deviation of the training samples' ratings, whose mean is `mean`. Requires: there
/// are some.
double DeviationOfRatings(const Dataset& data, const DataSplit& split, double mean);

}  // namespace cf
