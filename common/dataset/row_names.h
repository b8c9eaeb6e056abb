#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"

namespace cf {

/// What a row of a model's table is to its user: a raw id, and of an item its title.
struct RowName {
  std::string raw_id;
  std::string title = {};  ///< Empty where there is none, or where the raw id is the title.
};

/// By the name of the table: "users", "items", or "history", whose rows are items, too. Nothing for
/// rows of other tables, such as layers, and for ids that the data set does not have.
std::optional<RowName> RowNameOf(const Dataset& data, std::string_view table, RowId id);

}  // namespace cf
