#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cf {

/// Whose requests are answered. A page of somebody else's, open in a browser that reaches this
/// server, can have its name point here (DNS rebinding) and would then read the answers; but the
/// browser says that name as the Host. So only names that are meant are taken, and addresses in
/// figures, which nobody else can make point here.
///
/// Owner:   HttpServer.
/// Threads: any; constant.
class AccessRule {
 public:
  /// `hosts`: names beside "localhost". `token`: what requests must bear; empty: nothing.
  AccessRule(std::vector<std::string> hosts, std::string token);

  /// Whether a Host, with or without a port, is this server's.
  bool TakesHost(std::string_view host) const;

  /// Whether the value of Authorization ("Bearer TOKEN") has the token. The time that it takes does
  /// not tell where a wrong one differs.
  bool TakesAuthorization(std::string_view value) const;

 private:
  std::vector<std::string> hosts_;
  std::string token_;
};

/// "example.org" of "Example.org:8080" and "[::1]" of "[::1]:80": in lower case, without the port and
/// a dot at the end. Nothing if it is neither a name nor an address.
std::optional<std::string> HostName(std::string_view host);

}  // namespace cf
