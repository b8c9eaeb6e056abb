#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/http/exchange.h"

namespace cf {

/// Fills in the responses of requests of one route. It does not throw, and it answers each.
using HttpHandler = std::function<void(std::span<HttpExchange* const>)>;

/// A method and a pattern of paths, with what answers there.
struct Route {
  std::string method;
  /// "/v1/users/{id}/similar": a part in braces stands for any one that is not empty.
  std::string pattern;
  HttpHandler handle;
  /// How many requests that wait for this route a worker may take at once.
  std::size_t bundle_max = 1;
  /// Answered on the I/O thread, also while all workers are at work; such a handler is quick.
  bool at_once = false;
  /// Answered without the server's token.
  bool without_token = false;
};

/// Which route answers a request.
///
/// Owner:      HttpServer.
/// Threads:    any, once filled.
/// Invariants: no two routes have the same method and pattern; a path of fixed parts is preferred to
///             one with places, where it was added first.
class Router {
 public:
  Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  /// Requires: the pattern begins with '/'.
  void Add(Route route);

  /// What answers: the route and what stands in its places.
  struct Match {
    const Route* route;
    std::vector<std::string> parameters;
  };
  /// Or the answer that there is none: 404, or 405 where only other methods are answered.
  std::variant<Match, HttpResponse> Find(const HttpRequest& request) const;

 private:
  struct Entry;
  std::vector<std::unique_ptr<const Entry>> entries_;
};

}  // namespace cf
