#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "coordinator/control.pb.h"
#include "coordinator/roster.h"

namespace cf {

/// What a process knows, beside its end, of a generation that is behind it.
struct Aftermath {
  std::set<int> closed;  ///< Ranks whose connections ended without a goodbye: they are dead.
  std::set<int> silent;  ///< Ranks that were not heard, or did not read: nobody knows what of them.
  std::chrono::steady_clock::time_point ended = {};  ///< When this process heard of the end.
  bool data_checked = false;  ///< By all ranks together, every byte of the data set.
};

/// Who is left of a roster after a loss, in order, as one of them sees it. Who is not sure comes out
/// when they meet: they must agree.
std::vector<int> SurvivorsOf(const Roster& roster, const GenerationEnd& lost,
                             const Aftermath& aftermath);

/// Why those who are left do not go on in the same processes, though a rank was lost; empty where
/// they do. `original` is how many ranks the job was started with, or resized to: with less than half of
/// them, or with one that had several others, it is started again to have its strength back. So it is
/// where only such are left that have joined, whom no launcher looks after. Who fell silent may live
/// on, so that only a majority of the roster goes on without him.
std::string WhyNotInPlace(const Roster& roster, int original, const std::vector<int>& survivors,
                          const GenerationEnd& lost, const Aftermath& aftermath);

/// One line for people: who was lost, and how many go on. `losses` counts those in place since the
/// last new snapshot, of which `losses_max` are borne.
std::string TextOfSurvival(const Roster& roster, const std::vector<int>& survivors,
                           const GenerationEnd& lost, std::uint64_t losses,
                           std::uint64_t losses_max);

}  // namespace cf
