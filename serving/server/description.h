#pragma once

#include <span>
#include <string>

#include "serving/server/endpoint.h"

namespace cf {

/// The OpenAPI 3.0 description of these endpoints, as JSON.
std::string Describe(std::span<const HttpEndpoint> endpoints);

}  // namespace cf
