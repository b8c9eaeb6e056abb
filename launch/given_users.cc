#include "launch/given_users.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/status.h"
#include "common/text/numbers.h"
#include "launch/snapshot_output.h"
#include "serving/pair_file.h"
#include "serving/title_search.h"

namespace cf {
namespace {

// What the thread has computed: how long a request waits for a processor is not its own.
double SecondsOfThread() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

absl::StatusOr<GivenUsers> GivenUsers::Read(const std::string& path, const RecordFlags& records,
                                            const std::string& only, const OpenModel& open) {
  const TitleSearch titles(open.catalogue());
  const absl::StatusOr<PairFile> file = PairFile::Read(path,
                                                       {.users = PairFile::Users::kOptional,
                                                        .records = records.options,
                                                        .titles = &titles,
                                                        .known_users = false},
                                                       open.data());
  if (!file.ok()) return file.status();
  const bool rates = open.model().spec().predicts_ratings();
  if (rates && !file->has_ratings()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has no ratings, which this model learns from"));
  }
  GivenUsers read;
  read.names_users_ = file->has_users() && only.empty();
  std::map<std::string, std::size_t> places;
  std::uint64_t unknown = 0;
  for (const NamedPair& pair : file->pairs()) {
    if (!only.empty() && file->has_users() && pair.raw_user != only) continue;
    const std::string& name = only.empty() ? pair.raw_user : only;
    if (!pair.item.has_value() || (rates && !pair.rating.has_value())) {
      ++unknown;
      continue;
    }
    const auto [place, added] = places.try_emplace(name, read.users_.size());
    if (added) {
      read.users_.push_back({.raw_user = name, .user = open.data().FindUser(name), .given = {}});
    }
    read.users_[place->second].given.push_back(
        {.item = *pair.item, .rating = pair.rating.value_or(1)});
  }
  if (read.users_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has no rating of an item of the data set",
                     only.empty() ? "" : absl::StrCat(" by user ", only)));
  }
  if (unknown > 0) {
    Note(absl::StrCat(path, ": ", Counted(unknown, "line"), unknown == 1 ? " is" : " are",
                      " of an item that is not in the data set, or without a rating"));
  }
  return read;
}

std::string FoldInTimes::Summary() const {
  std::vector<double> sorted = seconds_;
  std::sort(sorted.begin(), sorted.end());
  const auto milliseconds = [&](double share) {
    const auto place = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
    return 1000 * sorted[std::min(place, sorted.size() - 1)];
  };
  if (sorted.empty()) return "nobody folded in";
  return absl::StrFormat("%s folded in, %.2f ms of one thread each (median; 99 %% within %.2f ms)",
                         Counted(sorted.size(), "user"), milliseconds(0.5), milliseconds(0.99));
}

absl::StatusOr<UserRow> FoldInUser(const OpenModel& open, const FoldIn& fold_in,
                                   const GivenUser& user, FoldInTimes& times) {
  const double begin = SecondsOfThread();
  absl::StatusOr<UserRow> row = fold_in.Solve(user.All(open.catalogue()));
  times.Add(SecondsOfThread() - begin);
  if (row.ok() || user.raw_user.empty()) return row;
  return Because(row.status(), absl::StrCat("user ", user.raw_user));
}

}  // namespace cf
