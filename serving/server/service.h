#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/http/server.h"
#include "serving/open_model.h"
#include "serving/server/access_log.h"
#include "serving/server/endpoint.h"
#include "serving/server/http_counters.h"
#include "serving/server/list_endpoints.h"
#include "serving/server/live_model.h"

namespace cf {

/// A model behind HTTP: all endpoints, whether it is ready, its counters and its log.
///
/// Owner:   the program.
/// Threads: its functions on one thread.
/// Bounds:  those of the server, the model, and while a new one is opened both models.
class ModelService {
 public:
  struct Options {
    ServedPaths paths = {};
    HttpServer::Options http = {};  ///< But for `on_answered`.
    EndpointLimits limits = {};
    std::string access_log = {};  ///< A file, or "-" for standard output; empty: none.
  };

  /// Opens the model, then answers. Errors are those of the model, the log and the server.
  static absl::StatusOr<std::unique_ptr<ModelService>> Start(Options options);
  ~ModelService();
  ModelService(const ModelService&) = delete;
  ModelService& operator=(const ModelService&) = delete;

  std::uint16_t port() const { return server_->port(); }
  ModelKeeper& keeper() { return keeper_; }

  /// From now on it says that it is not ready, and answers end their connections.
  void BeginEnd();

  /// HttpServer::Drain.
  bool Drain(std::chrono::milliseconds most) { return server_->Drain(most); }

 private:
  explicit ModelService(Options options);
  absl::Status Begin();
  std::vector<HttpEndpoint> OwnEndpoints();
  std::string Metrics() const;

  const Options options_;
  ModelKeeper keeper_;
  std::atomic<bool> ready_{true};
  BundleFigures bundles_;
  HttpCounters counters_;  // Of the server's I/O thread.
  std::unique_ptr<AccessLog> log_;
  std::string description_;  // Constant once the server runs.
  std::unique_ptr<HttpServer> server_;
  // The same for the I/O thread, which may be asked before Start has returned; null until then.
  std::atomic<const HttpServer*> running_{nullptr};
};

}  // namespace cf
