// Goal: only requests for this server's own names, with its token, are taken.

#include "common/http/access.h"

#include <gtest/gtest.h>

namespace cf::access_test {
namespace {

TEST(Access, OwnNamesAndAddressesAreTaken) {
  const AccessRule rule({"Recs.Example.org"}, "");
  for (const char* host : {"localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.0.0.1:1",
                           "10.1.2.3:80", "[::1]", "[::1]:8080", "recs.example.org:443"}) {
    EXPECT_TRUE(rule.TakesHost(host)) << host;
  }
}

TEST(Access, NamesOfOthersAreNot) {
  const AccessRule rule({"recs.example.org"}, "");
  for (const char* host :
       {"", "example.org", "evil.localhost", "localhost.evil.org", "127.0.0.1.evil.org",
        "localhost:80:80", "localhost:x", "local host", "[::1", "[::1]x", "[evil.org]",
        "user@localhost", "localhost/", "0x7f.1", "recs.example.org.evil.org", ":80", "."}) {
    EXPECT_FALSE(rule.TakesHost(host)) << host;
  }
}

TEST(Access, TheTokenIsBorne) {
  const AccessRule rule({}, "s3cret");
  EXPECT_TRUE(rule.TakesAuthorization("Bearer s3cret"));
  EXPECT_TRUE(rule.TakesAuthorization("bearer s3cret"));
  for (const char* value : {"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret ",
                            "Bearer s3cres", "Basic s3cret", "s3cret", "Bearer s3crets3cret"}) {
    EXPECT_FALSE(rule.TakesAuthorization(value)) << value;
  }
  EXPECT_TRUE(AccessRule({}, "").TakesAuthorization(""));
}

}  // namespace
}  // namespace cf::access_test
