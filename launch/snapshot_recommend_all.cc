// Lists for many users, into a file.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unistd.h>

#include <absl/strings/str_cat.h>

#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "launch/item_table.h"
#include "launch/snapshot_recommend.h"

namespace cf {
namespace {

/// Says on standard error how far a long search is: a line that is redrawn where a person watches,
/// else a line now and then.
class SearchProgress {
 public:
  explicit SearchProgress(std::uint64_t users)
      : users_(users), terminal_(isatty(STDERR_FILENO) == 1) {}

  void DoneOne() {
    ++done_;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const bool end = done_ == users_;
    if (!end && seconds < shown_ + (terminal_ ? 0.1 : 5.0)) return;
    shown_ = seconds;
    std::fprintf(stderr, "%s%s of %s users in %.1f s%s", terminal_ ? "\r" : "",
                 WithThousands(done_).c_str(), WithThousands(users_).c_str(), seconds,
                 terminal_ && !end ? "" : "\n");
  }

 private:
  std::uint64_t users_;
  bool terminal_;
  std::uint64_t done_ = 0;
  double shown_ = 0;  // Seconds after the start.
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The lists as CSV, user after user.
///
/// Owner:   WriteLists.
/// Threads: one.
/// Bounds:  the CSV of every item, because each is written many times.
class ListWriter {
 public:
  ListWriter(const OpenModel& open, Output& output) : open_(open), output_(output) {
    items_.resize(open.data().items());
    for (std::uint32_t k = 0; k < items_.size(); ++k) {
      items_[k] = absl::StrCat(CsvField(open.data().item_raw_id(RowId{k})), ",",
                               CsvField(open.data().title(RowId{k})), ",");
    }
    output_.Write(absl::StrCat("user,rank,item,title,", ScoreName(open.model()), ",source\n"));
  }

  void Write(const std::string& raw_user, const ItemList& list) {
    const std::string name = CsvField(raw_user);
    if (list.source == Source::kNone) {
      WriteNone(raw_user);
      return;
    }
    // A number of ratings stands in the column of scores only where that is what scores are.
    const bool folded_in = list.source == Source::kFoldIn;
    const bool scored = folded_in || list.source == open_.substance().lists();
    lines_.clear();
    for (std::size_t k = 0; k < list.items.size(); ++k) {
      const ScoredRow& row = list.items[k];
      const std::string score =
          scored ? FloatText(PredictedRating(open_.model().objective(), row.score)) : "";
      absl::StrAppend(&lines_, name, ",", k + 1, ",", items_[Index(row.id)], score, ",",
                      NameOf(open_.recommender().SourceOf(list, row.id)), "\n");
    }
    output_.Write(lines_);
    ++(scored ? by_model_ : by_popularity_);
    if (list.items.empty()) ++empty_;
    if (list.all_alike()) ++alike_;
  }

  /// The line of a user who has no list.
  void WriteNone(const std::string& raw_user) {
    ++without_;
    output_.Write(absl::StrCat(CsvField(raw_user), ",,,,,", NameOf(Source::kNone), "\n"));
  }

  /// How many users have lists of which kind, for standard error.
  std::string Summary() const {
    std::string text = absl::StrCat(Counted(by_model_, "list"), " by the model");
    if (by_popularity_ > 0) {
      absl::StrAppend(&text, ", ", WithThousands(by_popularity_),
                      " by popularity, for users without a training sample");
    }
    if (without_ > 0) {
      absl::StrAppend(&text, ", none for ", Counted(without_, "user"),
                      " without a training sample (--fallback popular)");
    }
    if (alike_ > 0) {
      absl::StrAppend(&text, "; in ", Counted(alike_, "list"),
                      " the model scores all alike, so the most rated come first");
    }
    if (empty_ > 0) absl::StrAppend(&text, "; nothing was left for ", Counted(empty_, "user"));
    return text;
  }

 private:
  const OpenModel& open_;
  Output& output_;
  std::vector<std::string> items_;  // By item: raw id and title.
  std::string lines_;
  std::uint64_t by_model_ = 0;
  std::uint64_t by_popularity_ = 0;
  std::uint64_t without_ = 0;
  std::uint64_t empty_ = 0;
  std::uint64_t alike_ = 0;
};

// What a list of somebody who is folded in leaves out, ascending: what the mask says, and what is excluded for them.
std::vector<RowId> LeftOut(const OpenModel& open, const GivenUser& user,
                           const ListOptions& options) {
  std::vector<RowId> left_out = user.Own(open.catalogue(), options.mask);
  if (!user.user.has_value() || options.choice == nullptr) return left_out;
  for (std::uint32_t k = 0; k < open.data().items(); ++k) {
    if (!options.choice->Allows(*user.user, RowId{k})) left_out.push_back(RowId{k});
  }
  std::ranges::sort(left_out);
  return left_out;
}

}  // namespace

absl::Status WriteLists(const OpenModel& open, const RecommendFlags& flags,
                        const ListOptions& options, std::span<const std::string> unknown_users,
                        Output& output) {
  ListWriter writer(open, output);
  const std::vector<RowId> users = flags.all_users ? std::vector<RowId>() : options.choice->Users();
  SearchProgress progress(flags.all_users ? open.data().users() : users.size());
  const auto write = [&](RowId user, const ItemList& list) {
    writer.Write(open.data().user_raw_id(user), list);
    progress.DoneOne();
    return output.status();
  };
  const ManyUsersOptions many = {.list = options, .threads = flags.threads};
  absl::Status written = flags.all_users ? open.recommender().ForAllUsers(many, write)
                                         : open.recommender().ForUsers(users, many, write);
  if (!written.ok()) return written;
  for (const std::string& user : unknown_users) writer.WriteNone(user);
  Note(writer.Summary());
  return output.Close();
}

absl::Status WriteGivenLists(const OpenModel& open, const FoldIn& fold_in, const GivenUsers& given,
                             const ListOptions& options, Output& output) {
  ListWriter writer(open, output);
  SearchProgress progress(given.users().size());
  FoldInTimes times;
  for (const GivenUser& user : given.users()) {
    const absl::StatusOr<UserRow> row = FoldInUser(open, fold_in, user, times);
    if (!row.ok()) return row.status();
    writer.Write(user.raw_user,
                 open.recommender().TopItems(*row, LeftOut(open, user, options), options));
    if (!output.status().ok()) return output.status();
    progress.DoneOne();
  }
  Note(writer.Summary());
  Note(times.Summary());
  return output.Close();
}

}  // namespace cf
