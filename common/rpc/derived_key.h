#pragma once

#include <string_view>

#include "common/rpc/handshake.h"

namespace cf {

/// A key that follows from `key` and `purpose`: who knows both knows it, and it tells nothing about
/// `key`, nor about the key of another purpose. HMAC-SHA256 of the purpose under the key.
JobKey DeriveKey(const JobKey& key, std::string_view purpose);

}  // namespace cf
