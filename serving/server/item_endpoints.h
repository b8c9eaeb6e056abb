#pragma once

#include <vector>

#include "serving/server/endpoint.h"

namespace cf {

/// What is similar to an item or to a user, items by their titles, and predictions for pairs. `keeper`
/// outlives their routes.
std::vector<HttpEndpoint> ItemEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits);

}  // namespace cf
