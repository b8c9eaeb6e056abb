#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/config/job.pb.h"

namespace cf {

/// A field in which jobs differ.
struct FieldDifference {
  std::string path;  ///< "optimizer.adam.learning_rate"; "optimizer" for the choice of its kind.
  std::vector<std::string> values;  ///< By job; empty where the job has no such field.
};

/// Every field in which the jobs, with their defaults filled in, are not all equal, RESULT and
/// EXECUTION alike, in the schema's order. Two are left out: data.path, for the data set is known
/// by its digest; and the fields of a kind that only some jobs have, where they are at their
/// defaults, which the kind's own name tells.
std::vector<FieldDifference> DifferingFields(std::span<const Job> jobs);

}  // namespace cf
