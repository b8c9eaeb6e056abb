#include "report/report_page.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/time/time.h>

#include "common/config/config.h"
#include "common/config/job_differences.h"
#include "common/model/layout.h"
#include "common/model/model_spec.h"
#include "common/page/html_page.h"
#include "common/snapshot/manifest.h"
#include "common/text/numbers.h"
#include "report/report_curves.h"
#include "report/report_data_sections.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

std::string Sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text + ".";
}

std::string TimeText(std::int64_t seconds) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixSeconds(seconds),
                          absl::UTCTimeZone());
}

/// The last part of a run's path, which is the name that its user gave it.
std::string NameOfRun(const RunView& view) {
  std::error_code error;
  const fs::path path = fs::absolute(view.path, error).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// What kind of a message with kinds (a oneof) it is: "adam".
std::string NameOfKind(const google::protobuf::Message& message) {
  const auto* const kinds = message.GetDescriptor()->FindOneofByName("kind");
  const auto* const kind = message.GetReflection()->GetOneofFieldDescriptor(message, kinds);
  return kind == nullptr ? "" : kind->name();
}

// --- How it stands -------------------------------------------------------------------------------

std::string StateText(const RunView& view) {
  const std::string text = view.verdict.has_value() ? view.verdict->text : "";
  switch (view.state) {
    case RunState::kNew:
      return "no job has begun here";
    case RunState::kRunning:
      return absl::StrCat("this run is not at its end: ", view.holder,
                          " trains it. The page shows what was there when it was made");
    case RunState::kFinished:
    case RunState::kStopped:
      return text;
    case RunState::kInterrupted:
      return absl::StrCat("interrupted: ", text.empty() ? "the job was killed" : text,
                          "; the same command continues from the last snapshot");
    case RunState::kFailed:
      break;
  }
  return absl::StrCat("failed: ", text);
}

void AddState(const ReportContent& content, HtmlPage& page) {
  const RunView& run = content.run;
  if (run.state == RunState::kFinished) {
    page.AddText(Sentence(StateText(run)));
  } else {
    page.AddWarning(Sentence(StateText(run)));
  }
  if (run.status.has_value()) {
    for (const std::string& warning : run.status->warnings())
      page.AddWarning("Warning: " + warning);
  }
  if (!content.beside.has_value()) return;
  const RunView& other = *content.beside;
  page.AddText(absl::StrCat("Beside it: ", other.path, ", ", NameOf(other.state), "."));
  if (!run.snapshot.has_value() || !other.snapshot.has_value()) return;
  const auto warn = [&page](const std::string& what) {
    page.AddWarning(
        absl::StrCat("The two runs have different ", what, ": their figures do not compare."));
  };
  if (run.snapshot->data().digest() != other.snapshot->data().digest()) warn("data sets");
  if (run.snapshot->data().split() != other.snapshot->data().split()) warn("splits");
}

// --- Figures -------------------------------------------------------------------------------------

void AddFigures(const std::vector<ReportedRun>& runs, HtmlPage& page) {
  const RunView& run = *runs.front().view;
  page.AddHeading("Figures");
  if (run.history.empty()) page.AddText("No epoch is finished, so there are no figures.");
  if (run.job.has_value() && NameOfKind(run.job->split()).empty()) {
    page.AddText(
        "Nothing is kept from training to validate (there is no split): the figures are those of "
        "the training samples.");
  }
  const HtmlTable figures = FiguresTable(runs);
  if (!figures.rows.empty()) page.AddTable(figures);
  const std::vector<LineChart> curves = CurvesOf(runs);
  if (!curves.empty()) page.AddCharts(curves);
  if (run.history.size() == 1) page.AddText("One epoch is a point in each chart, not a curve.");
  for (const ReportedRun& of : runs) {
    if (of.view->history.empty()) continue;
    const HtmlTable epochs = EpochsTable(*of.view);
    const std::string all = epochs.rows.size() < of.view->history.size()
                                ? absl::StrCat("The last ", epochs.rows.size(), " epochs")
                                : "Every epoch";
    page.AddDetails(
        absl::StrCat(all, of.name.empty() ? "" : absl::StrCat(" of ", of.name), ", as history.csv"),
        epochs);
  }
}

// --- How it ran ----------------------------------------------------------------------------------

/// A fact of a run by its name; empty where the run does not tell.
using Fact = std::pair<const char*, std::function<std::string(const RunView&)>>;

void AddFacts(const std::vector<ReportedRun>& runs, const std::vector<Fact>& facts,
              HtmlPage& page) {
  HtmlTable table;
  table.columns.push_back({.name = ""});
  for (const ReportedRun& run : runs) {
    table.columns.push_back({.name = run.name.empty() ? NameOfRun(*run.view) : run.name});
  }
  for (const auto& [name, fact] : facts) {
    HtmlTable::Row row = {.cells = {name}, .style = {}};
    bool any = false;
    for (const ReportedRun& run : runs) {
      row.cells.push_back(fact(*run.view));
      any = any || !row.cells.back().empty();
    }
    if (any) table.rows.push_back(std::move(row));
  }
  page.AddTable(table);
}

std::string EpochsText(const RunView& view) {
  const std::size_t done = view.history.empty() ? 0 : view.history.back().epoch;
  std::string text = view.job.has_value()
                         ? absl::StrCat(done, " of ", view.job->train().epochs(), " at most")
                         : absl::StrCat(done);
  if (!view.snapshot.has_value()) return text;
  const Position& position = view.snapshot->position();
  if (InMidEpoch(position)) {
    absl::StrAppend(&text, "; in mid-epoch, step ", WithThousands(position.step_in_epoch()), " of ",
                    WithThousands(position.steps_per_epoch()));
  }
  return text;
}

/// Trained seconds over all epochs, and samples in them.
std::pair<double, double> Trained(const RunView& view) {
  double seconds = 0;
  double samples = 0;
  for (const EpochFigures& epoch : view.history) {
    const double of_epoch = epoch.figures.Find("seconds").value_or(0);
    seconds += of_epoch;
    samples += of_epoch * epoch.figures.Find("samples_per_second").value_or(0);
  }
  return {seconds, samples};
}

std::string HostsText(const RunView& view) {
  if (!view.status.has_value() || view.status->hosts_size() == 0) return "";
  const RunStatus& status = *view.status;
  const std::set<std::string> hosts(status.hosts().begin(), status.hosts().end());
  return absl::StrCat(
      status.hosts_size(), status.hosts_size() == 1 ? " rank" : " ranks",
      status.servers() > 0 ? absl::StrCat(" (", status.servers(), " of them servers)") : "", " on ",
      absl::StrJoin(hosts, ", "), "; ", status.threads(),
      status.threads() == 1 ? " compute thread" : " compute threads");
}

void AddCourse(const std::vector<ReportedRun>& runs, HtmlPage& page) {
  page.AddHeading("How it ran");
  AddFacts(runs,
           {{"state", [](const RunView& view) { return std::string(NameOf(view.state)); }},
            {"epochs", EpochsText},
            {"trained",
             [](const RunView& view) {
               return view.history.empty() ? "" : DurationText(Trained(view).first);
             }},
            {"throughput",
             [](const RunView& view) {
               const auto [seconds, samples] = Trained(view);
               return seconds > 0 ? InShort(samples / seconds) + " samples/s" : "";
             }},
            {"ranks", HostsText},
            {"batch job",
             [](const RunView& view) {
               return view.status.has_value() ? view.status->batch().id() : "";
             }},
            {"last generation", [](const RunView& view) { return absl::StrCat(view.generation); }},
            {"it began",
             [](const RunView& view) {
               return view.status.has_value() ? TimeText(view.status->started_seconds()) : "";
             }}},
           page);
}

// --- The model -----------------------------------------------------------------------------------

/// The tables of the run's model, as far as it came to have any.
std::vector<TableSpec> SpecsOf(const ReportContent& content) {
  const bool saved = content.run.snapshot.has_value();
  if (!saved && (!content.run.job.has_value() || !content.data.has_value())) return {};
  // Out of a file, and perhaps of an earlier program, so it is judged before it is believed.
  Job job = saved ? content.run.snapshot->job() : *content.run.job;
  FillDefaults(job);
  if (!ValidateJob(job).ok()) return {};
  const std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  if (!saved) {
    // How many rows a feature has is not known here.
    if (!model->features().empty()) return {};
    return model->Tables({.users = content.data->users, .items = content.data->items});
  }
  const Manifest& snapshot = *content.run.snapshot;
  std::vector<std::uint32_t> feature_rows;
  const auto first = static_cast<int>(Index(model->first_feature()));
  for (int table = first; table < snapshot.tables_size(); ++table) {
    feature_rows.push_back(snapshot.tables(table).rows());
  }
  if (feature_rows.size() != model->features().size()) return {};
  return model->Tables({.users = static_cast<std::uint32_t>(snapshot.data().users()),
                        .items = static_cast<std::uint32_t>(snapshot.data().items()),
                        .features = feature_rows});
}

/// "610 x 64 + bias"; of a dense layer its inputs and units.
std::string FormText(const TableSpec& table) {
  const bool dense = table.layer.has_value();
  return absl::StrCat(WithThousands(dense ? table.layer->inputs : table.shape.rows), " x ",
                      dense ? table.layer->units : table.shape.dim,
                      dense || table.shape.biases ? " + bias" : "");
}

std::string SizeText(std::uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / 1048576.0);
}

void AddModel(const ReportContent& content, HtmlPage& page) {
  page.AddHeading("Model");
  if (content.run.job.has_value()) {
    page.AddText(absl::StrCat("Kind ", NameOfKind(content.run.job->model()), ", optimizer ",
                              NameOfKind(content.run.job->optimizer()), "."));
  }
  HtmlTable table = {.columns = {{.name = "table"},
                                 {.name = "rows x dim", .right = true},
                                 {.name = "parameters", .right = true},
                                 {.name = "with optimizer state", .right = true}},
                     .rows = {}};
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  for (const TableSpec& spec : SpecsOf(content)) {
    const TableShape& shape = spec.shape;
    const std::uint64_t weights = std::uint64_t{shape.rows} * (shape.dim + (shape.biases ? 1 : 0));
    const std::uint64_t size = shape.rows * RowLayout(shape).stride() * sizeof(float);
    table.rows.push_back(
        {.cells = {shape.name, FormText(spec), WithThousands(weights), SizeText(size)},
         .style = {}});
    parameters += weights;
    bytes += size;
  }
  if (table.rows.empty()) {
    page.AddText("The run ended before it had tables.");
    return;
  }
  table.rows.push_back(
      {.cells = {"total", "", WithThousands(parameters), SizeText(bytes)}, .style = {}});
  page.AddTable(table);
}

// --- Configuration and origin --------------------------------------------------------------------

/// Makes `message` of the same kind as `example`, without any field of it.
void TakeKind(const google::protobuf::Message& example, google::protobuf::Message& message) {
  const auto* const kinds = example.GetDescriptor()->FindOneofByName("kind");
  const auto* const kind = example.GetReflection()->GetOneofFieldDescriptor(example, kinds);
  if (kind != nullptr) message.GetReflection()->MutableMessage(&message, kind);
}

/// The fields in which a run's job is not the default, or the runs' jobs differ.
HtmlTable FieldsTable(const std::vector<ReportedRun>& runs) {
  HtmlTable table;
  table.columns.push_back({.name = "field"});
  // The kinds of model and split have no default: the run's own, with defaults in all else.
  std::vector<Job> jobs(1);
  if (runs.front().view->job.has_value()) {
    TakeKind(runs.front().view->job->model(), *jobs.front().mutable_model());
    TakeKind(runs.front().view->job->split(), *jobs.front().mutable_split());
  }
  FillDefaults(jobs.front());
  for (const ReportedRun& run : runs) {
    if (!run.view->job.has_value()) continue;
    jobs.push_back(*run.view->job);
    table.columns.push_back({.name = run.name.empty() ? "value" : run.name});
  }
  table.columns.push_back({.name = "default"});
  for (const FieldDifference& field : DifferingFields(jobs)) {
    HtmlTable::Row& row = table.rows.emplace_back();
    row.cells = {field.path};
    row.cells.insert(row.cells.end(), field.values.begin() + 1, field.values.end());
    row.cells.push_back(field.values.front());
  }
  return table;
}

void AddConfiguration(const std::vector<ReportedRun>& runs, HtmlPage& page) {
  page.AddHeading("Configuration");
  const HtmlTable fields = FieldsTable(runs);
  if (fields.rows.empty()) {
    page.AddText("There is no job here, or one that is the default in everything.");
  } else {
    page.AddText("The fields that are not at their defaults; empty where a job has no such field.");
    page.AddTable(fields);
  }
  for (const ReportedRun& run : runs) {
    if (!run.view->job.has_value()) continue;
    page.AddDetails(
        absl::StrCat("All fields", run.name.empty() ? "" : absl::StrCat(" of ", run.name)),
        PrintJob(*run.view->job));
  }
}

void AddOrigin(const std::vector<ReportedRun>& runs, HtmlPage& page) {
  page.AddHeading("Where this comes from");
  // A fact of the newest snapshot.
  const auto of = [](const std::function<std::string(const Manifest&)>& fact) {
    return [fact](const RunView& view) {
      return view.snapshot.has_value() ? fact(*view.snapshot) : std::string();
    };
  };
  AddFacts(
      runs,
      {{"run folder", [](const RunView& view) { return view.path; }},
       {"newest snapshot", of([](const Manifest& manifest) { return manifest.name(); })},
       {"taken", of([](const Manifest& manifest) { return TimeText(manifest.created_seconds()); })},
       {"best snapshot", of([](const Manifest& manifest) { return manifest.best_snapshot(); })},
       {"data set", of([](const Manifest& manifest) { return manifest.data().name(); })},
       {"its digest", of([](const Manifest& manifest) { return manifest.data().digest(); })},
       {"split", of([](const Manifest& manifest) { return manifest.data().split(); })},
       {"training samples", of([](const Manifest& manifest) {
          return WithThousands(manifest.statistics().training_samples());
        })},
       {"validation samples", of([](const Manifest& manifest) {
          return WithThousands(manifest.statistics().validation_samples());
        })},
       {"partitions",
        of([](const Manifest& manifest) { return absl::StrCat(manifest.partitions()); })},
       {"arithmetic version",
        of([](const Manifest& manifest) { return absl::StrCat(manifest.arithmetic_version()); })}},
      page);
}

}  // namespace

std::string FormatReportPage(const ReportContent& content) {
  const std::string name = NameOfRun(content.run);
  std::vector<ReportedRun> runs = {{.name = "", .view = &content.run}};
  if (content.beside.has_value()) {
    const std::string other = NameOfRun(*content.beside);
    // Two runs of one name are told apart by their paths.
    runs = {{.name = name == other ? content.run.path : name, .view = &content.run},
            {.name = name == other ? content.beside->path : other, .view = &*content.beside}};
  }
  HtmlPage page(absl::StrCat(name, ": ", NameOf(content.run.state)));
  AddState(content, page);
  AddFigures(runs, page);
  AddCourse(runs, page);
  AddModel(content, page);
  AddDataSet(content.data, content.no_data, page);
  AddRecommendations(content.data, page);
  AddConfiguration(runs, page);
  AddOrigin(runs, page);
  return page.Format();
}

}  // namespace cf
