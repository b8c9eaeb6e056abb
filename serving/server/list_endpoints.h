#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "serving/server/endpoint.h"

namespace cf {

/// How many requests for lists have been answered together.
///
/// Threads: any.
struct BundleFigures {
  std::atomic<std::uint64_t> bundles{0};
  std::atomic<std::uint64_t> requests{0};
};

/// Lists of items for a user, for many users, and the users for an item. `keeper` and `figures` outlive
/// their routes. Requests for one user that wait at the same time are answered in one pass over the
/// items.
std::vector<HttpEndpoint> ListEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits,
                                        BundleFigures* figures);

}  // namespace cf
