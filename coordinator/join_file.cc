#include "coordinator/join_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <map>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/kernels/kernels.h"

namespace cf {
namespace {

constexpr std::size_t kKeyDigits = 2 * sizeof(JobKey);

std::string Print(const JoinFile& file) {
  const std::string key(reinterpret_cast<const char*>(file.key.data()), file.key.size());
  return absl::StrCat("program: ", file.program, "\nhost: ", file.host,
                      "\naddress: ", file.reception.address, "\nport: ", file.reception.port,
                      "\ngeneration: ", file.generation, "\nkey: ", absl::BytesToHexString(key),
                      "\n");
}

absl::Status WriteTo(int file, const std::string& text, const std::string& path) {
  const ssize_t written = ::write(file, text.data(), text.size());
  if (written < 0) return ErrnoError(errno, path);
  if (static_cast<std::size_t>(written) != text.size()) return ErrnoError(ENOSPC, path);
  return absl::OkStatus();
}

}  // namespace

std::string JoinProgram(const std::string& version) {
  return absl::StrCat(version, ", arithmetic ", kArithmeticVersion);
}

absl::Status WriteJoinFile(const std::string& path, const JoinFile& file) {
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  ::unlink(temporary.c_str());
  const int made = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return ErrnoError(errno, temporary);
  absl::Status written = WriteTo(made, Print(file), temporary);
  ::close(made);
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    written = ErrnoError(errno, path);
  }
  if (!written.ok()) ::unlink(temporary.c_str());
  return written;
}

absl::StatusOr<JoinFile> ReadJoinFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadOwnFile(path);
  if (!text.ok()) return text.status();
  std::map<std::string, std::string> fields;
  for (const auto line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    fields.insert(field);
  }
  JoinFile file{.program = fields["program"],
                .host = fields["host"],
                .reception = {.address = fields["address"]}};
  std::uint32_t port = 0;
  if (!absl::SimpleAtoi(fields["port"], &port) || port == 0 || port > 65535 ||
      !absl::SimpleAtoi(fields["generation"], &file.generation) ||
      fields["key"].size() != kKeyDigits ||
      fields["key"].find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::DataLossError(absl::StrCat(path, ": it is not as a running job has written it"));
  }
  file.reception.port = static_cast<std::uint16_t>(port);
  const std::string key = absl::HexStringToBytes(fields["key"]);
  std::ranges::transform(key, file.key.begin(), [](char c) { return static_cast<std::byte>(c); });
  return file;
}

}  // namespace cf
