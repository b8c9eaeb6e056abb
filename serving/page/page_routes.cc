#include "serving/page/page_routes.h"

#include <span>
#include <string>

namespace cf {
namespace {

constexpr char kClient[] =
#include "serving/page/client.js.inc"
    ;
constexpr char kElements[] =
#include "serving/page/elements.js.inc"
    ;
constexpr char kIcon[] =
#include "serving/page/icon.svg.inc"
    ;
constexpr char kLists[] =
#include "serving/page/lists.js.inc"
    ;
constexpr char kPage[] =
#include "serving/page/page.html.inc"
    ;
constexpr char kRating[] =
#include "serving/page/rating.js.inc"
    ;
constexpr char kScript[] =
#include "serving/page/page.js.inc"
    ;
constexpr char kState[] =
#include "serving/page/state.js.inc"
    ;
constexpr char kStyle[] =
#include "serving/page/page.css.inc"
    ;
constexpr char kSuggest[] =
#include "serving/page/suggest.js.inc"
    ;

constexpr char kMarkup[] = "text/html; charset=utf-8";
constexpr char kStyleSheet[] = "text/css; charset=utf-8";
constexpr char kJavaScript[] = "text/javascript; charset=utf-8";

// Trusted types: a browser that knows them stops a script that would make markup of a text.
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

Route FileRoute(const char* path, const char* type, const char* text) {
  // Of another program at the same place the browser shall not keep the page of this one.
  const HttpResponse response = {.content_type = type,
                                 .body = text,
                                 .headers = {{"Content-Security-Policy", kPolicy},
                                             {"Referrer-Policy", "no-referrer"},
                                             {"Cache-Control", "no-cache"}}};
  return {.method = "GET",
          .pattern = path,
          .handle =
              [response](std::span<HttpExchange* const> bundle) {
                for (HttpExchange* exchange : bundle) exchange->response = response;
              },
          .at_once = true,
          .without_token = true};
}

}  // namespace

std::vector<Route> PageRoutes() {
  std::vector<Route> routes;
  routes.push_back(FileRoute("/", kMarkup, kPage));
  routes.push_back(FileRoute("/page/page.css", kStyleSheet, kStyle));
  routes.push_back(FileRoute("/page/icon.svg", "image/svg+xml", kIcon));
  routes.push_back(FileRoute("/page/client.js", kJavaScript, kClient));
  routes.push_back(FileRoute("/page/elements.js", kJavaScript, kElements));
  routes.push_back(FileRoute("/page/lists.js", kJavaScript, kLists));
  routes.push_back(FileRoute("/page/page.js", kJavaScript, kScript));
  routes.push_back(FileRoute("/page/rating.js", kJavaScript, kRating));
  routes.push_back(FileRoute("/page/state.js", kJavaScript, kState));
  routes.push_back(FileRoute("/page/suggest.js", kJavaScript, kSuggest));
  return routes;
}

}  // namespace cf
