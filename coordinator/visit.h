#pragma once

// What both sides of a visit at a Reception have in common: a mesh of two, for a few messages.

#include <cstdint>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"
#include "common/rpc/mesh.h"
#include "coordinator/control.pb.h"

namespace cf {

/// The ranks of a visit.
inline constexpr int kHostRank = 0;
inline constexpr int kVisitorRank = 1;

/// The key of visits, which follows from a generation's: frames of the one are good for nothing in the
/// other.
JobKey KeyOfVisits(const JobKey& key);

/// Of a mesh at `reception`, with the key of visits. Its frames are encrypted, whatever the job's are.
Mesh::Options VisitOptions(int rank, const Endpoint& reception, const JobKey& key,
                           std::uint64_t generation);

/// Says `what` to the other side; SayLast hangs up behind it, and waits for nobody.
void Say(Mesh& visit, const Joining& what);
void SayLast(Mesh& visit, const Joining& what);

}  // namespace cf
