#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <absl/status/statusor.h>

#include "common/http/exchange.h"

namespace cf {

/// A line for each request that has been answered: time, client, method and target, status, bytes,
/// milliseconds. Who tells it of one never waits: lines that the file does not take in time are
/// dropped, and counted in it.
///
/// Owner:   the service.
/// Threads: Add on any thread; a thread of its own writes.
/// Bounds:  4 MiB of lines that are not yet written.
class AccessLog {
 public:
  /// Appends to a file, or to standard output where `path` is "-". Errors are those of opening it.
  static absl::StatusOr<std::unique_ptr<AccessLog>> Open(const std::string& path);
  /// Writes what is left, as far as the file takes it.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void Add(const AnsweredRequest& request);

 private:
  AccessLog(int file, bool owned);
  void Work();
  void WriteAll(std::string_view text) const;

  const int file_;
  const bool owned_;
  std::mutex mutex_;  // Who adds and who writes meet here.
  std::condition_variable added_;
  std::string lines_;          // Guarded by mutex_, as are
  std::uint64_t dropped_ = 0;  // and
  bool closing_ = false;
  std::thread writer_;
};

/// The line of a request, with its end. Control characters that a client sent are made visible.
std::string AccessLine(const AnsweredRequest& request, std::int64_t seconds_since_1970);

}  // namespace cf
