// cfrun report: the page that a run ends with, made again.

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/base/files.h"
#include "common/base/status.h"
#include "launch/command_line.h"
#include "launch/run_commands.h"
#include "report/report.h"

namespace cf {

absl::StatusOr<ExitCode> ReportCommand(const std::vector<std::string>& words) {
  CLI::App app{
      "The page that a run ends with, made again: figures, curves, model, data set, "
      "recommendations, configuration."};
  app.name("cfrun report");
  ReportOptions options;
  std::string out;
  app.add_option("RUN", options.run, "The run's folder")->required();
  app.add_option("--beside", options.beside, "Another run, to be shown beside it");
  app.add_option("--data", options.data, "Folder of the data set, where it has moved");
  app.add_option("--out", out, "The page (RUN/report.html)");
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  const absl::StatusOr<std::string> page = MakeReport(options);
  if (!page.ok()) return page.status();
  if (out.empty()) out = (std::filesystem::path(options.run) / "report.html").string();
  absl::Status written = WriteFileAtomically(out, *page);
  if (!written.ok()) return Because(written, "--out");
  std::printf("-> %s\n", out.c_str());
  return kExitFinished;
}

}  // namespace cf
