#pragma once

#include <memory>
#include <span>

#include "worker/step_model.h"

namespace cf {

/// How a kind of model takes its steps: its field of the schema, and how its StepModel is made.
struct StepKind {
  Model::KindCase kind = Model::KIND_NOT_SET;
  std::unique_ptr<StepModel> (*make)(const StepModel::Options& options) = nullptr;
};

/// All kinds, each once: those of ModelKinds (common/model/kinds.h).
std::span<const StepKind> StepKinds();

/// The steps of `options.model`. Requires: its kind is in the list.
std::unique_ptr<StepModel> MakeStepModel(const StepModel::Options& options);

}  // namespace cf
