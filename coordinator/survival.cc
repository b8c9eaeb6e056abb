#include "coordinator/survival.h"

#include <algorithm>
#include <cstdint>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "coordinator/generation_end.h"

namespace cf {

std::vector<int> SurvivorsOf(const Roster& roster, const GenerationEnd& lost,
                             const Aftermath& aftermath) {
  std::vector<int> survivors;
  for (int rank = 0; rank < roster.size(); ++rank) {
    const bool is_lost = lost.lost().rank() == static_cast<std::uint32_t>(rank);
    if (!is_lost && !aftermath.closed.contains(rank) && !aftermath.silent.contains(rank)) {
      survivors.push_back(rank);
    }
  }
  return survivors;
}

std::string WhyNotInPlace(const Roster& roster, int original, const std::vector<int>& survivors,
                          const GenerationEnd& lost, const Aftermath& aftermath) {
  const auto left = static_cast<int>(survivors.size());
  if (2 * left < original || left == 0 || (left == 1 && original > 2)) {
    return absl::StrCat(left, " of ", original, " ranks are left");
  }
  const auto joined = [&roster](int rank) { return roster.at(rank).joined; };
  if (std::ranges::all_of(survivors, joined)) {
    return "none is left of those that the job was started with";
  }
  const bool by_silence = lost.lost().whole_host() || !aftermath.silent.empty();
  if (by_silence && 2 * left <= roster.size()) {
    return absl::StrCat("who is silent may live, and ", left, " of ", roster.size(),
                        " ranks are no majority");
  }
  return "";
}

std::string TextOfSurvival(const Roster& roster, const std::vector<int>& survivors,
                           const GenerationEnd& lost, std::uint64_t losses,
                           std::uint64_t losses_max) {
  std::vector<int> others;
  for (int rank = 0; rank < roster.size(); ++rank) {
    const bool is_left = std::ranges::find(survivors, rank) != survivors.end();
    if (!is_left && static_cast<std::uint32_t>(rank) != lost.lost().rank()) others.push_back(rank);
  }
  return absl::StrCat(TextOf(lost), others.empty() ? "" : ", and with it rank ",
                      absl::StrJoin(others, ", "), "; ", survivors.size(), " of ", roster.size(),
                      " ranks go on in place (", losses, " of ", losses_max, ")");
}

}  // namespace cf
