#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cf {

/// The words of a text in UTF-8 as a search compares them: in lower case, Latin letters without
/// their accents, apostrophes left out; whatever else is neither a letter nor a digit stands between
/// words. "Amélie (2001)" has "amelie" and "2001".
std::vector<std::string> FoldedWords(std::string_view text);

/// How many letters have to be changed, added, left out or swapped with their neighbour to make one
/// text of the other; any number above `most` where it is more than that. Counts bytes.
std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t most);

}  // namespace cf
