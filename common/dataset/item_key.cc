#include "common/dataset/item_key.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_cat.h>

namespace cf {

absl::StatusOr<RekeyedItems> RekeyByTitle(const Vocabulary& items, const Titles& titles) {
  std::vector<std::uint32_t> ascending(items.size());
  std::iota(ascending.begin(), ascending.end(), 0U);
  std::sort(ascending.begin(), ascending.end(),
            [&items](std::uint32_t a, std::uint32_t b) { return items.Less(a, b); });
  RekeyedItems rekeyed;
  rekeyed.code_of.resize(items.size());
  absl::flat_hash_map<std::string, std::uint32_t> codes;
  std::vector<std::string> keys;
  for (const std::uint32_t code : ascending) {
    const auto text = titles.find(items.Text(code));
    if (text == titles.end() || text->second.title.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("item ", items.Text(code), " has ratings and no title to be its key"));
    }
    const auto [place, is_new] =
        codes.try_emplace(text->second.title, static_cast<std::uint32_t>(keys.size()));
    if (is_new) {
      keys.push_back(text->second.title);
      rekeyed.texts.push_back(text->second);
    }
    rekeyed.code_of[code] = place->second;
  }
  rekeyed.items = Vocabulary(std::move(keys));
  return rekeyed;
}

}  // namespace cf
