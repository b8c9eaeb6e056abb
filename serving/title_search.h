#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "serving/catalogue.h"

namespace cf {

/// Finds items by what people write for a title.
///
/// Owner:   whoever made it; the catalogue outlives it.
/// Threads: any; constant.
/// Bounds:  a call reads all titles and holds the ids that it finds.
class TitleSearch {
 public:
  explicit TitleSearch(const Catalogue& catalogue) : catalogue_(&catalogue) {}

  /// The items that have this title: the data set's own way to find it, and where nothing has it,
  /// without what stands in brackets before the year ("M*A*S*H (1970)" finds "M*A*S*H (a.k.a. MASH)
  /// (1970)").
  std::vector<RowId> WithTitle(const std::string& title) const;

  /// The items whose titles (raw ids, where there are none) hold every word of `text` in any order,
  /// also as a part of a word. Titles that begin with the text come first, then those where its
  /// words begin words; among these, what people rate most. All items if `text` has no word.
  std::vector<RowId> Containing(std::string_view text) const;

  /// The same of titles that no sample needs, by their number in the data set: items without a
  /// rating, of which a model knows nothing.
  std::vector<std::uint32_t> UnratedContaining(std::string_view text) const;

  /// At most `count` items of titles that `text` may have been meant for: those that hold its words,
  /// then those with few letters otherwise.
  std::vector<RowId> Near(std::string_view text, std::size_t count) const;

 private:
  std::string TextOf(RowId item) const;
  void SortByRank(std::vector<std::pair<std::size_t, RowId>>& ranked) const;

  const Catalogue* catalogue_;
};

}  // namespace cf
