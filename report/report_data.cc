#include "report/report_data.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/text/numbers.h"
#include "serving/catalogue.h"
#include "serving/recommender.h"

namespace cf {
namespace {

constexpr std::uint32_t kTop = 15;
constexpr std::size_t kHighest = 5;
constexpr std::size_t kRecommended = 10;

std::string ItemName(const Dataset& data, RowId item) {
  const std::string title = data.title(item);
  return title.empty() ? absl::StrCat("item ", data.item_raw_id(item)) : title;
}

ListedItem Listed(const Dataset& data, RowId item, float rating) {
  return {.name = ItemName(data, item), .genres = data.genres(item), .rating = rating};
}

/// The place of a user's rating of an item among all samples, if there is one.
std::optional<std::uint64_t> SampleOf(const Dataset& data, RowId user, RowId item) {
  const std::uint64_t first = data.user_offsets()[Index(user)];
  const std::uint64_t last = data.user_offsets()[Index(user) + 1];
  const std::span<const RowId> items = data.item_column().subspan(first, last - first);
  const auto place = std::lower_bound(items.begin(), items.end(), item);
  if (place == items.end() || *place != item) return std::nullopt;
  return first + static_cast<std::uint64_t>(place - items.begin());
}

/// Ids are in order of falling frequency: the first ones are those with the most ratings.
TopRatings FindTopRatings(const Dataset& data) {
  const std::uint32_t users = std::min(kTop, data.users());
  TopRatings top;
  for (std::uint32_t user = 0; user < users; ++user) {
    top.users.push_back(data.user_raw_id(RowId{user}));
  }
  for (std::uint32_t item = 0; item < std::min(kTop, data.items()); ++item) {
    top.items.push_back(ItemName(data, RowId{item}));
    std::vector<std::optional<float>>& row = top.ratings.emplace_back(users);
    for (std::uint32_t user = 0; user < users; ++user) {
      const std::optional<std::uint64_t> sample = SampleOf(data, RowId{user}, RowId{item});
      if (sample.has_value()) row[user] = data.ratings()[*sample];
    }
  }
  return top;
}

SampleUser Sample(const Catalogue& catalogue, const ServedModel& model,
                  const Recommender& recommender, RowId user, const std::string& description) {
  const Dataset& data = catalogue.data();
  const std::span<const RowId> seen = catalogue.SeenBy(user);
  SampleUser sample = {.raw_id = data.user_raw_id(user),
                       .description = description,
                       .ratings = seen.size(),
                       .training_ratings = catalogue.UserTrainingRatings(user)};
  TopList highest(kHighest);
  for (const RowId item : seen) highest.Offer(item, catalogue.RatingOf(user, item).value_or(0));
  for (const ScoredRow& row : highest.Take()) {
    sample.highest.push_back(Listed(data, row.id, row.score));
  }
  for (const ScoredRow& row : recommender.TopItems(user, {.top = kRecommended}).items) {
    sample.recommended.push_back(
        Listed(data, row.id, PredictedRating(model.objective(), row.score)));
  }
  return sample;
}

/// Whether the best epoch is the run's result, as the verdict of its end has it.
bool ResultIsBest(const Manifest& latest) {
  return latest.job().early_stopping().restore_best() && !latest.best_snapshot().empty();
}

absl::Status Recommend(const RunView& run, const Catalogue& catalogue, std::uint64_t bytes_max,
                       ReportData& report) {
  std::uint64_t bytes = 0;
  for (const FileEntry& file : run.snapshot->files()) bytes += file.bytes();
  if (bytes > bytes_max) {
    return absl::FailedPreconditionError(
        absl::StrCat("the row files of the model have ", WithThousands(bytes >> 20),
                     " MiB: `cfrun report` reads them, the end of a run does not"));
  }
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(
      absl::StrCat(run.path, "/snapshots/", ResultIsBest(*run.snapshot) ? "best" : "latest"));
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot, &catalogue);
  if (!model.ok()) return model.status();
  const absl::StatusOr<Recommender> recommender = Recommender::Make(*model, catalogue);
  if (!recommender.ok()) return recommender.status();
  report.snapshot = snapshot->manifest().name();
  report.score_name = ScoreName(*model);
  const std::uint32_t users = catalogue.data().users();
  const std::pair<std::uint32_t, const char*> chosen[] = {
      {0, "the most active"}, {users / 2, "of median activity"}, {users - 1, "the least active"}};
  std::optional<std::uint32_t> last;
  for (const auto& [user, description] : chosen) {
    if (last == user) continue;  // There are fewer than three users.
    last = user;
    report.sample_users.push_back(
        Sample(catalogue, *model, *recommender, RowId{user}, description));
  }
  return absl::OkStatus();
}

absl::Status CheckSize(std::uint64_t samples, std::uint64_t samples_max) {
  if (samples <= samples_max) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the data set has ", WithThousands(samples),
                   " samples: `cfrun report` describes it, the end of a run does not"));
}

void DescribeDataset(const Dataset& data, ReportData& report) {
  report.name = data.name();
  report.users = data.users();
  report.items = data.items();
  report.samples = data.samples();
  report.has_ratings = data.has_ratings();
  report.has_titles = data.has_titles();
  report.statistics = ComputeStatistics(data);
  if (data.has_ratings()) report.ratings = HistogramOfValues(data.ratings());
  report.per_user = HistogramOfCounts(RatingsPerUser(data));
  report.per_item = HistogramOfCounts(RatingsPerItem(data));
  report.top = FindTopRatings(data);
}

}  // namespace

absl::StatusOr<ReportData> DescribeData(const RunView& run, const ReportDataOptions& options) {
  ReportData report;
  if (run.snapshot.has_value()) {
    const SnapshotStatistics& statistics = run.snapshot->statistics();
    absl::Status fits = CheckSize(statistics.training_samples() + statistics.validation_samples(),
                                  options.samples_max);
    if (!fits.ok()) return fits;
    const absl::StatusOr<Catalogue> catalogue = Catalogue::Open(*run.snapshot, options.data);
    if (!catalogue.ok()) return catalogue.status();
    DescribeDataset(catalogue->data(), report);
    const absl::Status recommended = Recommend(run, *catalogue, options.row_bytes_max, report);
    report.no_sample_users = std::string(recommended.message());
    return report;
  }
  // A run that failed before its first snapshot still has a job that names the data set.
  const std::string folder = !options.data.empty() ? options.data
                             : run.job.has_value() ? run.job->data().path()
                                                   : "";
  if (folder.empty()) return absl::NotFoundError("the run does not say which data set it is of");
  const absl::StatusOr<Dataset> data = Dataset::Open(folder);
  if (!data.ok()) return data.status();
  absl::Status fits = CheckSize(data->samples(), options.samples_max);
  if (!fits.ok()) return fits;
  DescribeDataset(*data, report);
  report.no_sample_users = "there is no snapshot to recommend from";
  return report;
}

}  // namespace cf
