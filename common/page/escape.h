#pragma once

#include <string>
#include <string_view>

namespace cf {

/// `text` as it may stand between tags or in a quoted attribute: markup is escaped, and what no
/// XML text may hold (control characters, bytes that are not UTF-8) becomes U+FFFD, a byte each.
std::string EscapeMarkup(std::string_view text);

}  // namespace cf
