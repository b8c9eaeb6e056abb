#pragma once

#include <optional>
#include <string>

#include "common/page/html_page.h"
#include "report/report_data.h"

namespace cf {

/// The part of a report on its data set: the statistics of `cfdata stats`, how ratings are spread,
/// and what the most active users gave the most rated items. Without `data` it says `why_not`.
void AddDataSet(const std::optional<ReportData>& data, const std::string& why_not, HtmlPage& page);

/// The part on what the model recommends to a few users; where it cannot, why.
void AddRecommendations(const std::optional<ReportData>& data, HtmlPage& page);

}  // namespace cf
