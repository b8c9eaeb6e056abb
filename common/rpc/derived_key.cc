#include "common/rpc/derived_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/check.h"

namespace cf {

JobKey DeriveKey(const JobKey& key, std::string_view purpose) {
  JobKey derived;
  unsigned int size = 0;
  const unsigned char* const made =
      ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
             reinterpret_cast<unsigned char*>(derived.data()), &size);
  Check(made != nullptr && size == derived.size(), "OpenSSL computes an HMAC-SHA256");
  return derived;
}

}  // namespace cf
