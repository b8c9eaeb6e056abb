#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "common/base/partition.h"
#include "coordinator/control.pb.h"
#include "coordinator/roster.h"

namespace cf {

/// What a leader that may change its roster goes by.
struct ResizeRequest {
  const Job& job;
  const Roster& roster;
  /// Who has had which partitions; empty: nobody knows.
  const std::map<MemberId, SeatRange>& places;
  /// Who waits to join, without an id, by the order of arrival.
  std::vector<RosterMember> joining = {};
  /// How many there are to be: of more the youngest leave, unless nobody has asked for that.
  std::uint32_t ranks_wanted = 1;
  bool asked = false;  ///< By the user, while the job runs (`cfrun resize`).
};

/// The roster that follows, and in a line why; nothing where it stays as it is. Who joins is put between
/// those ranks where the others have to take over the fewest partitions from each other, and has an id
/// that nobody had before: those of `joining` follow the highest of the roster, in their order. From the
/// first on for whose threads there are no partitions left, nobody comes.
std::optional<GenerationEnd::Resized> PlanResize(const ResizeRequest& request);

/// What a job has before it at a snapshot.
struct WorkAhead {
  double epochs = 0;  ///< That it may still train.
  bool reads_all_again =
      false;  ///< A generation begins with all rows, or all samples, from the disk.
};

/// The same roster for a generation that deals the partitions anew, so that balance returns after a loss,
/// and in a line why; nothing where no thread has more than FairShare, or `ahead` is too little to make up
/// for what is read then. Requires: places of all members.
std::optional<GenerationEnd::Resized> PlanBalance(const ResizeRequest& request,
                                                  const WorkAhead& ahead);

/// The same end for those alone who were in `roster` before: who was to join has not come.
GenerationEnd WithoutWhoJoins(const GenerationEnd& resized, const Roster& roster);

/// FirstsNear's `before` for a roster in which some have had partitions; the others begin with what is
/// nobody's between their neighbours. Empty where a member that has not joined has had none.
std::vector<SeatRange> RangesBefore(const Roster& roster,
                                    const std::map<MemberId, SeatRange>& places,
                                    std::uint32_t partitions);

}  // namespace cf
