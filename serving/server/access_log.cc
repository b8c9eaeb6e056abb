#include "serving/server/access_log.h"

#include <cerrno>
#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/status.h"
#include "common/text/display.h"

namespace cf {
namespace {

constexpr std::size_t kWaitingMax = std::size_t{4} << 20;

// How often lines are written: together they cost less.
constexpr std::chrono::milliseconds kPause(200);

}  // namespace

std::string AccessLine(const AnsweredRequest& request, std::int64_t seconds_since_1970) {
  const auto seconds = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts = {};
  ::gmtime_r(&seconds, &parts);
  char time[32];
  const std::size_t length = std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &parts);
  const std::string target = request.target.empty() ? "-" : Printable(request.target);
  const std::string method = request.method.empty() ? "-" : Printable(request.method);
  return absl::StrFormat("%s %s %s %s %d %d %.3f\n", std::string(time, length), request.remote,
                         method, target, request.status, request.body_bytes,
                         std::chrono::duration<double, std::milli>(request.duration).count());
}

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path) {
  if (path == "-") return std::unique_ptr<AccessLog>(new AccessLog(STDOUT_FILENO, false));
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return ErrnoError(errno, path);
  return std::unique_ptr<AccessLog>(new AccessLog(file, true));
}

AccessLog::AccessLog(int file, bool owned)
    : file_(file), owned_(owned), writer_([this] { Work(); }) {
}

AccessLog::~AccessLog() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  added_.notify_one();
  writer_.join();
  if (owned_) ::close(file_);
}

void AccessLog::Add(const AnsweredRequest& request) {
  const std::string line = AccessLine(request, std::time(nullptr));
  const std::scoped_lock lock(mutex_);
  if (lines_.size() + line.size() > kWaitingMax) {
    ++dropped_;
  } else {
    lines_ += line;
  }
}

void AccessLog::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    added_.wait_for(lock, kPause, [this] { return closing_; });
    std::string lines = std::exchange(lines_, {});
    const std::uint64_t dropped = std::exchange(dropped_, 0);
    const bool last = closing_;
    lock.unlock();
    if (dropped > 0) absl::StrAppend(&lines, "- ", dropped, " lines were dropped\n");
    WriteAll(lines);
    if (last) return;
    lock.lock();
  }
}

// A log that cannot be written stops nobody from being served.
void AccessLog::WriteAll(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(file_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace cf
