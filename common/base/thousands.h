#pragma once

#include <cstdint>
#include <string>

namespace cf {

/// 1418 -> "1,418".
std::string WithThousands(std::uint64_t number);

}  // namespace cf
