#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/util/json_util.h>

#include "common/base/check.h"
#include "common/snapshot/kept_figures.h"
#include "common/text/display.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"
#include "launch/command_line.h"
#include "launch/run_commands.h"
#include "launch/run_summary.h"
#include "run/run_view.h"

namespace cf {
namespace {

// Longer than a step, a validation or a snapshot usually takes.
constexpr double kSilentSeconds = 60;

// The figure that is shown of an epoch: the one that decides or, before a job has said, one that every
// job has.
std::string ShownFigure(const RunSummary& run) {
  return run.monitor().empty() ? "train_loss" : run.monitor();
}

std::string MonitoredText(const RunSummary& run, const EpochMetrics& metrics) {
  const std::optional<double> figure = FiguresOf(metrics).figures.Find(ShownFigure(run));
  return figure.has_value() ? FixedText(*figure, 4) : "not measured";
}

std::string PlaceText(const RunSummary& run) {
  if (run.steps_per_epoch() == 0) return "";
  if (run.step_in_epoch() == 0) {
    return absl::StrCat(run.finished_epochs(), " of ", run.epochs(), " epochs");
  }
  return absl::StrFormat("epoch %d of %d, step %.0f of %.0f", run.finished_epochs() + 1,
                         run.epochs(), run.step_in_epoch(), run.steps_per_epoch());
}

std::string FiguresText(const RunSummary& run) {
  std::vector<std::string> parts;
  if (run.has_best()) {
    parts.push_back(absl::StrFormat("best %s %s (epoch %d)", ShownFigure(run),
                                    MonitoredText(run, run.best()), run.best().epoch()));
  }
  if (run.has_last()) {
    parts.push_back(absl::StrFormat("last %s, train loss %s (epoch %d)",
                                    MonitoredText(run, run.last()),
                                    FixedText(run.last().train_loss(), 4), run.last().epoch()));
  }
  return absl::StrJoin(parts, "; ");
}

// "4 ranks on n0, n1 (2 each), 8 threads"
std::string RanksText(const RunSummary& run) {
  std::vector<std::string> hosts;
  for (const std::string& host : run.hosts()) {
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
  }
  return absl::StrCat(
      run.hosts_size(), run.hosts_size() == 1 ? " rank on " : " ranks on ",
      absl::StrJoin(hosts, ", "),
      run.servers() > 0 ? absl::StrCat(", ", run.servers(), " of them servers") : "", ", ",
      run.threads(), run.threads() == 1 ? " thread" : " threads");
}

std::string BatchText(const RunSummary& run) {
  std::string text = absl::StrCat("Slurm job ", run.batch_job());
  if (!run.batch_state().empty()) absl::StrAppend(&text, ", ", run.batch_state());
  if (run.batch_state() == "PENDING") absl::StrAppend(&text, " (", run.batch_reason(), ")");
  if (run.batch_restarts() > 0) absl::StrAppend(&text, ", restart ", run.batch_restarts());
  if (run.has_batch_seconds_left()) {
    absl::StrAppend(&text, ", ", DurationText(run.batch_seconds_left()), " of its time left");
  }
  return text;
}

void PrintForPeople(const RunSummary& run) {
  std::string first = absl::StrCat(run.path(), ": ", run.state());
  if (const std::string place = PlaceText(run); !place.empty()) {
    absl::StrAppend(&first, ", ", place);
  }
  if (!run.phase().empty()) absl::StrAppend(&first, " (", run.phase(), ")");
  std::vector<std::string> lines = {first};
  if (run.samples_per_second() > 0) {
    lines.push_back(absl::StrCat(InShort(run.samples_per_second()), " samples/s, ",
                                 DurationText(run.seconds_left()), " to the last epoch at most"));
    if (run.pause_seconds() > 0) {
      absl::StrAppendFormat(&lines.back(), ", %.2f s of pause for snapshots in this epoch",
                            run.pause_seconds());
    }
  }
  if (const std::string figures = FiguresText(run); !figures.empty()) lines.push_back(figures);
  if (run.hosts_size() > 0) lines.push_back(RanksText(run));
  if (!run.batch_job().empty()) lines.push_back(BatchText(run));
  if (!run.snapshot().empty()) {
    lines.push_back(absl::StrFormat("last snapshot at step %s, %s ago",
                                    WithThousands(static_cast<std::uint64_t>(run.snapshot_step())),
                                    DurationText(run.snapshot_age())));
  }
  if (!run.text().empty()) {
    lines.push_back(absl::StrCat(run.has_exit_code() ? "" : "held by ", run.text()));
  }
  if (!run.snapshot_trouble().empty()) lines.push_back(run.snapshot_trouble());
  lines.insert(lines.end(), run.notices().begin(), run.notices().end());
  if (run.silent_seconds() > kSilentSeconds) {
    lines.push_back(absl::StrCat("it has said nothing for ", DurationText(run.silent_seconds())));
  }
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const std::string line = (k == 0 ? "" : "  ") + Printable(lines[k]);
    std::printf("%s\n", WrapToWidth(line, TerminalWidth(STDOUT_FILENO), 4).c_str());
  }
}

void PrintJson(const RunSummary& run) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  Check(google::protobuf::util::MessageToJsonString(run, &text, options).ok(),
        "a summary can be printed");
  std::printf("%s\n", text.c_str());
}

void PrintTable(const std::vector<RunSummary>& runs) {
  TextTable table({{.name = "run"},
                   {.name = "state"},
                   {.name = "epochs", .right = true},
                   {.name = "figure", .words = true},
                   {.name = "best", .right = true},
                   {.name = "samples/s", .right = true, .words = true},
                   {.name = "snapshot", .right = true, .words = true},
                   {.name = "where", .words = true}});
  for (const RunSummary& run : runs) {
    table.AddRow({run.path(), run.state(), absl::StrCat(run.finished_epochs(), "/", run.epochs()),
                  ShownFigure(run), run.has_best() ? MonitoredText(run, run.best()) : "",
                  run.samples_per_second() > 0 ? InShort(run.samples_per_second()) : "",
                  run.snapshot().empty() ? "none" : DurationText(run.snapshot_age()) + " ago",
                  !run.batch_job().empty() ? "Slurm " + run.batch_job()
                  : run.hosts_size() > 0   ? run.hosts(0)
                                           : ""});
  }
  std::fputs(table.Format(TableFormat::kText).c_str(), stdout);
}

void Complain(const std::string& verb, const absl::Status& error) {
  std::fprintf(stderr, "cfrun %s: %s\n", verb.c_str(), std::string(error.message()).c_str());
}

}  // namespace

absl::StatusOr<ExitCode> StatusCommand(const std::vector<std::string>& words) {
  ArgumentParser app("cfrun status", "How runs stand, from any host that sees their folders.");
  std::vector<std::string> paths;
  bool json = false;
  app.Option("RUN", paths, "Run folders").Required();
  app.Switch("--json", json, "For programs: a JSON object for each run, on a line of its own");
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  ExitCode code = kExitFinished;
  for (const std::string& path : paths) {
    const absl::StatusOr<RunSummary> run = SummarizeRun(path);
    if (!run.ok()) {
      Complain("status", run.status());
      code = ExitCodeOf(run.status());
    } else if (json) {
      PrintJson(*run);
    } else {
      PrintForPeople(*run);
    }
  }
  return code;
}

absl::StatusOr<ExitCode> ListCommand(const std::vector<std::string>& words) {
  ArgumentParser app("cfrun list", "The runs of a folder, a line each.");
  std::string folder = "runs";
  app.Option("FOLDER", folder, "Where the run folders are").ShowDefault();
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  const absl::StatusOr<std::vector<std::string>> paths = FindRuns(folder);
  if (!paths.ok()) return paths.status();
  if (paths->empty()) {
    std::printf("%s has no runs\n", folder.c_str());
    return kExitFinished;
  }
  ExitCode code = kExitFinished;
  std::vector<RunSummary> runs;
  for (const std::string& path : *paths) {
    absl::StatusOr<RunSummary> run = SummarizeRun(path);
    if (run.ok()) {
      runs.push_back(*std::move(run));
    } else {
      Complain("list", run.status());
      code = ExitCodeOf(run.status());
    }
  }
  PrintTable(runs);
  return code;
}

}  // namespace cf
