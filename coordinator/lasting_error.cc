#include "coordinator/lasting_error.h"

namespace cf {

absl::Status LastingError(const std::string& text) {
  return absl::AbortedError(text);
}

}  // namespace cf
