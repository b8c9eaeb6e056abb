#include "report/report.h"

#include <cstdint>
#include <utility>

#include "common/base/files.h"
#include "report/report_page.h"

namespace cf {
namespace {

// Of the end of a run, which waits for its page: some seconds of reading each.
constexpr std::uint64_t kSamplesMax = 50'000'000;
constexpr std::uint64_t kRowBytesMax = std::uint64_t{1} << 30;

absl::StatusOr<RunView> View(const std::string& path) {
  absl::StatusOr<RunView> view = ViewRun(path);
  // A job begins by removing the verdict: where there is one the job has ended, even if its process
  // is still here, writing this.
  if (view.ok() && view->verdict.has_value()) view->state = StateAfter(*view->verdict);
  return view;
}

}  // namespace

absl::StatusOr<std::string> MakeReport(const ReportOptions& options) {
  absl::StatusOr<RunView> run = View(options.run);
  if (!run.ok()) return run.status();
  ReportContent content = {.run = *std::move(run)};
  if (!options.beside.empty()) {
    absl::StatusOr<RunView> beside = View(options.beside);
    if (!beside.ok()) return beside.status();
    content.beside = *std::move(beside);
  }
  absl::StatusOr<ReportData> data =
      DescribeData(content.run, {.data = options.data,
                                 .samples_max = options.patient ? UINT64_MAX : kSamplesMax,
                                 .row_bytes_max = options.patient ? UINT64_MAX : kRowBytesMax});
  if (data.ok()) {
    content.data = *std::move(data);
  } else if (!options.data.empty()) {
    return data.status();
  } else {
    content.no_data = std::string(data.status().message());
  }
  return FormatReportPage(content);
}

absl::Status WriteReport(const RunFolder& folder) {
  const absl::StatusOr<std::string> page = MakeReport({.run = folder.path(), .patient = false});
  if (!page.ok()) return page.status();
  return ReplaceFile(folder.report_path(), *page);
}

}  // namespace cf
