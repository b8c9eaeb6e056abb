#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/page/bar_chart.h"
#include "common/page/line_chart.h"

namespace cf {

/// A table of texts. The first column names the row; it stays in sight while the others scroll.
struct HtmlTable {
  struct Column {
    std::string name;
    bool right = false;  ///< For numbers.
  };
  struct Row {
    std::vector<std::string> cells;    ///< Requires: as many as columns.
    std::optional<std::size_t> style;  ///< The line that stands for the row in charts, if any does.
  };
  std::vector<Column> columns;
  std::vector<Row> rows;
};

/// A page that needs nothing beside it, built from top to bottom. It is well-formed XML, and the
/// same calls give the same bytes. All texts are plain; the page escapes them.
///
/// Owner:   whoever makes it.
/// Threads: one.
/// Bounds:  all of it in memory.
class HtmlPage {
 public:
  /// `title` is the window's and the first heading.
  explicit HtmlPage(const std::string& title);

  void AddHeading(const std::string& text);
  void AddSubheading(const std::string& text);
  void AddText(const std::string& text);
  /// Text that a reader must not overlook.
  void AddWarning(const std::string& text);
  void AddTable(const HtmlTable& table);
  /// Side by side where the page is wide enough for two.
  void AddCharts(const std::vector<LineChart>& charts);
  void AddCharts(const std::vector<BarChart>& charts);
  /// Text as it is, such as a configuration, folded behind `summary`.
  void AddDetails(const std::string& summary, const std::string& text);
  void AddDetails(const std::string& summary, const HtmlTable& table);

  /// The whole page.
  std::string Format() const;

 private:
  std::string title_;
  std::string body_;
};

/// Whether `text` is a page that Format made, as its first bytes tell.
bool IsHtmlPage(std::string_view text);

}  // namespace cf
