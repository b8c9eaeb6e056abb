#pragma once

#include <cstddef>
#include <string_view>

namespace cf {

/// The bytes of the UTF-8 character that `text` begins with: 0 where it begins with none, because it
/// is empty, or its first bytes are cut, overlong, a surrogate or beyond U+10FFFF.
std::size_t BytesOfCharacter(std::string_view text);

/// Whether the text is UTF-8 without control characters, so that it may be a name.
bool IsPlainText(std::string_view text);

}  // namespace cf
