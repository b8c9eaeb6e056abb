#pragma once

#include <string>

#include <absl/status/status.h>

#include "common/dataset/dataset.h"
#include "common/dataset/split.h"

namespace cf {

/// Writes `folder`/train.csv and `folder`/val.csv for other tools: a header user,item,rating (and
/// timestamp, where there are some), raw ids, canonical order. Both files appear whole.
/// AlreadyExists: one is there, and `overwrite` is not given; else what the disk says.
absl::Status ExportSplit(const Dataset& data, const DataSplit& split, const std::string& folder,
                         bool overwrite = false);

}  // namespace cf
