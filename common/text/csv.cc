#include "common/text/csv.h"

#include <absl/status/status.h>

namespace cf {

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !text.starts_with(' ') &&
      !text.ends_with(' ')) {
    return std::string(text);
  }
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  field += '"';
  return field;
}

absl::StatusOr<std::vector<std::string>> ParseCsvLine(std::string_view line) {
  std::vector<std::string> fields(1);
  std::size_t k = 0;
  while (k < line.size()) {
    if (line[k] == ',') {
      fields.emplace_back();
      ++k;
    } else if (line[k] == '"' && fields.back().empty()) {
      for (++k;; ++k) {
        if (k == line.size()) return absl::InvalidArgumentError("a quote is not closed");
        if (line[k] == '"') {
          if (k + 1 == line.size() || line[k + 1] != '"') break;
          ++k;
        }
        fields.back() += line[k];
      }
      ++k;
      if (k < line.size() && line[k] != ',') {
        return absl::InvalidArgumentError("there is something behind a closed quote");
      }
    } else {
      fields.back() += line[k++];
    }
  }
  return fields;
}

}  // namespace cf
