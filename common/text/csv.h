#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// The text as one field of a CSV line (RFC 4180): in quotes where it has to be.
std::string CsvField(std::string_view text);

/// The fields of one CSV line without its end. InvalidArgument: a quote is not closed, or something
/// stands behind a closed one.
absl::StatusOr<std::vector<std::string>> ParseCsvLine(std::string_view line);

}  // namespace cf
