#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace cf::internal {

void CheckFailed(const char* promise, std::source_location where) {
  std::fprintf(stderr, "%s:%u: %s: broken promise: %s\n", where.file_name(), where.line(),
               where.function_name(), promise);
  std::abort();
}

}  // namespace cf::internal
