#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "common/http/server.h"
#include "tests/support/http_client.h"

namespace cf {

/// A server with a few routes, made for a test.
///
/// Owner:   the test.
/// Threads: one.
class ServerTest : public testing::Test {
 protected:
  // GET /echo/{text} and POST /echo answer what they were sent, on a worker.
  static void AddEcho(Router& router) {
    router.Add({.method = "GET",
                .pattern = "/echo/{text}",
                .handle =
                    [](std::span<HttpExchange* const> bundle) {
                      for (HttpExchange* exchange : bundle) {
                        exchange->response.body = exchange->parameters.at(0);
                      }
                    },
                .bundle_max = 8});
    router.Add(
        {.method = "POST", .pattern = "/echo", .handle = [](std::span<HttpExchange* const> bundle) {
           bundle[0]->response.body = bundle[0]->request.body;
         }});
    router.Add(
        {.method = "GET",
         .pattern = "/alive",
         .handle = [](std::span<HttpExchange* const> bundle) { bundle[0]->response.body = "yes"; },
         .at_once = true,
         .without_token = true});
  }

  void Start(HttpServer::Options options = {}, Router router = Router()) {
    AddEcho(router);
    server_ = HttpServer::Start(std::move(options), std::move(router)).value();
  }

  std::uint16_t port() const { return server_->port(); }

  std::unique_ptr<HttpServer> server_;
};

}  // namespace cf
