#pragma once

#include <string>

namespace cf {

/// Puts the word after `monitor:` into quotes where a job's text has none. The monitor was an enum
/// once (`monitor: VAL_RMSE`): jobs and manifests of that time stay readable, and people need not
/// care. Text without such a word is returned as it is; strings and comments are left alone.
std::string QuoteBareMonitor(const std::string& text);

/// The column, counted from 0 in the text that the user wrote, of what stands at `column` of line
/// `line` (from 0) in what QuoteBareMonitor made of it. Tabs before it count as one.
int ColumnBeforeQuotes(const std::string& text, int line, int column);

}  // namespace cf
