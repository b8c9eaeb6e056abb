#pragma once

#include <cstdint>
#include <vector>

#include <absl/status/statusor.h>

#include "common/dataset/titles.h"
#include "common/dataset/vocabulary.h"
#include "common/dataset/writer.h"

namespace cf {

/// What of the files is an item's raw id in the data set.
enum class ItemKey {
  kId,
  kTitle,  ///< Its title: items of equal titles are one.
};

/// The items of the files under other raw ids.
struct RekeyedItems {
  Vocabulary items;
  std::vector<std::uint32_t> code_of;  ///< By the code in the files: that in `items`.
  std::vector<ItemText> texts;         ///< By the code in `items`.
};

/// Makes the titles the raw ids. Of items that become one, the lowest raw id gives the genres.
/// InvalidArgument names the lowest raw id that has no title: under another key it would be
/// another item than the one the user knows.
absl::StatusOr<RekeyedItems> RekeyByTitle(const Vocabulary& items, const Titles& titles);

}  // namespace cf
