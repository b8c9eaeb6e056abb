#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cf {

/// An answer as a client reads it.
struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< By name in lower case.
  std::string body;
};

/// A client that sends the bytes that it is told and reads what comes: it shares no code with what
/// it tests. On loopback.
///
/// Owner:   the test.
/// Threads: one.
/// Bounds:  every wait ends after `patience`.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port,
                      std::chrono::milliseconds patience = std::chrono::seconds(20));
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return connected_; }

  /// False where the other side does not take the bytes.
  bool Send(std::string_view bytes);
  /// Says that nothing more will be sent.
  void EndSending();

  /// The next answer; nothing where the connection ends before, or patience does. `of_head`: it has
  /// no body, whatever its header says.
  std::optional<HttpAnswer> Receive(bool of_head = false);

  /// Whether the other side ends the connection, sending nothing before.
  bool IsEnded();

  HttpAnswer Get(const std::string& target);
  HttpAnswer Post(const std::string& target, const std::string& body);

 private:
  bool ReadMore();

  int socket_ = -1;
  bool connected_ = false;
  std::string received_;
};

/// A request without a body, or with one, as HttpClient sends it.
std::string RequestText(const std::string& method, const std::string& target,
                        const std::string& body = "", const std::string& headers = "");

}  // namespace cf
