// What the target of a request and its Host meet.

#include "common/base/check.h"
#include "common/http/access.h"
#include "common/http/target.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::http_target {
namespace {

/// Whatever is taken is plain text, and reads the same when it is written again; a Host that is
/// taken has a name without a port.
bool RunTarget(std::span<const std::byte> bytes) {
  const std::string input = TextOf(bytes);
  const std::vector<std::string_view> pieces = PiecesOf(input, 2);
  const std::string host(pieces[1]);
  if (const std::optional<std::string> name = HostName(host)) {
    Check(HostName(*name) == name, "a name names itself");
  }
  const std::string text(pieces[0]);
  const absl::StatusOr<Target> target = ParseTarget(text);
  if (!target.ok()) return false;
  std::string again;
  for (const std::string& part : target->path) {
    Check(IsPlainText(part), "parts are plain text");
    again += "/" + PercentEncoded(part);
  }
  char before = '?';
  for (const QueryParameter& parameter : target->query) {
    Check(IsPlainText(parameter.name) && IsPlainText(parameter.value), "parameters are plain text");
    again += before + PercentEncoded(parameter.name) + "=" + PercentEncoded(parameter.value);
    before = '&';
  }
  Check(*ParseTarget(again) == *target, "what was read is written and read the same");
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const char* target : {"/", "/v1/users/caf%C3%A9/similar?k=3&genre=Film-Noir",
                             "/a%2Fb//?x=1&x=2&=", "/v1/items?query=toy+story%20%281995%29"}) {
    for (const char* host : {"localhost:8080", "[::1]", "Recs.Example.org."}) {
      seeds.push_back(std::string(target) + std::string(kEndOfPiece) + host);
    }
  }
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "http_target", .run = RunTarget, .seeds = Seeds, .rounds = 20'000});

}  // namespace
}  // namespace cf::fuzz::http_target
