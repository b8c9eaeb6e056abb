#include "launch/meeting.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>

#include "common/base/files.h"
#include "common/base/host.h"
#include "common/base/status.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// Between two marks of a rank, and how much older than the newest of all a mark may be: the clock is
// that of the file server.
constexpr std::chrono::seconds kMarkInterval(2);
constexpr std::chrono::seconds kMarkAgeMax(8);
// What the marks of ranks that began later may take to come.
constexpr std::chrono::seconds kMarkGrace(2);

std::string MarksFolder(const std::string& run) {
  return run + "/meeting";
}

std::string MarkPrefix(const std::string& name) {
  return name + ".rank";
}

}  // namespace

MeetingWatch::MeetingWatch(Options options)
    : options_(std::move(options)), thread_([this] { Watch(); }) {
}

MeetingWatch::~MeetingWatch() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
  if (!left_mark_) return;
  std::error_code ignored;
  fs::remove(
      MarksFolder(options_.run) + "/" + MarkPrefix(options_.name) + std::to_string(options_.rank),
      ignored);
  fs::remove(MarksFolder(options_.run), ignored);  // Where it is empty.
}

bool MeetingWatch::WaitFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, time, [this] { return over_; });
}

void MeetingWatch::Watch() {
  const auto deadline = std::chrono::steady_clock::now() + options_.limit +
                        std::min<std::chrono::milliseconds>(kMarkGrace, options_.limit);
  if (!WaitFor(options_.limit / 2)) return;
  for (;;) {
    if (arrived_) LeaveMark();
    if (!WaitFor(std::min<std::chrono::milliseconds>(kMarkInterval, options_.limit / 4))) return;
    if (!options_.is_looked_after && std::chrono::steady_clock::now() > deadline) GiveUp();
  }
}

void MeetingWatch::LeaveMark() {
  std::error_code error;
  if (!fs::is_directory(options_.run + "/generation", error)) return;
  fs::create_directory(MarksFolder(options_.run), error);
  left_mark_ = ReplaceFile(MarksFolder(options_.run) + "/" + MarkPrefix(options_.name) +
                               std::to_string(options_.rank),
                           HostName() + "\n")
                   .ok() ||
               left_mark_;
}

void MeetingWatch::GiveUp() const {
  const std::optional<std::vector<int>> missing =
      MissingRanks(options_.run, options_.name, options_.ranks);
  // Before rank 0 has made the run, nothing is known of the others.
  int speaker = missing.has_value() ? 0 : 1;
  while (missing.has_value() && std::ranges::find(*missing, speaker) != missing->end()) ++speaker;
  // The others are ended by mpirun, and speak for themselves where they are not.
  if (speaker != options_.rank) std::this_thread::sleep_for(kMarkAgeMax);
  const std::string who = missing.has_value() ? NameMissing(*missing, {}) : "rank 0 has";
  std::fprintf(stderr,
               "cfworker: %s not come to the meeting of the ranks within %lld s: is it stopped, or "
               "its host away?\n",
               who.c_str(),
               static_cast<long long>(
                   std::chrono::duration_cast<std::chrono::seconds>(options_.limit).count()));
  RemoveMeetingMarks(options_.run);
  ::_exit(kExitFailed);
}

std::optional<std::vector<int>> MissingRanks(const std::string& run, const std::string& name,
                                             int ranks) {
  std::error_code error;
  if (!fs::is_directory(run + "/generation", error)) return std::nullopt;
  std::map<int, fs::file_time_type> marks;
  fs::file_time_type newest = fs::file_time_type::min();
  for (fs::directory_iterator entry(MarksFolder(run), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    absl::string_view rest = file;
    int rank = 0;
    std::error_code gone;
    if (!absl::ConsumePrefix(&rest, MarkPrefix(name)) || !absl::SimpleAtoi(rest, &rank)) continue;
    const fs::file_time_type time = fs::last_write_time(entry->path(), gone);
    if (gone) continue;
    marks[rank] = time;
    newest = std::max(newest, time);
  }
  std::vector<int> missing;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto found = marks.find(rank);
    if (found == marks.end() || newest - found->second > kMarkAgeMax) missing.push_back(rank);
  }
  return missing;
}

void RemoveMeetingMarks(const std::string& run) {
  std::error_code ignored;
  fs::remove_all(MarksFolder(run), ignored);
}

std::string NameMissing(const std::vector<int>& missing, const std::vector<std::string>& hosts) {
  constexpr std::size_t kNamedMax = 4;
  if (missing.empty()) return "the ranks have";
  std::string text = missing.size() == 1 ? "rank " : "ranks ";
  for (std::size_t k = 0; k < std::min(missing.size(), kNamedMax); ++k) {
    const auto rank = static_cast<std::size_t>(missing[k]);
    absl::StrAppend(&text, k > 0 ? ", " : "", rank);
    if (rank < hosts.size() && !hosts[rank].empty()) absl::StrAppend(&text, " on ", hosts[rank]);
  }
  if (missing.size() > kNamedMax) {
    absl::StrAppend(&text, " and ", missing.size() - kNamedMax, " others");
  }
  return text + (missing.size() == 1 ? " has" : " have");
}

}  // namespace cf
