// Goal: a line says who asked for what and how that went, and no client can write lines of its own.

#include "serving/server/access_log.h"

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/unit/serving/test_model.h"

namespace cf::access_log_test {
namespace {

AnsweredRequest RequestOf(const std::string& target) {
  return {.remote = "127.0.0.1",
          .method = "GET",
          .target = target,
          .route = nullptr,
          .status = 404,
          .body_bytes = 12,
          .duration = std::chrono::microseconds(1500)};
}

TEST(AccessLog, ALineHasAllThatIsKnown) {
  EXPECT_EQ(AccessLine(RequestOf("/a?b=c"), 1'000'000'000),
            "2001-09-09T01:46:40Z 127.0.0.1 GET /a?b=c 404 12 1.500\n");
}

TEST(AccessLog, WhatWasNotReadIsADash) {
  EXPECT_EQ(AccessLine({.remote = "::1", .status = 400}, 0),
            "1970-01-01T00:00:00Z ::1 - - 400 0 0.000\n");
}

TEST(AccessLog, ControlCharactersAreMadeVisible) {
  EXPECT_EQ(AccessLine(RequestOf("/\x1b[2J\n"), 0),
            "1970-01-01T00:00:00Z 127.0.0.1 GET /\\x1b[2J\\n 404 12 1.500\n");
}

TEST(AccessLog, LinesAreAddedToTheFile) {
  const TestFolder folder;
  const std::string path = folder.At("access.log");
  for (int run = 0; run < 2; ++run) {
    const auto log = AccessLog::Open(path).value();
    for (int k = 0; k < 100; ++k) log->Add(RequestOf("/" + std::to_string(k)));
  }
  const std::string text = ReadFile(path).value();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 200);
  EXPECT_NE(text.find(" /99 404 12 1.500\n"), std::string::npos);
}

TEST(AccessLog, WhereNothingCanBeWrittenIsSaid) {
  EXPECT_FALSE(AccessLog::Open("/nowhere/access.log").ok());
}

}  // namespace
}  // namespace cf::access_log_test
