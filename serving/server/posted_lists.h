#pragma once

#include "serving/server/endpoint.h"

namespace cf {

/// POST /v1/recommendations: lists of many users, or of somebody whose ratings or clicks are given.
/// `keeper` outlives its route.
HttpEndpoint PostedLists(const ModelKeeper& keeper, const EndpointLimits& limits);

}  // namespace cf
