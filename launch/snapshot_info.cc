#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/time.h>

#include "common/config/config.h"
#include "common/config/job_differences.h"
#include "common/snapshot/kept_figures.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "serving/mapped_export.h"

namespace cf {
namespace {

// What is known, a line each: for people numbers are grouped.
class Facts {
 public:
  explicit Facts(TableFormat format) : format_(format) {}

  void Add(const std::string& name, const std::string& value) { table_.AddRow({name, value}); }
  void Add(const std::string& name, std::uint64_t count) {
    Add(name, format_ == TableFormat::kCsv ? absl::StrCat(count) : WithThousands(count));
  }
  void AddFigure(const std::string& name, double value) {
    Add(name, absl::StrFormat(format_ == TableFormat::kCsv ? "%.17g" : "%.6g", value));
  }
  std::string Format() const { return table_.Format(format_); }

 private:
  TableFormat format_;
  TextTable table_{{{.name = "fact"}, {.name = "value"}}};
};

void AddPosition(const Manifest& manifest, Facts& facts) {
  const Position& position = manifest.position();
  facts.Add("snapshot", manifest.name());
  facts.Add("created",
            absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(manifest.created_seconds()),
                             absl::LocalTimeZone()));
  facts.Add("position.epoch", position.epoch());
  facts.Add("position.step", position.step());
  facts.Add("position.step_in_epoch", position.step_in_epoch());
  facts.Add("position.steps_per_epoch", position.steps_per_epoch());
  if (position.sub_epoch() > 0) facts.Add("position.sub_epoch", position.sub_epoch());
  facts.Add("position.finished", position.finished() ? "yes" : "no");
  facts.Add("generation", manifest.generation());
  facts.Add("best_snapshot", manifest.best_snapshot());
}

void AddData(const Manifest& manifest, Facts& facts) {
  facts.Add("data.name", manifest.data().name());
  facts.Add("data.digest", manifest.data().digest());
  if (!manifest.data().source_path().empty()) {
    facts.Add("data.source_path", manifest.data().source_path());
  }
  facts.Add("data.split", manifest.data().split());
  facts.Add("data.training_samples", manifest.statistics().training_samples());
  facts.Add("data.validation_samples", manifest.statistics().validation_samples());
}

// Rows as they lie in a base: a record and its key.
void AddTables(const Manifest& manifest, Facts& facts) {
  constexpr std::uint64_t kKeyBytes = 8;
  facts.Add("partitions", manifest.partitions());
  for (const SnapshotTable& table : manifest.tables()) {
    const std::string name = absl::StrCat("tables.", table.name(), ".");
    const std::uint64_t row_bytes = RecordFloats(table) * sizeof(float);
    facts.Add(name + "rows", table.rows());
    facts.Add(name + "row_bytes", row_bytes);
    facts.Add(name + "bytes", table.rows() * (row_bytes + kKeyBytes));
  }
}

struct FileSum {
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;

  void Add(const FileEntry& entry) {
    if (entry.rows() == 0) return;
    ++files;
    rows += entry.rows();
    bytes += entry.bytes();
  }
};

absl::Status AddFiles(const Snapshot& snapshot, Facts& facts) {
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(snapshot.folder());
  if (!store.ok()) return store.status();
  const absl::StatusOr<SnapshotStore::Listing> listing = store->List();
  if (!listing.ok()) return listing.status();
  std::set<std::string> of_others;
  for (const Manifest& other : listing->snapshots) {
    if (other.name() == snapshot.manifest().name()) continue;
    for (const FileEntry& entry : other.files()) of_others.insert(entry.file());
  }
  FileSum base;
  FileSum deltas;
  FileSum shared;
  for (const FileEntry& entry : snapshot.manifest().files()) {
    (entry.kind() == BASE ? base : deltas).Add(entry);
    if (of_others.contains(entry.file())) shared.Add(entry);
  }
  const std::pair<const char*, FileSum> sums[] = {
      {"base", base}, {"deltas", deltas}, {"shared_with_others", shared}};
  for (const auto& [name, sum] : sums) {
    facts.Add(absl::StrCat("files.", name, ".count"), sum.files);
    facts.Add(absl::StrCat("files.", name, ".rows"), sum.rows);
    facts.Add(absl::StrCat("files.", name, ".bytes"), sum.bytes);
  }
  facts.Add("files.bytes", base.bytes + deltas.bytes);
  return absl::OkStatus();
}

void AddMetrics(const std::string& name, const EpochMetrics& metrics, Facts& facts) {
  facts.Add(name + ".epoch", metrics.epoch());
  for (const auto& [figure, value] : FiguresOf(metrics).figures) {
    facts.AddFigure(absl::StrCat(name, ".", figure), value);
  }
}

// What the job asks for beside the defaults.
void AddJob(const Manifest& manifest, Facts& facts) {
  std::vector<Job> jobs(2);
  FillDefaults(jobs[0]);
  jobs[1] = manifest.job();
  FillDefaults(jobs[1]);
  for (const FieldDifference& field : DifferingFields(jobs)) {
    facts.Add("job." + field.path, field.values[1]);
  }
}

// Where the run's job says otherwise by now.
void AddRunJob(const Snapshot& snapshot, Facts& facts) {
  const std::filesystem::path run = std::filesystem::path(snapshot.folder()).parent_path();
  absl::StatusOr<Job> now = LoadJob((run / "job.textproto").string());
  // Snapshots may have been moved out of their run.
  if (!now.ok()) return;
  FillDefaults(*now);
  const std::vector<Job> jobs = {*std::move(now), snapshot.manifest().job()};
  for (const FieldDifference& field : DifferingFields(jobs)) {
    facts.Add("run_job." + field.path, field.values[0]);
  }
}

void AddModel(const Manifest& manifest, Facts& facts) {
  AddPosition(manifest, facts);
  AddData(manifest, facts);
  AddTables(manifest, facts);
}

void AddTraining(const Manifest& manifest, Facts& facts) {
  if (manifest.has_last_metrics()) AddMetrics("last", manifest.last_metrics(), facts);
  if (manifest.has_best_metrics()) AddMetrics("best", manifest.best_metrics(), facts);
  AddJob(manifest, facts);
}

}  // namespace

absl::Status PrintInfo(const std::string& path, const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  if (MappedExport::IsAt(path)) {
    const absl::StatusOr<MappedExport> from = MappedExport::Open(path);
    if (!from.ok()) return from.status();
    Facts facts(output->table_format());
    AddModel(from->manifest(), facts);
    facts.Add("export.digest", from->digest());
    facts.Add("export.files", from->files());
    facts.Add("export.bytes", from->bytes());
    AddTraining(from->manifest(), facts);
    return output->Deliver(facts.Format());
  }
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(path);
  if (!snapshot.ok()) return snapshot.status();
  Facts facts(output->table_format());
  AddModel(snapshot->manifest(), facts);
  if (absl::Status added = AddFiles(*snapshot, facts); !added.ok()) return added;
  AddTraining(snapshot->manifest(), facts);
  AddRunJob(*snapshot, facts);
  return output->Deliver(facts.Format());
}

}  // namespace cf
