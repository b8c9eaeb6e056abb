#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// A parameter behind the '?' of a target, decoded.
struct QueryParameter {
  std::string name;
  std::string value;
  bool operator==(const QueryParameter&) const = default;
};

/// What a request asks for: "/v1/users/caf%C3%A9/similar?k=3" is the parts v1, users, café and
/// similar, and k = 3.
struct Target {
  std::vector<std::string> path;
  std::vector<QueryParameter> query;
  bool operator==(const Target&) const = default;
};

/// Cuts a target at its slashes and then decodes each part, so that an id may hold an encoded slash.
/// In the query '+' is a space. InvalidArgument: it does not begin with '/', a '%' is not followed by
/// two hexadecimal digits, a part is no UTF-8 or has control characters, or there are more than a few
/// dozen parts or parameters.
absl::StatusOr<Target> ParseTarget(std::string_view text);

/// The text with every byte but letters, digits and "-._~" percent-encoded: a part of a path, or a
/// value, that ParseTarget decodes to it.
std::string PercentEncoded(std::string_view text);

}  // namespace cf
