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
  const auto oldest = std::ranges::min_element(left, {}, &RosterMember::id);
  const auto leader = static_cast<int>(oldest - left.begin());
  return Roster(std::move(left), leader);
}

absl::StatusOr<Roster> Roster::After(const GenerationEnd::Resized& end) {
  std::vector<RosterMember> members;
  for (const RosterEntry& entry : end.members()) {
    members.push_back({.id = MemberId{entry.id()},
                       .host = entry.host(),
                       .endpoint = EndpointOf(entry.endpoint()),
                       .door = EndpointOf(entry.door()),
                       .threads = entry.threads(),
                       .memory = entry.memory(),
                       .joined = entry.joined()});
  }
  if (members.empty()) return absl::DataLossError("a roster without members");
  const MemberId oldest = std::ranges::min_element(members, {}, &RosterMember::id)->id;
  absl::StatusOr<Roster> roster = Make(std::move(members), oldest);
  return roster.ok() ? std::move(roster) : absl::DataLossError(roster.status().message());
}

std::optional<int> Roster::RankOf(MemberId id) const {
  const auto found = std::ranges::find(members_, id, &RosterMember::id);
  if (found == members_.end()) return std::nullopt;
  return static_cast<int>(found - members_.begin());
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

NetworkAddress AddressOf(const Endpoint& endpoint) {
  NetworkAddress address;
  address.set_address(endpoint.address);
  address.set_port(endpoint.port);
  return address;
}

Endpoint EndpointOf(const NetworkAddress& address) {
  return {.address = address.address(), .port = static_cast<std::uint16_t>(address.port())};
}

RosterEntry EntryOf(const RosterMember& member) {
  RosterEntry entry;
  entry.set_id(static_cast<std::uint32_t>(member.id));
  entry.set_host(member.host);
  *entry.mutable_endpoint() = AddressOf(member.endpoint);
  *entry.mutable_door() = AddressOf(member.door);
  entry.set_threads(member.threads);
  entry.set_memory(member.memory);
  entry.set_joined(member.joined);
  return entry;
}

std::vector<std::uint32_t> ThreadsByRank(const Job& job, const Roster& roster) {
  const auto ranks = static_cast<std::uint32_t>(roster.size());
  const std::uint32_t workers = ranks - std::min(job.cluster().servers(), ranks - 1);
  // A number that the user gave is his own.
  const std::uint32_t most =
      job.cluster().threads() > 0 ? ~0U : std::max(1U, job.train().partitions() / workers);
  std::vector<std::uint32_t> threads;
  for (const RosterMember& member : roster.members()) {
    threads.push_back(std::min(std::max(1U, member.threads), most));
  }
  return threads;
}

std::uint32_t ThreadsOf(const Job& job, const MemberResources& resources) {
  const std::uint32_t configured = job.cluster().threads();
  return configured > 0 ? configured : std::max(1U, resources.cores());
}

}  // namespace cf
