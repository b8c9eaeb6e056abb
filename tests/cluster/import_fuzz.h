#pragma once

#include <string>

#include <gtest/gtest.h>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf {

/// Imports so many random files and compares each with what Python's standard library reads.
inline void ExpectImportsAsPython(int files, int seed) {
  const Process::Result result =
      Process({"python3", CF_SOURCE_DIR "/tests/cluster/fuzz_import.py", CF_BIN_DIR "/cfdata",
               std::to_string(files), std::to_string(seed)})
          .Wait(std::chrono::minutes(20));
  EXPECT_EQ(result.exit_code, 0) << result.output << result.errors;
}

}  // namespace cf
