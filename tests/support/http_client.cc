#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace cf {

std::string RequestText(const std::string& method, const std::string& target,
                        const std::string& body, const std::string& headers) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

HttpClient::HttpClient(std::uint16_t port, std::chrono::milliseconds patience)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  timeval wait = {};
  wait.tv_sec = patience.count() / 1000;
  wait.tv_usec = static_cast<suseconds_t>(patience.count() % 1000 * 1000);
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

HttpClient::~HttpClient() {
  ::close(socket_);
}

bool HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void HttpClient::EndSending() {
  ::shutdown(socket_, SHUT_WR);
}

bool HttpClient::ReadMore() {
  char bytes[65536];
  const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  received_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

bool HttpClient::IsEnded() {
  char byte = 0;
  const ssize_t got = ::recv(socket_, &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

std::optional<HttpAnswer> HttpClient::Receive(bool of_head) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
  }
  HttpAnswer answer;
  answer.status = std::atoi(received_.c_str() + sizeof "HTTP/1.1 " - 1);
  std::size_t at = received_.find("\r\n") + 2;
  while (at < end + 2) {
    const std::size_t colon = received_.find(": ", at);
    const std::size_t line = received_.find("\r\n", at);
    std::string name = received_.substr(at, colon - at);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    answer.headers[name] = received_.substr(colon + 2, line - colon - 2);
    at = line + 2;
  }
  received_.erase(0, end + 4);
  if (of_head || answer.status < 200) return answer;
  const auto length =
      static_cast<std::size_t>(std::atoll(answer.headers["content-length"].c_str()));
  while (received_.size() < length) {
    if (!ReadMore()) return std::nullopt;
  }
  answer.body = received_.substr(0, length);
  received_.erase(0, length);
  return answer;
}

HttpAnswer HttpClient::Get(const std::string& target) {
  Send(RequestText("GET", target));
  std::optional<HttpAnswer> answer = Receive();
  EXPECT_TRUE(answer.has_value()) << target;
  return std::move(answer).value_or(HttpAnswer());
}

HttpAnswer HttpClient::Post(const std::string& target, const std::string& body) {
  Send(RequestText("POST", target, body));
  std::optional<HttpAnswer> answer = Receive();
  EXPECT_TRUE(answer.has_value()) << target;
  return std::move(answer).value_or(HttpAnswer());
}

}  // namespace cf
