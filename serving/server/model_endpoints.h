#pragma once

#include <vector>

#include "serving/server/endpoint.h"

namespace cf {

/// What the model is and takes, and what its users gave in training. `keeper` outlives their routes.
std::vector<HttpEndpoint> ModelEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits);

}  // namespace cf
