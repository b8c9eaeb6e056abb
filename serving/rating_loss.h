#pragma once

#include <memory>

#include "serving/row_loss.h"

namespace cf {

/// That of a model that predicts ratings: a factorisation or a network. Minimised by steps of Newton
/// (behind a sigmoid and through a network Gauss's and Newton's), of which squared errors of a
/// factorisation need one: it solves the normal equations. Requires: the model predicts ratings.
std::unique_ptr<const RowLoss> MakeRatingLoss(const ServedModel& model, const Catalogue& catalogue);

}  // namespace cf
