#include "common/dataset/row_names.h"

namespace cf {

std::optional<RowName> RowNameOf(const Dataset& data, std::string_view table, RowId id) {
  if (table == "users") {
    if (Index(id) >= data.users()) return std::nullopt;
    return RowName{.raw_id = data.user_raw_id(id)};
  }
  if ((table != "items" && table != "history") || Index(id) >= data.items()) return std::nullopt;
  RowName name = {.raw_id = data.item_raw_id(id)};
  if (data.has_titles() && !data.items_keyed_by_title()) name.title = data.title(id);
  return name;
}

}  // namespace cf
