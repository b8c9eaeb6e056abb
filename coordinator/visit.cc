#include "coordinator/visit.h"

#include <chrono>
#include <utility>

#include "common/rpc/derived_key.h"

namespace cf {
namespace {

// After which either side takes the other to be gone: it costs neither of them anything.
constexpr std::chrono::seconds kSilenceMax(10);
// What it may take to let somebody in.
constexpr std::chrono::seconds kConnectMax(5);

int Other(const Mesh& visit) {
  return visit.rank() == kHostRank ? kVisitorRank : kHostRank;
}

}  // namespace

JobKey KeyOfVisits(const JobKey& key) {
  return DeriveKey(key, "visits");
}

Mesh::Options VisitOptions(int rank, const Endpoint& reception, const JobKey& key,
                           std::uint64_t generation) {
  return {.rank = rank,
          .endpoints = {reception, Endpoint()},  // Nobody dials the visitor.
          .key = key,
          .generation = generation,
          .protection = FrameProtection::kEncrypted,
          .timeout = kSilenceMax,
          .connect_timeout = kConnectMax,
          .accepts_one = rank == kHostRank};
}

void Say(Mesh& visit, const Joining& what) {
  Message message;
  message.control = what.SerializeAsString();
  visit.Send(Other(visit), std::move(message));
}

void SayLast(Mesh& visit, const Joining& what) {
  Say(visit, what);
  visit.Abandon(Other(visit));
}

}  // namespace cf
