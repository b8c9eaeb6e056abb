// cfrun report: the page that a run ends with, made again.

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/output_file.h"
#include "common/base/status.h"
#include "launch/command_line.h"
#include "launch/page_output.h"
#include "launch/run_commands.h"
#include "report/report.h"
#include "run/run_folder.h"

namespace cf {

absl::StatusOr<ExitCode> ReportCommand(const std::vector<std::string>& words) {
  ArgumentParser app("cfrun report",
                     "The page that a run ends with, made again: figures, curves, model, data set, "
                     "recommendations, configuration.");
  ReportOptions options;
  std::string out;
  app.Option("RUN", options.run, "The run's folder").Required();
  app.Option("--beside", options.beside, "Another run, to be shown beside it");
  app.Option("--data", options.data, "Folder of the data set, where it has moved");
  app.Option("--out", out, "The page (RUN/report.html)");
  bool overwrite = false;
  app.Switch("--overwrite", overwrite, "Replace the file of --out where it is there already");
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  if (overwrite && out.empty()) {
    return absl::InvalidArgumentError("report: --overwrite is for --out");
  }
  if (const absl::StatusOr<RunFolder> run = RunFolder::Open(options.run); !run.ok()) {
    return run.status();
  }
  // The page in the run's own folder is the program's to replace.
  const bool own = out.empty();
  if (own) out = (std::filesystem::path(options.run) / "report.html").string();
  absl::StatusOr<OutputFile> output = OpenPageOutput("--out", out, own || overwrite);
  if (own && absl::IsPermissionDenied(output.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat(output.status().message(), "; --out FILE writes the page elsewhere"));
  }
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::string> page = MakeReport(options);
  if (!page.ok()) return page.status();
  output->Write(*page);
  if (absl::Status written = output->Close(); !written.ok()) return Because(written, "--out");
  if (output->is_plain()) std::printf("-> %s\n", out.c_str());
  return kExitFinished;
}

}  // namespace cf
