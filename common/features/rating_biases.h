#pragma once

#include <vector>

#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/kernels/objective.h"

namespace cf {

/// The model of ratings that has biases alone: rating = mean + b_u + b_i.
struct RatingBiases {
  double mean = 0;  ///< Of the training samples (TrainingStatistics).
  std::vector<double> users;
  std::vector<double> items;
};

/// Fitted to the training samples by three sweeps of damped means in closed form, first of items (3
/// added to their counts), then of users (5): the baseline predictors of Koren, Bell and Volinsky,
/// 2009. One pass over the samples for each sweep, and one for the users, on the caller's thread,
/// which ticks.
RatingBiases FitRatingBiases(const Dataset& data, const DataSplit& split, double mean);

/// Those of the items alone, with no memory for each user: a user's bias follows from the user's
/// samples and these.
std::vector<double> FitItemBiases(const Dataset& data, const DataSplit& split, double mean);

/// The RMSE of the biases with these items over the validation samples, or those of training: what a
/// model of ratings should not be worse than. Requires: there are some.
double RmseOfBiases(const Dataset& data, const DataSplit& split, double mean,
                    const std::vector<double>& item_biases, bool validation);

/// The same biases for a raw sum (docs/arithmetic.md): what a model starts with, so that it predicts
/// what `biases` do; behind a sigmoid each bias alone moves a prediction from the mean as far as it
/// does here. What the model does not add as its own mean is in the users' biases.
RatingBiases BiasesOfRawSum(RatingBiases biases, const Objective& objective);

}  // namespace cf
