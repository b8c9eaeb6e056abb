#include "launch/record_flags.h"

#include <map>
#include <utility>

#include <absl/strings/str_cat.h>

#include "launch/word_flags.h"

namespace cf {
namespace {

const std::map<std::string, Encoding> kEncodings = {{"auto", Encoding::kAutomatic},
                                                    {"utf-8", Encoding::kUtf8},
                                                    {"latin-1", Encoding::kLatin1},
                                                    {"cp1252", Encoding::kCp1252}};
const std::map<std::string, TimeUnit> kTimeUnits = {{"auto", TimeUnit::kAutomatic},
                                                    {"seconds", TimeUnit::kSeconds},
                                                    {"milliseconds", TimeUnit::kMilliseconds},
                                                    {"microseconds", TimeUnit::kMicroseconds},
                                                    {"nanoseconds", TimeUnit::kNanoseconds},
                                                    {"dates", TimeUnit::kDates}};

}  // namespace

void AddRecordFlags(ArgumentParser* command, RecordFlags* flags) {
  command->Option("--columns", flags->columns,
                  "user=NAME,item=NAME[,rating=NAME][,timestamp=NAME], by the header's names, "
                  "or by numbers from 1, which mean that there is no header");
  command->Option("--separator", flags->separator,
                  "comma, tab, semicolon, pipe, colons (::), blanks or a sign (found out)");
  AddChoice(command, "--encoding", &flags->options.encoding, kEncodings,
            "Of the text (UTF-8; in u.data and .dat latin-1 where it is not UTF-8)");
  AddChoice(command, "--time-unit", &flags->options.time_unit, kTimeUnits,
            "What numbers among timestamps are (seconds); dates are as 20090504");
}

absl::Status ReadRecordFlags(RecordFlags* flags) {
  if (!flags->columns.empty()) {
    absl::StatusOr<ColumnChoice> columns = ParseColumnChoice(flags->columns);
    if (!columns.ok()) return columns.status();
    flags->options.columns = *std::move(columns);
  }
  if (flags->separator.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> separator = ParseSeparator(flags->separator);
  if (!separator.ok()) return separator.status();
  flags->options.separator = *std::move(separator);
  return absl::OkStatus();
}

std::string UsualNamesHelp() {
  std::string text = "Columns found by their names (case and signs do not count):";
  for (const Role role : kRoles) {
    absl::StrAppend(&text, "\n  ", NameOf(role), ": ", UsualNamesText(role));
  }
  return text;
}

}  // namespace cf
