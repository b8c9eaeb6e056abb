#pragma once

#include <string>
#include <string_view>

namespace cf {

/// What the first bytes of a file tell that it is, and what can be done, where it is no table of
/// text ("compressed (gzip); unpack it first: ..."). Empty for text that may be a table. A pure
/// function: `path` is only for the command that is proposed.
std::string NotATable(std::string_view first_bytes, const std::string& path);

}  // namespace cf
