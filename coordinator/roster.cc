#include "coordinator/roster.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {

absl::StatusOr<Roster> Roster::Make(std::vector<RosterMember> members, MemberId leader) {
  std::set<MemberId> ids;
  std::optional<int> leading;
  for (int rank = 0; rank < static_cast<int>(members.size()); ++rank) {
    const MemberId id = members[static_cast<std::size_t>(rank)].id;
    if (!ids.insert(id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("member ", static_cast<std::uint32_t>(id), " is in the roster twice"));
    }
    if (id == leader) leading = rank;
  }
  if (!leading.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the leader, member ", static_cast<std::uint32_t>(leader), ", is not in the roster"));
  }
  return Roster(std::move(members), *leading);
}

const RosterMember& Roster::at(int rank) const {
  Check(rank >= 0 && rank < size(), "a rank is a place in the roster");
  return members_[static_cast<std::size_t>(rank)];
}

Roster Roster::Of(const std::vector<int>& ranks) const {
  Check(!ranks.empty(), "somebody is left");
  std::vector<RosterMember> left;
  for (const int rank : ranks) left.push_back(at(rank));
  return Roster(std::move(left), 0);
}

std::vector<Endpoint> Roster::doors() const {
  std::vector<Endpoint> doors;
  for (const RosterMember& member : members_) doors.push_back(member.door);
  return doors;
}

std::vector<Endpoint> Roster::endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const RosterMember& member : members_) endpoints.push_back(member.endpoint);
  return endpoints;
}

int Roster::host_count() const {
  std::set<std::string> hosts;
  for (const RosterMember& member : members_) hosts.insert(member.host);
  return static_cast<int>(hosts.size());
}

int Roster::SpeakerWithout(int lost) const {
  if (lost != leader_) return leader_;
  return lost == 0 && size() > 1 ? 1 : 0;
}

std::uint32_t ThreadsOf(const Job& job, const MemberResources& resources) {
  const std::uint32_t configured = job.cluster().threads();
  return configured > 0 ? configured : std::max(1U, resources.cores());
}

}  // namespace cf
