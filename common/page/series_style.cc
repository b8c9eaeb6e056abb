#include "common/page/series_style.h"

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr const char* kDashes[] = {"", "7 3", "2 2.5", "8 2.5 2 2.5"};
static_assert(std::size(kDashes) * kSeriesColors == kSeriesStyles);

std::string Key(const std::string& style_class, const std::string& dash) {
  return absl::StrCat("<svg class=\"key ", style_class,
                      "\" viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path d=\"M1 5H25\"", dash,
                      "/></svg>");
}

}  // namespace

std::string SeriesClass(std::size_t style) {
  return absl::StrCat("s", style % kSeriesColors);
}

std::string SeriesDash(std::size_t style) {
  const std::string dash = kDashes[style / kSeriesColors % std::size(kDashes)];
  return dash.empty() ? "" : absl::StrCat(" stroke-dasharray=\"", dash, "\"");
}

std::string SeriesKey(std::size_t style) {
  return Key(SeriesClass(style), SeriesDash(style));
}

std::string MutedKey() {
  return Key("muted", "");
}

}  // namespace cf
