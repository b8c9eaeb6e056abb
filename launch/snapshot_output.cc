#include "launch/snapshot_output.h"

#include <cstdio>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/text/display.h"
#include "common/text/numbers.h"

namespace cf {

absl::StatusOr<Output> Output::Open(const OutputFlags& flags) {
  Output output(flags.format.value_or(flags.out.empty() ? TableFormat::kText : TableFormat::kCsv));
  if (flags.out.empty()) return output;
  absl::StatusOr<OutputFile> file = OutputFile::Create(flags.out, {.overwrite = flags.overwrite});
  if (!file.ok()) return file.status();
  output.file_.emplace(*std::move(file));
  return output;
}

void Output::Write(const std::string& text) {
  // Titles are people's: what a terminal would act upon is made visible. Files are as wide as they
  // are.
  const std::size_t columns = file_.has_value() ? text.size() + 1 : TerminalWidth(STDOUT_FILENO);
  const std::string shown = for_people() ? FitToWidth(text, columns) : text;
  if (file_.has_value()) return file_->Write(shown);
  // What is lost of standard output, the end of the program says.
  std::fwrite(shown.data(), 1, shown.size(), stdout);
}

absl::Status Output::status() const {
  return file_.has_value() ? file_->status() : absl::OkStatus();
}

absl::Status Output::Close() {
  return file_.has_value() ? file_->Close() : absl::OkStatus();
}

absl::Status Output::Deliver(const std::string& text) {
  Write(text);
  return Close();
}

void Note(const std::string& line) {
  std::fprintf(stderr, "cfsnapshot: %s\n", Printable(line).c_str());
}

std::string Counted(std::uint64_t count, const char* what) {
  return absl::StrCat(WithThousands(count), " ", what, count == 1 ? "" : "s");
}

}  // namespace cf
