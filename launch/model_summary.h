#pragma once

#include <span>
#include <string>

#include "common/model/model_spec.h"
#include "common/text/text_table.h"

namespace cf {

/// What a model is made of, for people or programs: a row for each embedding and dense layer, with
/// its shape, activation and parameters; for people also their sum, and how a prediction comes
/// about.
std::string SummaryText(const ModelSpec& spec, std::span<const TableSpec> tables,
                        TableFormat format);

}  // namespace cf
