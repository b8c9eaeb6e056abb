#pragma once

#include <memory>
#include <span>

#include "common/model/model_spec.h"

namespace cf {

/// A kind of model: its field of the schema, and how its ModelSpec is made from a validated job.
struct ModelKind {
  Model::KindCase kind = Model::KIND_NOT_SET;
  std::unique_ptr<const ModelSpec> (*make)(const Job& job) = nullptr;
};

/// All kinds, each once.
std::span<const ModelKind> ModelKinds();

}  // namespace cf
