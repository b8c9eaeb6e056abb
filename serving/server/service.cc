#include "serving/server/service.h"

#include <sys/resource.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "serving/page/page_routes.h"
#include "serving/server/description.h"
#include "serving/server/item_endpoints.h"
#include "serving/server/model_endpoints.h"

namespace cf {
namespace {

/// An endpoint that is answered at once, whatever the workers do.
HttpEndpoint AtOnce(const std::string& path, const std::string& name, const std::string& what,
                    std::function<HttpResponse()> answer) {
  return {.route = {.method = "GET",
                    .pattern = path,
                    .handle =
                        [answer = std::move(answer)](std::span<HttpExchange* const> bundle) {
                          for (HttpExchange* exchange : bundle) exchange->response = answer();
                        },
                    .at_once = true},
          .name = name,
          .what = what};
}

double ProcessorSeconds() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelService>> ModelService::Start(Options options) {
  std::unique_ptr<ModelService> service(new ModelService(std::move(options)));
  if (absl::Status begun = service->Begin(); !begun.ok()) return begun;
  return service;
}

ModelService::ModelService(Options options)
    : options_(std::move(options)), keeper_(options_.paths) {
}

// The server's threads use all that is above it.
ModelService::~ModelService() {
  server_.reset();
}

absl::Status ModelService::Begin() {
  if (absl::Status opened = keeper_.Open(); !opened.ok()) return opened;
  if (!options_.access_log.empty()) {
    absl::StatusOr<std::unique_ptr<AccessLog>> log = AccessLog::Open(options_.access_log);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
  }
  std::vector<HttpEndpoint> endpoints = ListEndpoints(keeper_, options_.limits, &bundles_);
  for (HttpEndpoint& endpoint : ItemEndpoints(keeper_, options_.limits)) {
    endpoints.push_back(std::move(endpoint));
  }
  for (HttpEndpoint& endpoint : ModelEndpoints(keeper_, options_.limits)) {
    endpoints.push_back(std::move(endpoint));
  }
  for (HttpEndpoint& endpoint : OwnEndpoints()) endpoints.push_back(std::move(endpoint));
  description_ = Describe(endpoints);
  Router router;
  for (HttpEndpoint& endpoint : endpoints) router.Add(std::move(endpoint.route));
  for (Route& route : PageRoutes()) router.Add(std::move(route));
  HttpServer::Options http = options_.http;
  http.on_answered = [this](const AnsweredRequest& request) {
    counters_.Count(request);
    if (log_ != nullptr) log_->Add(request);
  };
  absl::StatusOr<std::unique_ptr<HttpServer>> server =
      HttpServer::Start(std::move(http), std::move(router));
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  running_ = server_.get();
  return absl::OkStatus();
}

std::vector<HttpEndpoint> ModelService::OwnEndpoints() {
  std::vector<HttpEndpoint> endpoints;
  endpoints.push_back(AtOnce("/healthz", "health", "Whether the process lives.", [] {
    return HttpResponse{.content_type = "text/plain", .body = "ok\n"};
  }));
  endpoints.back().route.without_token = true;
  endpoints.push_back(AtOnce(
      "/readyz", "readiness", "Whether requests may be sent here: 503 once it is about to end.",
      [this] {
        const bool ready = ready_;
        return HttpResponse{.status = ready ? 200 : 503,
                            .body = ready ? "{\"ready\":true}\n"
                                          : "{\"ready\":false,\"error\":\"about to end\"}\n"};
      }));
  endpoints.back().route.without_token = true;
  endpoints.back().answer = "Readiness";
  endpoints.back().refusals = {503};
  endpoints.push_back(
      AtOnce("/metrics", "metrics", "Counters, in Prometheus' format of text.", [this] {
        return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                            .body = Metrics()};
      }));
  endpoints.push_back(AtOnce("/openapi.json", "description", "This description.",
                             [this] { return HttpResponse{.body = description_}; }));
  endpoints.back().answer = "Description";
  return endpoints;
}

std::string ModelService::Metrics() const {
  std::string text;
  counters_.AppendTo(&text);
  const HttpServer* server = running_;
  const HttpServer::Figures figures = server == nullptr ? HttpServer::Figures() : server->figures();
  const auto append = [&text](const char* name, const char* type, const char* what, auto value) {
    AppendMetric(&text, name, type, what, static_cast<double>(value));
  };
  append("cf_http_connections", "gauge", "Open connections.", figures.connections);
  append("cf_http_connections_total", "counter", "Connections accepted.", figures.accepted);
  append("cf_http_evicted_total", "counter", "Silent connections closed to make room.",
         figures.evicted);
  append("cf_http_turned_away_total", "counter", "Connections for which there was no room.",
         figures.turned_away);
  append("cf_http_waiting", "gauge", "Requests that wait for a worker.", figures.waiting);
  append("cf_list_bundles_total", "counter", "Passes over the items for lists of single users.",
         bundles_.bundles.load());
  append("cf_list_requests_total", "counter", "Requests that these passes served.",
         bundles_.requests.load());
  append("cf_model_opened_total", "counter", "Models opened.", keeper_.opened());
  append("cf_model_failed_total", "counter", "Models that could not be opened.", keeper_.failed());
  append("cf_ready", "gauge", "Whether requests may be sent here.", ready_ ? 1 : 0);
  append("process_cpu_seconds_total", "counter", "Processor time.", ProcessorSeconds());
  const std::shared_ptr<const LiveModel> model = keeper_.Current();
  absl::StrAppend(&text, "# HELP cf_model_info The model that is served.\n",
                  "# TYPE cf_model_info gauge\ncf_model_info{digest=\"", model->name().digest,
                  "\",version=\"", model->name().version, "\"} 1\n");
  return text;
}

void ModelService::BeginEnd() {
  ready_ = false;
  server_->SendAway();
}

}  // namespace cf
