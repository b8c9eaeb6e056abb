// Goal: with a certificate the server speaks TLS and nothing else, and who does not shake hands stops
// nobody. Method: OpenSSL's own client on loopback, and a certificate made for the test.

#include <cstdio>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tests/unit/http/server_fixture.h"

namespace cf::tls_test {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ServerTest {
 protected:
  TlsTest() : folder_(testing::TempDir() + "cf_tls_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate_path().c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(key_path().c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

  std::string certificate_path() const { return folder_ + "/certificate.pem"; }
  std::string key_path() const { return folder_ + "/key.pem"; }

  /// What a client reads that sends `request` through TLS, to the end of the connection.
  std::string Ask(const std::string& request) const {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_file(context, certificate_path().c_str());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, socket);
    std::string answer;
    if (SSL_connect(ssl) == 1) {
      SSL_write(ssl, request.data(), static_cast<int>(request.size()));
      char bytes[4096];
      for (int got = 0; (got = SSL_read(ssl, bytes, sizeof bytes)) > 0;) {
        answer.append(bytes, static_cast<std::size_t>(got));
      }
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ::close(socket);
    SSL_CTX_free(context);
    return answer;
  }

 private:
  std::string folder_;
};

TEST_F(TlsTest, RequestsAreAnsweredThroughTls) {
  Start({.tls_certificate = certificate_path(), .tls_key = key_path()});
  const std::string body(100'000, 'b');
  const std::string answer = Ask(RequestText("GET", "/echo/abc") +
                                 RequestText("POST", "/echo", body, "Connection: close\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nabcHTTP/1.1 200 OK"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body));
}

TEST_F(TlsTest, PlainRequestsAreNot) {
  Start({.tls_certificate = certificate_path(),
         .tls_key = key_path(),
         .header_max = std::chrono::milliseconds(300)});
  HttpClient silent(port());
  HttpClient plain(port());
  plain.Send(RequestText("GET", "/echo/abc"));
  EXPECT_FALSE(plain.Receive().has_value());
  EXPECT_THAT(Ask(RequestText("GET", "/echo/abc", "", "Connection: close\r\n")), HasSubstr("abc"));
  EXPECT_TRUE(silent.IsEnded());
}

TEST_F(TlsTest, ACertificateAndAKeyThatAreNoneAreRefused) {
  for (const auto& [certificate, key] :
       {std::pair(certificate_path(), std::string()), std::pair(std::string(), key_path()),
        std::pair(key_path(), key_path()), std::pair(certificate_path(), certificate_path()),
        std::pair(certificate_path() + "x", key_path())}) {
    const auto server =
        HttpServer::Start({.tls_certificate = certificate, .tls_key = key}, Router());
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace cf::tls_test
