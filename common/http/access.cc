#include "common/http/access.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstddef>
#include <netinet/in.h>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

namespace cf {
namespace {

bool IsName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
}

bool IsAddress(const std::string& name) {
  in_addr v4 = {};
  in6_addr v6 = {};
  if (::inet_pton(AF_INET, name.c_str(), &v4) == 1) return true;
  return name.size() > 2 && name.front() == '[' && name.back() == ']' &&
         ::inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(), &v6) == 1;
}

bool IsPort(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

}  // namespace

std::optional<std::string> HostName(std::string_view host) {
  const std::size_t end = host.starts_with('[') ? host.find(']') : host.find(':');
  std::string_view name = host;
  if (end != std::string_view::npos) {
    name = host.substr(0, host.starts_with('[') ? end + 1 : end);
    std::string_view rest = host.substr(name.size());
    if (!rest.empty() && (rest.front() != ':' || !IsPort(rest.substr(1)))) return std::nullopt;
  }
  if (name.starts_with('[')) {
    if (!IsAddress(std::string(name))) return std::nullopt;
  } else {
    if (name.ends_with('.')) name.remove_suffix(1);
    if (!IsName(name) || name.ends_with('.')) return std::nullopt;
  }
  std::string lower(name);
  absl::AsciiStrToLower(&lower);
  return lower;
}

AccessRule::AccessRule(std::vector<std::string> hosts, std::string token)
    : hosts_(std::move(hosts)), token_(std::move(token)) {
  for (std::string& host : hosts_) absl::AsciiStrToLower(&host);
  hosts_.emplace_back("localhost");
}

bool AccessRule::TakesHost(std::string_view host) const {
  const std::optional<std::string> name = HostName(host);
  return name.has_value() &&
         (IsAddress(*name) || std::find(hosts_.begin(), hosts_.end(), *name) != hosts_.end());
}

bool AccessRule::TakesAuthorization(std::string_view value) const {
  if (token_.empty()) return true;
  constexpr std::size_t kScheme = sizeof "Bearer " - 1;
  if (!absl::EqualsIgnoreCase(std::string(value.substr(0, kScheme)), "Bearer ")) return false;
  value.remove_prefix(kScheme);
  std::size_t difference = value.size() ^ token_.size();
  for (std::size_t k = 0; k < value.size(); ++k) {
    difference |= static_cast<unsigned char>(value[k] ^ token_[k % token_.size()]);
  }
  return difference == 0;
}

}  // namespace cf
