#include "run/run_folder.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <string_view>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/host.h"
#include "common/base/scratch_folder.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// Small files of a run are lines of "name: value", to be read by people and by shell scripts alike.
using Fields = std::map<std::string, std::string>;

constexpr char kRanks[] = "ranks";      // In a request for another number of them.
constexpr char kLaunch[] = "launch";    // In a verdict and in a generation.
constexpr char kBegun[] = "begun";      // In a generation: when its ranks had met,
constexpr char kResized[] = "resized";  // and when it was to follow a change of the roster.

std::string PrintLine(const std::string& name, const std::string& value) {
  return absl::StrCat(name, ": ", absl::StrReplaceAll(value, {{"\n", " "}}), "\n");
}

Fields ParseFields(const std::string& text) {
  Fields fields;
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    fields.insert(field);
  }
  return fields;
}

std::string NowInWords() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  ::gmtime_r(&now, &utc);
  char text[64] = {};
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string ThisProcess() {
  return PrintLine("host", HostName()) + PrintLine("pid", absl::StrCat(::getpid())) +
         PrintLine("since", NowInWords());
}

absl::StatusOr<std::string> RandomHex() {
  char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    return ErrnoError(errno, "drawing a nonce");
  }
  return absl::BytesToHexString({bytes, sizeof bytes});
}

std::string Describe(const Fields& claim) {
  const auto field = [&claim](const char* name) {
    const auto found = claim.find(name);
    return found == claim.end() ? std::string("unknown") : found->second;
  };
  // Whoever holds the lock may not have written its name yet.
  if (claim.empty()) return "another process";
  return absl::StrCat("process ", field("pid"), " on host ", field("host"), " since ",
                      field("since"));
}

constexpr std::pair<EndCause, const char*> kCauses[] = {{EndCause::kFinished, "finished"},
                                                        {EndCause::kSignal, "signal"},
                                                        {EndCause::kRequest, "request"},
                                                        {EndCause::kLost, "lost"},
                                                        {EndCause::kFailed, "failed"}};

std::string NameOf(EndCause cause) {
  for (const auto& [known, name] : kCauses) {
    if (known == cause) return name;
  }
  return "failed";
}

EndCause CauseOf(const std::string& name) {
  for (const auto& [cause, known] : kCauses) {
    if (name == known) return cause;
  }
  return EndCause::kFailed;  // Nobody restarts what is not understood.
}

// What is no code of ours would become another one on its way out of a process, 256 a success.
ExitCode ExitCodeFrom(int number) {
  for (const ExitCode code : {kExitFinished, kExitUserInput, kExitContinue}) {
    if (number == code) return code;
  }
  return kExitFailed;
}

absl::Status WriteAll(int file, const std::string& contents, const std::string& path) {
  const ssize_t written = ::pwrite(file, contents.data(), contents.size(), 0);
  if (written < 0) return ErrnoError(errno, path);
  // A few lines are written whole or not at all, short of a full disk.
  if (static_cast<std::size_t>(written) != contents.size()) return ErrnoError(ENOSPC, path);
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && fs::is_directory(path, error)) return absl::OkStatus();
  if (error == std::errc::permission_denied) return ErrnoError(EACCES, path);
  if (error && error != std::errc::not_a_directory && error != std::errc::file_exists) {
    return ErrnoError(error.value(), path);
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": a file is where a folder should be"));
}

// No run has so many lives.
constexpr std::uint64_t kGenerationMax = 1'000'000'000;

// What follows the name of a file while it is written, before the process (WriteFileAtomically).
constexpr std::string_view kTemporaryMark = ".tmp.";
// Of which whoever writes it has long been done.
constexpr std::time_t kLeftoverSeconds = 60;

// The numbers of the generations in `folder`, in no order.
absl::StatusOr<std::vector<std::uint64_t>> GenerationsIn(const std::string& folder) {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    // As they are written here, and no others' files: a huge number would leave none to follow it.
    const std::string name = entry->path().filename().string();
    std::uint64_t number = 0;
    if (absl::SimpleAtoi(name, &number) && name == absl::StrCat(number) &&
        number <= kGenerationMax) {
      numbers.push_back(number);
    }
  }
  if (error) return ErrnoError(error.value(), folder);
  return numbers;
}

absl::StatusOr<std::uint64_t> HighestGeneration(const std::string& folder) {
  const absl::StatusOr<std::vector<std::uint64_t>> numbers = GenerationsIn(folder);
  if (!numbers.ok()) return numbers.status();
  return numbers->empty() ? 0 : *std::max_element(numbers->begin(), numbers->end());
}

// Creates `path` with `contents`; AlreadyExists where somebody did before.
absl::Status CreateExclusively(const std::string& path, const std::string& contents) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  absl::Status written = WriteAll(file, contents, path);
  if (!written.ok()) return written;
  return ::fsync(file) == 0 ? absl::OkStatus() : ErrnoError(errno, path);
}

struct flock WholeFile(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)),
      made_(std::move(other.made_)),
      is_new_(std::exchange(other.is_new_, false)),
      lock_(std::exchange(other.lock_, -1)),
      nonce_(std::move(other.nonce_)),
      launch_(std::move(other.launch_)),
      claim_path_(std::move(other.claim_path_)) {
}

RunFolder& RunFolder::operator=(RunFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(made_, other.made_);
  std::swap(is_new_, other.is_new_);
  std::swap(lock_, other.lock_);
  std::swap(nonce_, other.nonce_);
  std::swap(launch_, other.launch_);
  std::swap(claim_path_, other.claim_path_);
  return *this;
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

absl::StatusOr<RunFolder> RunFolder::Create(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the run folder has no name: give --run");
  RunFolder run(path);
  std::error_code error;
  for (fs::path at = fs::absolute(path, error).lexically_normal();
       at.has_relative_path() && !fs::exists(at, error); at = at.parent_path()) {
    run.made_ = at.string();
  }
  run.is_new_ = !fs::exists(run.generations_path(), error);
  for (const std::string& folder : {run.generations_path(), run.snapshots_path()}) {
    if (absl::Status made = MakeFolder(folder); !made.ok()) return made;
  }
  return run;
}

absl::StatusOr<RunFolder> RunFolder::Open(const std::string& path) {
  RunFolder run(path);
  std::error_code error;
  if (!fs::is_directory(run.generations_path(), error)) {
    return absl::NotFoundError(absl::StrCat(path, ": no run is here"));
  }
  return run;
}

absl::StatusOr<int> RunFolder::Lock(const std::string& who) const {
  Check(lock_ < 0, "a run is claimed once");
  const int lock = ::open(lock_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return ErrnoError(errno, lock_path());
  absl::Cleanup close = [lock] { ::close(lock); };

  // A lock of the open file rather than of the process: a library that opens and closes the same
  // file elsewhere in this process does not lose it.
  struct flock whole = WholeFile(F_WRLCK);
  if (::fcntl(lock, F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return ErrnoError(errno, "locking " + lock_path());
    const absl::StatusOr<std::string> holder = ReadOwnFile(lock_path());
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " is in use by ", Describe(ParseFields(holder.value_or(""))),
                     ": wait for it, stop it, or choose another --run"));
  }
  if (::ftruncate(lock, 0) != 0) return ErrnoError(errno, lock_path());
  if (absl::Status named = WriteAll(lock, who, lock_path()); !named.ok()) return named;
  std::move(close).Cancel();
  return lock;
}

absl::Status RunFolder::Hold() {
  const absl::StatusOr<int> lock = Lock(ThisProcess());
  if (!lock.ok()) return lock.status();
  lock_ = *lock;
  RemoveLeftovers();
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> RunFolder::ClaimGeneration(const std::string& launch) {
  const std::string who = ThisProcess();
  const std::string started_by = launch.empty() ? "" : PrintLine(kLaunch, launch);
  const absl::StatusOr<int> lock = lock_ >= 0 ? lock_ : Lock(who);
  if (!lock.ok()) return lock.status();
  absl::Cleanup close = [this, &lock] {
    if (lock_ < 0) ::close(*lock);
  };
  const absl::StatusOr<std::string> random = RandomHex();
  if (!random.ok()) return random.status();

  absl::StatusOr<std::uint64_t> generation = HighestGeneration(generations_path());
  if (!generation.ok()) return generation;
  for (;;) {
    ++*generation;
    const std::string nonce = absl::StrCat(*generation, "-", *random);
    const std::string path = absl::StrCat(generations_path(), "/", *generation);
    const absl::Status created =
        CreateExclusively(path, who + PrintLine("nonce", nonce) + started_by);
    // A shared file system may list the folder late; the exclusive creation is what decides.
    if (absl::IsAlreadyExists(created)) continue;
    if (!created.ok()) return created;
    nonce_ = nonce;
    launch_ = launch;
    claim_path_ = path;
    break;
  }
  if (absl::Status synced = SyncPath(generations_path()); !synced.ok()) return synced;
  lock_ = *lock;
  std::move(close).Cancel();
  return generation;
}

void RunFolder::Discard() const {
  if (!is_new_) return;
  std::error_code ignored;
  for (const fs::directory_entry& claim : fs::directory_iterator(generations_path(), ignored)) {
    fs::remove(claim.path(), ignored);
  }
  // Folders go only where nothing is left in them.
  for (const std::string& path : {generations_path(), snapshots_path(), job_path(), history_path(),
                                  log_path(), verdict_path(), status_path(), report_path(),
                                  stop_path(), join_path(), resize_path(), lock_path()}) {
    fs::remove(path, ignored);
  }
  if (made_.empty()) return;
  fs::path at = fs::absolute(path_, ignored).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  for (; at.string().size() >= made_.size() && fs::remove(at, ignored); at = at.parent_path()) {
  }
}

absl::StatusOr<std::vector<std::string>> RunFolder::Begin() const {
  Check(lock_ >= 0, "only the claimed generation begins");
  std::vector<std::string> remarks;
  for (const std::string& path : files()) {
    if (!IsInPlaceOfAFile(path)) continue;
    const absl::StatusOr<std::string> aside = MoveAside(path);
    if (!aside.ok()) return aside.status();
    remarks.push_back(absl::StrCat(path, ": not a file; it is ", *aside, " now"));
  }
  for (const std::string& path :
       {verdict_path(), status_path(), stop_path(), join_path(), resize_path()}) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoError(errno, path);
  }
  // Marks of a start that was killed while its ranks were meeting.
  std::error_code ignored;
  fs::remove_all(path_ + "/meeting", ignored);
  RemoveLeftovers();
  if (absl::Status noted = AddToClaim(PrintLine(kBegun, NowInWords())); !noted.ok()) return noted;
  return remarks;
}

// One line more at the end of the claim: whoever reads it meanwhile reads what was there.
absl::Status RunFolder::AddToClaim(const std::string& line) const {
  const int claim = ::open(claim_path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (claim < 0) return ErrnoError(errno, claim_path_);
  const absl::Cleanup close = [claim] { ::close(claim); };
  if (::write(claim, line.data(), line.size()) < 0) return ErrnoError(errno, claim_path_);
  return absl::OkStatus();
}

absl::Status RunFolder::Continue() const {
  Check(lock_ >= 0, "only the claimed generation goes on");
  const std::string verdict = verdict_path();
  if (::unlink(verdict.c_str()) != 0 && errno != ENOENT) return ErrnoError(errno, verdict);
  RemoveLeftovers();
  return absl::OkStatus();
}

absl::Status RunFolder::NoteResized() const {
  Check(lock_ >= 0, "a claim is noted in by its holder");
  return AddToClaim(PrintLine(kResized, NowInWords()));
}

std::uint64_t RunFolder::LossesBetween(std::uint64_t since, std::uint64_t last) const {
  std::uint64_t losses = 0;
  for (std::uint64_t number = since + 1; number <= last; ++number) {
    const std::string path = absl::StrCat(generations_path(), "/", number);
    if (!ParseFields(ReadOwnFile(path).value_or("")).contains(kResized)) ++losses;
  }
  return losses;
}

void RunFolder::RemoveLeftovers() const {
  Check(lock_ >= 0, "what is left may be a living job's");
  std::vector<std::string> ours;
  for (const std::string& path : files()) ours.push_back(fs::path(path).filename().string());
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    const std::size_t end = std::min(name.rfind(kTemporaryMark), name.size());
    const std::string whole = name.substr(0, end);
    std::uint64_t pid = 0;
    if (std::ranges::find(ours, whole) == ours.end() || end == name.size() ||
        !absl::SimpleAtoi(name.substr(end + kTemporaryMark.size()), &pid)) {
      continue;
    }
    // Those who look at a run write there as well, a report or a request to stop: not for so long.
    struct stat info = {};
    const bool is_old = ::stat(entry.path().c_str(), &info) == 0 &&
                        std::time(nullptr) - info.st_mtim.tv_sec >= kLeftoverSeconds;
    const bool is_of_others = whole == "stop" || whole == "resize" || whole == "report.html";
    if (!is_of_others || is_old) fs::remove(entry.path(), ignored);
  }
  ScratchFolder::RemoveDead(ScratchPathIn(path_));
}

const std::string& RunFolder::nonce() const {
  Check(!nonce_.empty(), "a nonce belongs to a claim");
  return nonce_;
}

absl::Status RunFolder::CheckVisible(const std::string& path, const std::string& nonce) {
  const RunFolder run(path);
  const std::string generation = nonce.substr(0, nonce.find('-'));
  const absl::StatusOr<std::string> text = ReadOwnFile(run.generations_path() + "/" + generation);
  const Fields claim = ParseFields(text.value_or(""));
  const auto found = claim.find("nonce");
  if (found != claim.end() && found->second == nonce) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("host ", HostName(), " does not see the run folder ", path,
                   " of rank 0: it must be on a file system that all hosts share"));
}

absl::Status RunFolder::WriteVerdict(const Verdict& verdict) const {
  Verdict own = verdict;
  if (!launch_.empty()) own.launch = launch_;
  return WriteFileAtomically(verdict_path(), PrintVerdict(own));
}

std::string PrintVerdict(const Verdict& verdict) {
  return PrintLine("exit_code", absl::StrCat(static_cast<int>(verdict.exit_code))) +
         PrintLine("cause", NameOf(verdict.cause)) + PrintLine("text", verdict.text) +
         PrintLine("snapshot", verdict.snapshot) + PrintLine("lost_host", verdict.lost_host) +
         (verdict.launch.empty() ? "" : PrintLine(kLaunch, verdict.launch));
}

absl::StatusOr<Verdict> RunFolder::ReadVerdict() const {
  const absl::StatusOr<std::string> text = ReadOwnFile(verdict_path());
  return text.ok() ? ParseVerdict(*text, verdict_path()) : text.status();
}

absl::StatusOr<Verdict> ParseVerdict(const std::string& text, const std::string& name) {
  Fields fields = ParseFields(text);
  int code = 0;
  if (!absl::SimpleAtoi(fields["exit_code"], &code)) {
    return absl::DataLossError(absl::StrCat(name, ": no exit_code"));
  }
  return Verdict{.exit_code = ExitCodeFrom(code),
                 .cause = CauseOf(fields["cause"]),
                 .text = fields["text"],
                 .snapshot = fields["snapshot"],
                 .lost_host = fields["lost_host"],
                 .launch = fields[kLaunch]};
}

absl::Status RunFolder::RequestStop() const {
  return WriteFileAtomically(stop_path(), ThisProcess());
}

absl::Status RunFolder::AskForRanks(std::uint32_t ranks) const {
  return WriteFileAtomically(resize_path(), PrintLine(kRanks, absl::StrCat(ranks)) + ThisProcess());
}

// On NFS the absence of a file is remembered for up to a minute, unless its folder was opened anew and
// found changed.
void RunFolder::LookAnew() const {
  const int folder = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) ::close(folder);
}

std::optional<std::uint32_t> RunFolder::RanksAskedFor() const {
  LookAnew();
  Fields request = ParseFields(ReadOwnFile(resize_path()).value_or(""));
  std::uint32_t ranks = 0;
  if (!absl::SimpleAtoi(request[kRanks], &ranks) || ranks == 0) return std::nullopt;
  return ranks;
}

bool RunFolder::StopRequested() const {
  LookAnew();
  return ::access(stop_path().c_str(), F_OK) == 0;
}

LifeStage RunFolder::StageOf(const std::string& launch, std::uint64_t since) const {
  const absl::StatusOr<std::vector<std::uint64_t>> numbers = GenerationsIn(generations_path());
  LifeStage stage = LifeStage::kNone;
  if (!numbers.ok()) return stage;
  for (const std::uint64_t number : *numbers) {
    if (number <= since) continue;
    const std::string path = absl::StrCat(generations_path(), "/", number);
    Fields claim = ParseFields(ReadOwnFile(path).value_or(""));
    if (claim[kLaunch] != launch) continue;
    stage = std::max(stage, claim.contains(kBegun) ? LifeStage::kBegun : LifeStage::kClaimed);
  }
  return stage;
}

absl::StatusOr<std::uint64_t> RunFolder::LastGeneration() const {
  return HighestGeneration(generations_path());
}

absl::StatusOr<std::string> RunFolder::Holder() const {
  // To ask takes no right to write: the run may be somebody else's, or on a read-only disk.
  const int file = ::open(lock_path().c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return std::string();
  if (file < 0) return ErrnoError(errno, lock_path());
  const absl::Cleanup close = [file] { ::close(file); };
  struct flock whole = WholeFile(F_WRLCK);
  if (::fcntl(file, F_OFD_GETLK, &whole) != 0) return ErrnoError(errno, lock_path());
  if (whole.l_type == F_UNLCK) return std::string();
  const absl::StatusOr<std::string> holder = ReadOwnFile(lock_path());
  return Describe(ParseFields(holder.value_or("")));
}

bool RunFolder::IsLockOfThisHost() const {
  const Fields holder = ParseFields(ReadOwnFile(lock_path()).value_or(""));
  const auto host = holder.find("host");
  return host != holder.end() && host->second == HostName();
}

}  // namespace cf
