#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf {

/// A cfserve of the test's own, on a port that is free.
///
/// Owner:   the test.
/// Threads: one.
class Served {
 public:
  explicit Served(const std::string& model, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {CF_BIN_DIR "/cfserve", model, "--port", "0"});
    process_ = std::make_unique<Process>(flags);
    static const std::string kPlace = " at http://127.0.0.1:";
    const bool begun = Eventually([&] {
      const std::string said = process_->ErrorsSoFar();
      const std::size_t at = said.find(kPlace);
      if (at == std::string::npos || said.find('/', at + kPlace.size()) == std::string::npos) {
        return false;
      }
      port_ = static_cast<std::uint16_t>(std::atoi(said.c_str() + at + kPlace.size()));
      return true;
    });
    EXPECT_TRUE(begun) << process_->ErrorsSoFar();
  }

  std::uint16_t port() const { return port_; }
  Process& process() { return *process_; }

 private:
  std::unique_ptr<Process> process_;
  std::uint16_t port_ = 0;
};

}  // namespace cf
