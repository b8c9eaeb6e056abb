#include "common/page/html_page.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include "common/base/check.h"
#include "common/page/escape.h"
#include "common/page/page_style.h"
#include "common/page/series_style.h"

namespace cf {
namespace {

// Every page begins with this.
constexpr char kBegin[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>";

std::string Element(const std::string& name, const std::string& text) {
  return absl::StrCat("<", name, ">", EscapeMarkup(text), "</", name, ">\n");
}

/// A heading that may be broken behind its dots: paths are longer than what stands below them.
std::string Breakable(const std::string& heading) {
  return absl::StrReplaceAll(EscapeMarkup(heading), {{".", ".<wbr/>"}});
}

std::string FormatTable(const HtmlTable& table) {
  // Focusable, so that the box scrolls by keys too.
  std::string text = "<div class=\"table\" tabindex=\"0\"><table>\n<thead><tr>";
  for (const HtmlTable::Column& column : table.columns) {
    absl::StrAppend(&text, "<th scope=\"col\"", column.right ? " class=\"right\"" : "", ">",
                    Breakable(column.name), "</th>");
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const HtmlTable::Row& row : table.rows) {
    Check(row.cells.size() == table.columns.size(), "a row has a cell for each column");
    text += "<tr>";
    for (std::size_t k = 0; k < row.cells.size(); ++k) {
      const char* const right = table.columns[k].right ? " class=\"right\"" : "";
      const std::string cell = EscapeMarkup(row.cells[k]);
      if (k == 0) {
        absl::StrAppend(&text, "<th scope=\"row\"", right, ">",
                        row.style ? SeriesKey(*row.style) : "", cell, "</th>");
      } else {
        absl::StrAppend(&text, "<td", right, ">", cell, "</td>");
      }
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace

HtmlPage::HtmlPage(const std::string& title) : title_(title) {
  body_ = Element("h1", title);
}

void HtmlPage::AddHeading(const std::string& text) {
  body_ += Element("h2", text);
}

void HtmlPage::AddSubheading(const std::string& text) {
  body_ += Element("h3", text);
}

void HtmlPage::AddText(const std::string& text) {
  body_ += Element("p", text);
}

void HtmlPage::AddWarning(const std::string& text) {
  absl::StrAppend(&body_, "<p class=\"warning\">", EscapeMarkup(text), "</p>\n");
}

void HtmlPage::AddTable(const HtmlTable& table) {
  body_ += FormatTable(table);
}

void HtmlPage::AddCharts(const std::vector<LineChart>& charts) {
  body_ += "<div class=\"charts\">\n";
  for (const LineChart& chart : charts) body_ += FormatLineChart(chart);
  body_ += "</div>\n";
}

void HtmlPage::AddCharts(const std::vector<BarChart>& charts) {
  body_ += "<div class=\"charts\">\n";
  for (const BarChart& chart : charts) body_ += FormatBarChart(chart);
  body_ += "</div>\n";
}

void HtmlPage::AddDetails(const std::string& summary, const std::string& text) {
  absl::StrAppend(&body_, "<details><summary>", EscapeMarkup(summary), "</summary><pre>",
                  EscapeMarkup(text), "</pre></details>\n");
}

void HtmlPage::AddDetails(const std::string& summary, const HtmlTable& table) {
  absl::StrAppend(&body_, "<details><summary>", EscapeMarkup(summary), "</summary>",
                  FormatTable(table), "</details>\n");
}

std::string HtmlPage::Format() const {
  return absl::StrCat(kBegin, EscapeMarkup(title_), "</title>\n<style>\n", kPageStyle,
                      "</style>\n</head>\n<body>\n", body_, "</body>\n</html>\n");
}

bool IsHtmlPage(std::string_view text) {
  return text.starts_with(kBegin);
}

}  // namespace cf
