#include "common/dataset/column_names.h"

#include <charconv>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/dataset/text.h"

namespace cf {
namespace {

constexpr std::array<std::string_view, 10> kUserNames = {
    "userid",    "user",     "uid",      "reviewerid", "customerid",
    "visitorid", "memberid", "customer", "username",   "reviewer"};
constexpr std::array<std::string_view, 15> kItemNames = {
    "itemid",    "movieid", "item", "movie", "productid", "product",  "asin",  "bookid",
    "articleid", "songid",  "isbn", "iid",   "trackid",   "artistid", "gameid"};
constexpr std::array<std::string_view, 7> kRatingNames = {"rating", "ratings", "score",     "stars",
                                                          "value",  "overall", "bookrating"};
constexpr std::array<std::string_view, 6> kTimestampNames = {
    "timestamp", "time", "unixreviewtime", "date", "datetime", "ratedat"};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError("--columns: " + what);
}

}  // namespace

const char* NameOf(Role role) {
  switch (role) {
    case Role::kUser:
      return "user";
    case Role::kItem:
      return "item";
    case Role::kRating:
      return "rating";
    case Role::kTimestamp:
      return "timestamp";
  }
  Check(false, "a role has a name");
  return "";
}

std::span<const std::string_view> UsualNames(Role role) {
  switch (role) {
    case Role::kUser:
      return kUserNames;
    case Role::kItem:
      return kItemNames;
    case Role::kRating:
      return kRatingNames;
    case Role::kTimestamp:
      return kTimestampNames;
  }
  Check(false, "a role has names");
  return {};
}

std::string UsualNamesText(Role role) {
  std::string text;
  for (const std::string_view name : UsualNames(role)) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

std::string NormalizedName(std::string_view name) {
  constexpr std::array<std::string_view, 4> kTypes = {":token", ":float", ":token_seq",
                                                      ":float_seq"};
  for (const std::string_view type : kTypes) {
    if (name.ends_with(type)) {
      name.remove_suffix(type.size());
      break;
    }
  }
  std::string normalized;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte)) normalized += static_cast<char>(absl::ascii_tolower(byte));
  }
  return normalized;
}

int PlaceOf(std::span<const std::string> header, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    for (std::size_t place = 0; place < header.size(); ++place) {
      if (NormalizedName(header[place]) == name) return static_cast<int>(place);
    }
  }
  return -1;
}

bool ColumnChoice::by_number() const {
  for (const Role role : kRoles) {
    if (!of(role).empty()) return ColumnNumber(of(role)).has_value();
  }
  return false;
}

std::optional<int> ColumnNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text) {
  ColumnChoice columns;
  int numbers = 0;
  int names = 0;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    std::string* column = nullptr;
    for (const Role role : kRoles) {
      if (pair.first == NameOf(role)) column = &columns.of(role);
    }
    if (column == nullptr || pair.second.empty() || !column->empty()) {
      return Wrong(absl::StrCat(Quoted(std::string(part)),
                                ", expected user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]"));
    }
    *column = pair.second;
    const bool digits = pair.second.find_first_not_of("0123456789") == std::string::npos;
    if (digits && !ColumnNumber(pair.second).has_value()) {
      return Wrong(absl::StrCat(Quoted(pair.second), ", columns are counted from 1"));
    }
    ++(digits ? numbers : names);
  }
  if (numbers > 0 && names > 0) {
    return Wrong(absl::StrCat(Quoted(text),
                              " has names and numbers, expected names of the header, or numbers "
                              "for a file without one"));
  }
  for (const Role role : kRoles) {
    for (const Role other : kRoles) {
      if (role < other && !columns.of(role).empty() && columns.of(role) == columns.of(other)) {
        return Wrong(absl::StrCat(NameOf(role), " and ", NameOf(other), " are both ",
                                  Quoted(columns.of(role))));
      }
    }
  }
  return columns;
}

std::string ColumnsFlag(const ColumnChoice& columns) {
  std::string text;
  for (const Role role : kRoles) {
    if (columns.of(role).empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : ",", NameOf(role), "=", columns.of(role));
  }
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "_-=,.:/";
  if (text.find_first_not_of(kPlain) == std::string::npos) return "--columns " + text;
  return absl::StrCat("--columns \"", text, "\"");
}

}  // namespace cf
