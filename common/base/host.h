#pragma once

#include <string>

namespace cf {

/// This machine's name, for people and for telling hosts apart; "unknown" where the system has none.
std::string HostName();

}  // namespace cf
