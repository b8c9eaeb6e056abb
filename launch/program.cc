#include "launch/program.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include <absl/strings/str_cat.h>
#include <google/protobuf/stubs/logging.h>

#include "common/text/display.h"
#include "launch/output_relay.h"

namespace cf {
namespace {

void SayError(const std::string& name, absl::string_view message) {
  std::fprintf(stderr, "%s%s%s\n", name.c_str(), name.empty() ? "" : ": ",
               Printable({message.data(), message.size()}).c_str());
}

}  // namespace

void BeginProgram() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // What is wrong with a file we say ourselves, in one line.
  google::protobuf::SetLogHandler(nullptr);
}

int EndProgram(const std::string& name, const absl::StatusOr<ExitCode>& ended) {
  int code = ended.ok() ? *ended : ExitCodeOf(ended.status());
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int error = errno;
  if ((!flushed || std::ferror(stdout) != 0) && !IsReaderGone(STDOUT_FILENO)) {
    SayError(name, absl::StrCat("standard output: cannot write",
                                flushed ? "" : absl::StrCat(" (", std::strerror(error), ")")));
    if (code == kExitFinished) code = kExitFailed;
  }
  if (absl::IsCancelled(ended.status())) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  if (!ended.ok() && !ended.status().message().empty()) SayError(name, ended.status().message());
  return code;
}

}  // namespace cf
