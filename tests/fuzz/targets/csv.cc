// The reader of CSV lines: of sweeps, and of pairs to predict.

#include "common/text/csv.h"

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::csv_target {
namespace {

/// Any line is fields, which are written and read back as the same, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  const absl::StatusOr<std::vector<std::string>> fields = ParseCsvLine(TextOf(bytes));
  if (!fields.ok()) {
    Check(fields.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return false;
  }
  std::string line;
  for (std::size_t k = 0; k < fields->size(); ++k) {
    if (k > 0) line += ',';
    line += CsvField((*fields)[k]);
  }
  const absl::StatusOr<std::vector<std::string>> again = ParseCsvLine(line);
  Check(again.ok() && *again == *fields, "written fields read back");
  return true;
}

std::vector<std::string> Seeds() {
  return {"a,b,,d", "\"a,b\",\"say \"\"hi\"\"\", x ", "", "\"\"", "Caf\xC3\xA9,1e-3,\"a\rb\""};
}

const bool kAdded = AddTarget({.name = "csv", .run = RunTarget, .seeds = Seeds, .rounds = 20'000});

}  // namespace
}  // namespace cf::fuzz::csv_target
