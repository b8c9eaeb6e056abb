#include "common/http/target.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "common/text/utf8.h"

namespace cf {
namespace {

// More than any route has, and few enough that a target costs little to read.
constexpr std::size_t kPartsMax = 32;
constexpr std::size_t kParametersMax = 64;

constexpr char kHex[] = "0123456789ABCDEF";

/// 0 to 15; -1 for what is no digit.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

absl::StatusOr<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t k = 0; k < text.size(); ++k) {
    if (text[k] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[k] != '%') {
      decoded += text[k];
    } else {
      const int high = k + 2 < text.size() ? HexDigit(text[k + 1]) : -1;
      const int low = k + 2 < text.size() ? HexDigit(text[k + 2]) : -1;
      if (high < 0 || low < 0) {
        return absl::InvalidArgumentError(
            "the target has a '%' that is not followed by two hexadecimal digits");
      }
      decoded += static_cast<char>(high * 16 + low);
      k += 2;
    }
  }
  if (!IsPlainText(decoded)) {
    return absl::InvalidArgumentError("the target has a part that is no plain text in UTF-8");
  }
  return decoded;
}

absl::Status ReadQuery(std::string_view text, std::vector<QueryParameter>& query) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    if (one.empty()) continue;
    if (query.size() == kParametersMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("the target has more than ", kParametersMax, " parameters"));
    }
    const std::size_t equals = std::min(one.find('='), one.size());
    absl::StatusOr<std::string> name = Decode(one.substr(0, equals), true);
    if (!name.ok()) return name.status();
    absl::StatusOr<std::string> value = Decode(one.substr(std::min(equals + 1, one.size())), true);
    if (!value.ok()) return value.status();
    query.push_back({.name = *std::move(name), .value = *std::move(value)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text) {
  Target target;
  const std::size_t question = std::min(text.find('?'), text.size());
  std::string_view path = text.substr(0, question);
  if (!path.starts_with('/')) {
    return absl::InvalidArgumentError("the target does not begin with '/'");
  }
  path.remove_prefix(1);
  for (;;) {
    if (target.path.size() == kPartsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("the target has more than ", kPartsMax, " parts"));
    }
    const std::size_t slash = path.find('/');
    absl::StatusOr<std::string> part = Decode(path.substr(0, slash), false);
    if (!part.ok()) return part.status();
    target.path.push_back(*std::move(part));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  const absl::Status read =
      ReadQuery(text.substr(std::min(question + 1, text.size())), target.query);
  if (!read.ok()) return read;
  return target;
}

std::string PercentEncoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 0xf];
    }
  }
  return encoded;
}

}  // namespace cf
