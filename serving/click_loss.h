#pragma once

#include <memory>

#include "serving/row_loss.h"

namespace cf {

/// That of a model of interactions: each given item is a positive, and what it is held against are
/// the items. With negatives these are all that are not given, weighed as their draws would be; with
/// a softmax all, as often as batches would have them. Where there are more than
/// RowLoss::kTableItems, that many stand for all. Requires: the model has negatives, or a batch's
/// items are its candidates.
std::unique_ptr<const RowLoss> MakeClickLoss(const ServedModel& model, const Catalogue& catalogue);

}  // namespace cf
