#include "common/http/router.h"

#include <optional>
#include <set>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"

namespace cf {

struct Router::Entry {
  Route route;
  std::vector<std::string> parts;

  // What stands in the pattern's places, if the path fits.
  std::optional<std::vector<std::string>> PlacesOf(const std::vector<std::string>& path) const {
    if (path.size() != parts.size()) return std::nullopt;
    std::vector<std::string> places;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      if (parts[k].starts_with('{') && !path[k].empty()) {
        places.push_back(path[k]);
      } else if (parts[k] != path[k]) {
        return std::nullopt;
      }
    }
    return places;
  }
};

Router::Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

void Router::Add(Route route) {
  Check(route.pattern.starts_with('/'), "a pattern begins with '/'");
  for (const std::unique_ptr<const Entry>& entry : entries_) {
    Check(entry->route.method != route.method || entry->route.pattern != route.pattern,
          "a method and a pattern are answered by one route");
  }
  std::vector<std::string> parts = absl::StrSplit(route.pattern.substr(1), '/');
  entries_.push_back(
      std::make_unique<const Entry>(Entry{.route = std::move(route), .parts = std::move(parts)}));
}

std::variant<Router::Match, HttpResponse> Router::Find(const HttpRequest& request) const {
  std::set<std::string> methods;  // That the path is answered with.
  for (const std::unique_ptr<const Entry>& entry : entries_) {
    std::optional<std::vector<std::string>> places = entry->PlacesOf(request.target.path);
    if (!places.has_value()) continue;
    if (entry->route.method == request.method) {
      return Match{.route = &entry->route, .parameters = *std::move(places)};
    }
    methods.insert(entry->route.method);
  }
  if (methods.empty()) return ErrorResponse(404, "nothing is served at this path");
  const std::string allowed = absl::StrJoin(methods, ", ");
  HttpResponse response = ErrorResponse(405, absl::StrCat("this path takes ", allowed));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace cf
