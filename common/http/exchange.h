#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "common/http/target.h"

namespace cf {

struct Route;

/// What somebody asked for, whole and within all limits.
struct HttpRequest {
  std::string method;  ///< "GET", "POST"; "GET" for HEAD, too, whose answer goes without its body.
  Target target;
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< Further ones.
};

/// {"error": reason}, with that status.
HttpResponse ErrorResponse(int status, const std::string& reason);

/// "Not Found" of 404; "Unknown" of a status that nothing here answers with.
const char* ReasonPhrase(int status);

/// A request and its answer, which a handler fills in.
///
/// Owner:   the connection that it came on and whoever works at it.
/// Threads: one at a time: the I/O thread, a worker, the I/O thread.
/// Bounds:  the limits of HttpServer::Options.
struct HttpExchange {
  HttpRequest request;
  const Route* route = nullptr;
  std::vector<std::string> parameters;  ///< What stood in the places of the route's pattern.
  HttpResponse response;
  std::chrono::steady_clock::time_point received;  ///< When the request had come whole.
  std::chrono::steady_clock::time_point deadline;  ///< When nobody waits for the answer any more.
};

/// A request that has been answered, or refused before it was one, as logs and counters take it.
struct AnsweredRequest {
  std::string remote = {};       ///< The client's address, in figures.
  std::string method = {};       ///< As it was sent; empty where none was read, as is
  std::string target = {};       ///< the target.
  const Route* route = nullptr;  ///< Null where nothing answers there.
  int status = 0;
  std::size_t body_bytes = 0;
  std::chrono::nanoseconds duration{0};  ///< From the request's last byte to the answer's first.
};

}  // namespace cf
