#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/metrics/figures.h"
#include "serving/served_model.h"

namespace cf {

/// A pair with the rating that it was given.
struct RatedPair {
  UserItem pair;
  float rating = 0;
};

/// The loss, rmse and mae of predictions, named `prefix`loss and so on: of validation samples those
/// that training measured, to the last bit, as they are summed in the same order. None without
/// pairs. Requires: the model predicts ratings; `partitions` is that of its job; the thread has
/// called SetFloatMode().
Figures ErrorsOf(const ServedModel& model, std::uint32_t partitions, const std::string& prefix,
                 std::vector<RatedPair> pairs);

}  // namespace cf
