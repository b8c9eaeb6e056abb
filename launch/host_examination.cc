#include "launch/host_examination.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <xxhash.h>

#include "common/base/files.h"
#include "common/base/memory_figures.h"
#include "common/base/scratch_folder.h"
#include "common/base/status.h"
#include "common/dataset/dataset.h"
#include "common/text/numbers.h"
#include "launch/command_line.h"
#include "launch/resources.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// Descriptors of a rank: files and libraries, and for each other rank a connection and two ways of
// shared memory of two descriptors each.
constexpr std::uint64_t kDescriptorsAlone = 64;
constexpr std::uint64_t kDescriptorsPerPeer = 5;
// Threads of a rank beside those that compute: the mesh's, the watch, RocksDB's, a few of a moment.
constexpr std::uint64_t kThreadsBeside = 12;
// What a temporary folder has to have room for: Open MPI's session, and in it the memory that it shares
// between ranks, for each of them.
constexpr std::uint64_t kSessionBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kSessionBytesPerRank = std::uint64_t{4} << 20;
constexpr std::size_t kDigestShown = 12;
constexpr char kProbePrefix[] = "cf-doctor-";

std::string LimitText(std::uint64_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : WithThousands(limit);
}

std::uint64_t SoftLimit(int resource) {
  rlimit limit = {};
  return ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0 ? limit.rlim_cur
                                                                              : RLIM_INFINITY;
}

void AddProgram(RankReport& report) {
  std::string text = VersionText("cfworker");
  if (const absl::StatusOr<MappedFile> self = MappedFile::Open("/proc/self/exe"); self.ok()) {
    const auto bytes = self->bytes();
    absl::StrAppend(&text, " ",
                    absl::StrFormat("%016x", XXH3_64bits(bytes.data(), bytes.size())).substr(0, 8));
  }
  AddFinding(report, "program", text);
}

/// The number in a file of the control group of this process that counts processes, version 2 or 1.
std::optional<std::uint64_t> ProcessesOfGroup(const std::string& name) {
  const std::string groups = ReadFile("/proc/self/cgroup").value_or("");
  for (const auto line : absl::StrSplit(groups, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3 || (!fields[1].empty() && fields[1] != "pids")) continue;
    const std::string root = fields[1].empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    std::uint64_t number = 0;
    const std::string text = ReadFile(absl::StrCat(root, fields[2], "/", name)).value_or("");
    if (absl::SimpleAtoi(text, &number)) return number;
  }
  return std::nullopt;
}

void AddProcesses(RankReport& report, const HostUse& use) {
  std::uint64_t left = SoftLimit(RLIMIT_NPROC);
  std::string text = LimitText(left);
  if (const auto most = ProcessesOfGroup("pids.max"); most.has_value() && *most < left) {
    left = *most - std::min(*most, ProcessesOfGroup("pids.current").value_or(0));
    text = absl::StrCat(LimitText(*most), " of its control group, ", LimitText(left), " left");
  }
  const std::uint64_t needed = use.ranks_on_host * (use.threads + kThreadsBeside);
  AddFinding(report, "processes and threads", text,
             left < needed ? absl::StrCat(WithThousands(needed), " for its ranks") : "");
}

void AddOpenFiles(RankReport& report, const HostUse& use) {
  const std::uint64_t limit = SoftLimit(RLIMIT_NOFILE);
  const std::uint64_t needed = kDescriptorsAlone + kDescriptorsPerPeer * (use.ranks - 1);
  AddFinding(report, "open files", LimitText(limit),
             limit < needed ? absl::StrCat(WithThousands(needed), " (ulimit -n)") : "");
}

void AddTemporaryFolder(RankReport& report, const HostUse& use) {
  std::error_code error;
  const std::string folder = fs::temp_directory_path(error).string();
  const absl::StatusOr<ScratchFolder> probe =
      error ? absl::StatusOr<ScratchFolder>(ErrnoError(error.value(), "TMPDIR"))
            : ScratchFolder::Open(folder, kProbePrefix);
  if (!probe.ok()) {
    AddFinding(report, "temporary files", std::string(probe.status().message()),
               "a folder that can be written to (TMPDIR)");
    return;
  }
  const std::uint64_t left = fs::space(folder, error).available;
  const std::uint64_t needed = kSessionBytes + kSessionBytesPerRank * use.ranks_on_host;
  AddFinding(report, "temporary files", absl::StrCat(folder, ", ", SizeText(left), " left"),
             left < needed ? SizeText(needed) + " for Open MPI" : "");
}

void AddSharedMemory(RankReport& report) {
  std::error_code error;
  const fs::space_info space = fs::space("/dev/shm", error);
  AddFinding(report, "/dev/shm", error ? error.message() : SizeText(space.available) + " left");
}

// --- The job's things ----------------------------------------------------------------------------

void AddRunFolder(RankReport& report, const DoctorNote& note, bool holds_lock) {
  if (note.probe_folder().empty()) return;
  const std::string folder = fs::path(note.probe_folder()).parent_path().string();
  const absl::StatusOr<std::string> text = ReadFile(note.probe_folder() + "/text");
  if (!text.ok() || *text != note.probe_text()) {
    AddFinding(report, "run folder", absl::StrCat("does not see what rank 0 wrote in ", folder),
               "a folder on a file system that all hosts share");
    return;
  }
  if (!holds_lock) {
    const absl::StatusOr<UniqueFd> lock = LockProbe(note.probe_folder());
    if (lock.ok() || !absl::IsFailedPrecondition(lock.status())) {
      AddFinding(report, "run folder",
                 lock.ok() ? absl::StrCat("does not see rank 0's lock in ", folder)
                           : std::string(lock.status().message()),
                 "a file system whose locks (fcntl) hold between hosts");
      return;
    }
  }
  std::error_code error;
  AddFinding(
      report, "run folder",
      absl::StrCat("shared, locks hold, ", SizeText(fs::space(folder, error).available), " left"));
}

void AddData(RankReport& report, const HostUse& use, const DoctorNote& note) {
  if (note.data_digest().empty()) return;  // Rank 0 says why.
  const absl::StatusOr<Dataset> data =
      Dataset::Open(note.job().data().path(), Dataset::Pages::kAreGivenBack);
  if (!data.ok()) {
    AddFinding(report, "data set", std::string(data.status().message()), "the one that rank 0 has");
    return;
  }
  const absl::Status whole =
      data->CheckColumns({.index = use.rank_on_host, .count = use.ranks_on_host});
  if (!whole.ok()) {
    AddFinding(report, "data set", std::string(whole.message()), "the bytes that were imported");
    return;
  }
  AddFinding(report, "data set", data->digest().substr(0, kDigestShown),
             data->digest() == note.data_digest()
                 ? ""
                 : absl::StrCat(note.data_digest().substr(0, kDigestShown), ", which rank 0 has"));
}

void AddMemory(RankReport& report, const HostUse& use, const DoctorNote& note) {
  if (note.rank_memory_bytes() == 0) return;
  const std::uint64_t needed = note.rank_memory_bytes() * use.ranks_on_host;
  const std::uint64_t there = ResourcesOfThisHost().memory;
  AddFinding(report, "memory for the job", SizeText(needed),
             there > 0 && needed > there
                 ? absl::StrCat("at most ", SizeText(there),
                                ": fewer ranks on it, more hosts, or storage.memory_budget_mib")
                 : "");
}

void AddScratch(RankReport& report, const HostUse& use, const DoctorNote& note) {
  const std::string& directory = note.job().storage().directory();
  if (note.rank_scratch_bytes() == 0 || directory.empty()) return;
  const std::string folder = NearestFolder(directory);
  const std::uint64_t needed = note.rank_scratch_bytes() * use.ranks_on_host;
  std::error_code error;
  const std::uint64_t left = fs::space(folder, error).available;
  std::string expected;
  if (::access(folder.c_str(), W_OK) != 0) {
    expected = "a folder that can be written to";
  } else if (left < needed) {
    expected = SizeText(needed) + " for rows on disk";
  }
  AddFinding(report, "rows on disk", absl::StrCat(folder, ", ", SizeText(left), " left"), expected);
}

}  // namespace

std::string NearestFolder(const std::string& path) {
  std::error_code error;
  fs::path at = fs::absolute(path, error);
  while (at.has_relative_path() && !fs::is_directory(at, error)) at = at.parent_path();
  return at.string();
}

std::string SizeText(std::uint64_t bytes) {
  constexpr double kStep = 1024;
  double size = static_cast<double>(bytes);
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; size >= kStep && unit + 1 < std::size(units); ++unit) size /= kStep;
  return absl::StrCat(FixedText(size, unit == 0 ? 0 : 1), " ", units[unit]);
}

void AddFinding(RankReport& report, const std::string& what, const std::string& value,
                const std::string& expected) {
  Finding& finding = *report.add_findings();
  finding.set_what(what);
  finding.set_value(value);
  finding.set_expected(expected);
}

absl::StatusOr<UniqueFd> LockProbe(const std::string& folder) {
  const std::string path = folder + "/claim";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.get() < 0) return ErrnoError(errno, path);
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_OFD_SETLK, &whole) == 0) return file;
  if (errno == EAGAIN || errno == EACCES)
    return absl::FailedPreconditionError(path + " is locked by another");
  return absl::InternalError(
      absl::StrCat("locking ", path, ": ", std::generic_category().message(errno)));
}

RankReport ExamineHost(const HostUse& use) {
  RankReport report;
  const HostResources host = ResourcesOfThisHost();
  AddProgram(report);
  AddFinding(report, "ranks", WithThousands(use.ranks_on_host));
  AddFinding(report, "cores", WithThousands(host.cores));
  AddFinding(report, "memory",
             absl::StrCat(SizeText(host.memory), ", ", SizeText(AvailableMemory()), " available"));
  AddOpenFiles(report, use);
  const std::uint64_t locked = SoftLimit(RLIMIT_MEMLOCK);
  AddFinding(report, "locked memory", locked == RLIM_INFINITY ? "unlimited" : SizeText(locked));
  AddTemporaryFolder(report, use);
  AddSharedMemory(report);
  return report;
}

RankReport ExamineJob(const HostUse& use, const DoctorNote& note, bool holds_lock) {
  RankReport report;
  AddProcesses(report, use);
  AddRunFolder(report, note, holds_lock);
  AddData(report, use, note);
  AddMemory(report, use, note);
  AddScratch(report, use, note);
  return report;
}

}  // namespace cf
