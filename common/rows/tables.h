#pragma once

#include <cstdint>
#include <vector>

#include "common/config/job.pb.h"
#include "common/kernels/objective.h"
#include "common/rows/layout.h"

namespace cf {

/// A table of the model with what decides its rows besides gradients.
struct TableSpec {
  TableShape shape;
  Initial vectors;        ///< Initial values of the vectors,
  Initial biases;         ///< and of the biases.
  double l2_vectors = 0;  ///< lambda: adds lambda * sum(w^2) over the touched rows to the loss.
  double l2_biases = 0;
};

/// The tables of the job's model, by TableId. Requires: a validated job with its defaults filled
/// in.
std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items);

/// What the job's model makes of a raw sum, given the mean, smallest and largest training rating.
/// Requires: as TablesOf.
Objective ObjectiveOf(const Job& job, double mean, float rating_min, float rating_max);

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables);

}  // namespace cf
