#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "common/dataset/record_table.h"

// What a file of titles looks like before anything is joined.
namespace cf {

/// Enough records to tell separators and numbers of fields from accidents.
inline constexpr std::size_t kTitleRowsLookedAt = 100;

/// The names, normalised, that a header has for titles and for genres; earlier ones are preferred.
std::span<const std::string_view> TitleNames();
std::span<const std::string_view> GenreNames();

/// Whether a header's name says that the column identifies something.
bool IsNameOfId(const std::string& name);

/// The names of u.item's flags, in their order: "Action|1" on each line. InvalidArgument names the
/// line that is otherwise.
absl::StatusOr<std::vector<std::string>> ReadGenreFlags(const std::string& path);

/// How many fields most of the records have. Requires: there is one.
std::size_t UsualFields(const RecordTable& table);

/// The first records as the separator has them that fits best: whose header has a title, whose
/// records are all alike, and which has most columns, in this order; with `separator` as that has
/// them.
RecordTable ReadTitleTable(std::string_view text, const std::string& separator);

/// Whether it is u.item: a number in front of a bar.
bool LooksLikeGenreFlags(std::string_view text);

}  // namespace cf
