#include "common/text/nearest.h"

#include <algorithm>
#include <cstddef>

#include "common/text/fold.h"

namespace cf {

std::optional<std::string> NearestWord(const std::string& word,
                                       const std::vector<std::string>& words) {
  constexpr std::size_t kSlips = 2;
  std::optional<std::string> nearest;
  std::size_t least = 0;
  for (const std::string& known : words) {
    // Further away it is another word.
    const std::size_t most = std::min(std::max(known.size() / 3, kSlips), word.size() / 2);
    const std::size_t distance = EditDistance(word, known, most);
    if (distance > most || (nearest.has_value() && distance >= least)) continue;
    nearest = known;
    least = distance;
  }
  if (nearest.has_value()) return nearest;
  constexpr std::size_t kBeginning = 3;
  for (const std::string& longer : words) {
    if (word.size() >= kBeginning && longer.starts_with(word)) return longer;
  }
  return std::nullopt;
}

}  // namespace cf
