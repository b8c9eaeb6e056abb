#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "common/dataset/record_format.h"
#include "common/dataset/record_table.h"

// What the first records of a file leave open, or contradict: each a line that names the flag which
// decides it.
namespace cf {

/// Refuses a first row that is a header, where `why` ("numbers in --columns") says there is none.
absl::Status CheckNoHeader(const std::vector<std::vector<std::string>>& rows,
                           const RecordFormat& format, const std::string& why);

/// Whether at most half of the records have equally many fields, and no header is there: each may be
/// a user with all items.
bool IsListOfEachUser(const RecordTable& table);

/// What a file is of which nothing says which columns it has.
/// Empty where that is unknown.
std::string WhyNoColumns(const RecordTable& table);

/// Why a column that must be there is not found; `text` is the sample from the table's start on.
std::string WhyNoColumn(Role role, std::string_view text, bool whole, const RecordTable& table);

/// Refuses what would be a guess: a column of numbers that may be the rating where none is called
/// so (if the options ask for it), and timestamps that may be dates without dashes.
absl::Status AskWhatIsUnsure(const RecordTable& table, const RecordOptions& options,
                             const RecordFormat& format);

}  // namespace cf
