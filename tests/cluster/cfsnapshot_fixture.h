#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/paths.h"
#include "tests/unit/serving/test_model.h"

namespace cf {

/// What a call left behind.
struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

/// A snapshot of WriteTestData's data, and cfsnapshot called as a user calls it.
class CfsnapshotTest : public testing::Test {
 protected:
  CfsnapshotTest() {
    WriteTestData(folder_.At("data"));
    data_.emplace(*Dataset::Open(folder_.At("data")));
    best_ = WriteTestSnapshot(folder_.At("run"), *data_);
  }

  Result Call(const std::string& arguments, const std::string& program = "cfsnapshot") {
    const std::string out = folder_.At("out.txt");
    const std::string err = folder_.At("err.txt");
    const std::string command = "COLUMNS=120 " CF_BIN_DIR "/" + program + " " + arguments + " > '" +
                                out + "' 2> '" + err + "'";
    const int status = std::system(command.c_str());
    return {.code = WEXITSTATUS(status), .out = *ReadFile(out), .err = *ReadFile(err)};
  }

  TestFolder folder_;
  std::optional<Dataset> data_;
  std::string best_;
};

}  // namespace cf
