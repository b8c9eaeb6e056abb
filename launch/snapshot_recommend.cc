#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <unistd.h>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/output_file.h"
#include "common/base/status.h"
#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_serving.h"
#include "serving/export.h"

namespace cf {
namespace {

// How many of a user's own ratings are shown above the recommendations.
constexpr std::size_t kFavourites = 5;

std::string Rating(float value) {
  return absl::StrFormat("%.3f", static_cast<double>(value));
}

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

// What the user rated highest; ties by id, so the items that most people know come first.
void PrintFavourites(const OpenModel& open, RowId user, const std::string& raw) {
  const std::span<const RowId> seen = open.catalogue().SeenBy(user);
  TopList favourites(kFavourites);
  for (const RowId item : seen) favourites.Offer(item, *open.catalogue().RatingOf(user, item));
  TextTable table({{.name = "rating", .right = true},
                   {.name = "item", .right = true},
                   {.name = "title"},
                   {.name = "genres"}});
  for (const ScoredRow& row : favourites.Take()) {
    table.AddRow({FloatText(row.score), open.data().item_raw_id(row.id), open.NameOf(row.id),
                  open.data().genres(row.id)});
  }
  Print(absl::StrCat("User ", raw, " has rated ", WithThousands(seen.size()), " items, highest:\n",
                     table.Format(TableFormat::kText), "\n"));
}

absl::Status RecommendPopular(const OpenModel& open, const RecommendFlags& flags) {
  TextTable table({{.name = "rank", .right = true},
                   {.name = "ratings", .right = true},
                   {.name = "item", .right = true},
                   {.name = "title"},
                   {.name = "genres"}});
  std::size_t rank = 0;
  for (const ScoredRow& row : open.recommender().PopularItems(flags.top)) {
    table.AddRow({absl::StrCat(++rank), absl::StrCat(open.catalogue().ItemTrainingRatings(row.id)),
                  open.data().item_raw_id(row.id), open.NameOf(row.id),
                  open.data().genres(row.id)});
  }
  if (flags.model.format == TableFormat::kText) {
    Print(absl::StrCat("User ", flags.user, " is unknown; what most users have rated:\n"));
  }
  Print(table.Format(flags.model.format));
  return absl::OkStatus();
}

absl::Status RecommendItems(const OpenModel& open, const RecommendFlags& flags) {
  const absl::StatusOr<RowId> user = open.FindUser(flags.user);
  if (!user.ok()) {
    if (flags.fallback_popular) return RecommendPopular(open, flags);
    return user.status();
  }
  TextTable table({{.name = "rank", .right = true},
                   {.name = "predicted", .right = true},
                   {.name = "item", .right = true},
                   {.name = "title"},
                   {.name = "genres"}});
  std::size_t rank = 0;
  const ListOptions options = {.top = flags.top, .min_ratings = flags.min_ratings};
  for (const ScoredRow& row : open.recommender().TopItems(*user, options)) {
    table.AddRow({absl::StrCat(++rank), Rating(open.model().Predict(*user, row.id)),
                  open.data().item_raw_id(row.id), open.NameOf(row.id),
                  open.data().genres(row.id)});
  }
  if (flags.model.format == TableFormat::kText) {
    PrintFavourites(open, *user, flags.user);
    Print(absl::StrCat("Top ", rank, " of what the user has not rated:\n"));
  }
  Print(table.Format(flags.model.format));
  return absl::OkStatus();
}

absl::Status RecommendUsers(const OpenModel& open, const RecommendFlags& flags) {
  const absl::StatusOr<RowId> item = open.FindItem(flags.item);
  if (!item.ok()) return item.status();
  TextTable table({{.name = "rank", .right = true},
                   {.name = "user", .right = true},
                   {.name = "predicted", .right = true}});
  std::size_t rank = 0;
  for (const ScoredRow& row : open.recommender().TopUsers(*item, flags.top_users)) {
    table.AddRow({absl::StrCat(++rank), open.data().user_raw_id(row.id),
                  Rating(open.model().Predict(row.id, *item))});
  }
  if (flags.model.format == TableFormat::kText) {
    Print(
        absl::StrCat("Top ", rank, " of the users who have not rated ", open.NameOf(*item), ":\n"));
  }
  Print(table.Format(flags.model.format));
  return absl::OkStatus();
}

/// Says on standard error how far a long search is: a line that is redrawn where a person watches,
/// else a line now and then.
class SearchProgress {
 public:
  explicit SearchProgress(std::uint64_t users)
      : users_(users), terminal_(isatty(STDERR_FILENO) == 1) {}

  void Done(std::uint64_t users) {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const bool end = users == users_;
    if (!end && seconds < shown_ + (terminal_ ? 0.1 : 5.0)) return;
    shown_ = seconds;
    std::fprintf(stderr, "%s%s of %s users in %.1f s%s", terminal_ ? "\r" : "",
                 WithThousands(users).c_str(), WithThousands(users_).c_str(), seconds,
                 terminal_ && !end ? "" : "\n");
  }

 private:
  std::uint64_t users_;
  bool terminal_;
  double shown_ = 0;  // Seconds after the start.
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

absl::Status WriteAllLists(const OpenModel& open, const RecommendFlags& flags, OutputFile& output) {
  // As CSV already, because every item is written many times.
  std::vector<std::string> items(open.data().items());
  for (std::uint32_t k = 0; k < items.size(); ++k) {
    items[k] = absl::StrCat(CsvField(open.data().item_raw_id(RowId{k})), ",",
                            CsvField(open.data().title(RowId{k})), ",");
  }
  SearchProgress progress(open.data().users());
  output.Write("user,rank,item,title,predicted\n");
  std::string lines;
  const auto write = [&](RowId user, std::span<const ScoredRow> list) {
    const std::string name = CsvField(open.data().user_raw_id(user));
    lines.clear();
    for (std::size_t k = 0; k < list.size(); ++k) {
      const float predicted = PredictedRating(open.model().objective(), list[k].score);
      absl::StrAppend(&lines, name, ",", k + 1, ",", items[Index(list[k].id)], FloatText(predicted),
                      "\n");
    }
    output.Write(lines);
    progress.Done(Index(user) + 1);
    return output.status();
  };
  return open.recommender().ForAllUsers(
      {.list = {.top = flags.top, .min_ratings = flags.min_ratings}, .threads = flags.threads},
      write);
}

absl::Status RecommendAllUsers(const OpenModel& open, const RecommendFlags& flags,
                               OutputFile output) {
  absl::Status written = WriteAllLists(open, flags, output);
  return written.ok() ? output.Close() : written;
}

}  // namespace

absl::Status Recommend(const RecommendFlags& flags) {
  const int kinds =
      (flags.user.empty() ? 0 : 1) + (flags.all_users ? 1 : 0) + (flags.item.empty() ? 0 : 1);
  if (kinds != 1) {
    return absl::InvalidArgumentError("recommend needs one of --user U, --all-users, --item I");
  }
  if (flags.all_users == flags.out.empty()) {
    return absl::InvalidArgumentError("--all-users and --out FILE go together");
  }
  // Whether it may be written is asked before the work, not after it.
  std::optional<OutputFile> output;
  if (flags.all_users) {
    absl::StatusOr<OutputFile> created =
        OutputFile::Create(flags.out, {.overwrite = flags.overwrite});
    if (!created.ok()) return created.status();
    output.emplace(*std::move(created));
  }
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(flags.model);
  if (!open.ok()) return open.status();
  if (flags.all_users) return RecommendAllUsers(**open, flags, *std::move(output));
  return flags.item.empty() ? RecommendItems(**open, flags) : RecommendUsers(**open, flags);
}

absl::Status PrintSimilar(const SimilarFlags& flags) {
  const absl::StatusOr<std::unique_ptr<OpenModel>> opened = OpenModel::Open(flags.model);
  if (!opened.ok()) return opened.status();
  const OpenModel& open = **opened;
  const absl::StatusOr<RowId> item = open.FindItem(flags.item);
  if (!item.ok()) return item.status();
  TextTable table({{.name = "rank", .right = true},
                   {.name = "cosine", .right = true},
                   {.name = "item", .right = true},
                   {.name = "title"},
                   {.name = "genres"}});
  std::size_t rank = 0;
  const ListOptions options = {.top = flags.top, .min_ratings = flags.min_ratings};
  for (const ScoredRow& row : open.recommender().SimilarItems(*item, options)) {
    table.AddRow({absl::StrCat(++rank), Rating(row.score), open.data().item_raw_id(row.id),
                  open.NameOf(row.id), open.data().genres(row.id)});
  }
  if (flags.model.format == TableFormat::kText) {
    Print(absl::StrCat("Most similar to ", open.NameOf(*item), ":\n"));
  }
  Print(table.Format(flags.model.format));
  return absl::OkStatus();
}

absl::Status Export(const ExportFlags& flags) {
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(flags.model);
  if (!open.ok()) return open.status();
  absl::Status exported = ExportNpy((*open)->snapshot(), (*open)->model(), (*open)->catalogue(),
                                    {.folder = flags.out, .overwrite = flags.overwrite});
  if (!exported.ok()) return exported;
  std::printf("%s: %s users, %s items, dim %u\n", flags.out.c_str(),
              WithThousands((*open)->data().users()).c_str(),
              WithThousands((*open)->data().items()).c_str(), (*open)->model().users().dim());
  return absl::OkStatus();
}

}  // namespace cf
