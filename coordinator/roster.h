#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/rpc/listener.h"
#include "coordinator/control.pb.h"

namespace cf {

/// Who a process is for as long as it lives; its rank is only its place in one roster.
enum class MemberId : std::uint32_t {};

struct RosterMember {
  MemberId id{};
  std::string host{};
  Endpoint endpoint{};  ///< Not used in a job of one member.
  Endpoint door{};  ///< Where it meets the others after a loss; not used where none is survived.
  std::uint32_t threads = 1;  ///< Compute threads that it can run.
  std::uint64_t memory = 0;   ///< Bytes that it may use; 0: unknown.
  /// It has come while the job ran, and not from the launcher, so it never leads: the launcher takes
  /// the job to have ended with the last rank that it started.
  bool joined = false;
};

/// The members of one generation, by rank, and who of them leads. Every member has the same one.
///
/// Owner:      each member's part of the generation.
/// Threads:    any; constant after Make.
/// Bounds:     one entry for each rank.
/// Invariants: ids differ; the leader is one of the members. Nothing else follows from being the
///             leader: any member could be it.
class Roster {
 public:
  /// InvalidArgument: no member, an id twice, or a leader who is none of them.
  static absl::StatusOr<Roster> Make(std::vector<RosterMember> members, MemberId leader);

  int size() const { return static_cast<int>(members_.size()); }
  /// Requires: 0 <= rank < size().
  const RosterMember& at(int rank) const;
  const std::vector<RosterMember>& members() const { return members_; }

  int leader() const { return leader_; }  ///< Its rank.

  /// The roster of those who are left, in the same order, led by the oldest of them: the one with the
  /// lowest id. Requires: `ranks` ascend, are of this roster, and some.
  Roster Of(const std::vector<int>& ranks) const;

  /// The roster of the generation after one that ended so, led by the oldest member. DataLoss: it came
  /// over the wire, and is none.
  static absl::StatusOr<Roster> After(const GenerationEnd::Resized& end);

  /// The rank of a member; nothing where it is none.
  std::optional<int> RankOf(MemberId id) const;

  std::vector<Endpoint> endpoints() const;  ///< By rank.
  std::vector<Endpoint> doors() const;      ///< By rank.
  int host_count() const;                   ///< Different hosts.

  /// Who tells the user when `lost` is gone: the leader, or where it is the one, the first of the
  /// others. Each member comes to the same answer by itself.
  int SpeakerWithout(int lost) const;

 private:
  Roster(std::vector<RosterMember> members, int leader)
      : members_(std::move(members)), leader_(leader) {}

  std::vector<RosterMember> members_;
  int leader_;
};

/// As others are told of a member.
RosterEntry EntryOf(const RosterMember& member);
NetworkAddress AddressOf(const Endpoint& endpoint);
Endpoint EndpointOf(const NetworkAddress& address);

/// Compute threads of each rank: its member's, but no more than there are partitions for, where the
/// user has not chosen them.
std::vector<std::uint32_t> ThreadsByRank(const Job& job, const Roster& roster);

/// Compute threads of a member with these resources: as configured, or one for each core.
std::uint32_t ThreadsOf(const Job& job, const MemberResources& resources);

}  // namespace cf
