#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// The text as one field of a CSV line (RFC 4180): in quotes where it has a comma, a quote, an end of
/// line, or a space at an end, which readers may take for none of the field.
std::string CsvField(std::string_view text);

/// The fields of one CSV line without its end. InvalidArgument: a quote is not closed, or something
/// stands behind a closed one.
absl::StatusOr<std::vector<std::string>> ParseCsvLine(std::string_view line);

}  // namespace cf
