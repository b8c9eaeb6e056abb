// The parser of records of ratings.

#include "common/dataset/record_parser.h"

#include <algorithm>
#include <cmath>

#include "common/base/check.h"
#include "common/dataset/text.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::record_parser_target {
namespace {

bool IsSane(const RawId& id) {
  return id.number.has_value() || (!id.text.empty() && IsUtf8(id.text));
}

/// Takes the first line of the bytes for the header and the second for a line of it. Any bytes are
/// a sample or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  const std::string given = TextOf(bytes);
  const std::string_view text = given;
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view first = text.substr(0, end);
  std::string_view second = text.substr(std::min(end + 1, text.size()));
  second = second.substr(0, second.find('\n'));
  const absl::StatusOr<RecordFormat> format = DetectRecordFormat(first, true, {});
  if (!format.ok()) {
    Check(absl::IsInvalidArgument(format.status()), "a bad header is the user's input");
    return false;
  }
  Check(format->user >= 0 && format->user < format->fields, "the user's column is there");
  Check(format->item >= 0 && format->item < format->fields, "the item's column is there");
  ParsedRecord parsed;
  const absl::Status status = ParseRecord(*format, second, &parsed);
  if (!status.ok()) {
    Check(absl::IsInvalidArgument(status), "a bad line is the user's input");
    Check(std::string(status.message()).find('\n') == std::string::npos, "an error is one line");
    return false;
  }
  Check(IsSane(parsed.user) && IsSane(parsed.item), "raw ids are numbers or UTF-8");
  Check(std::isfinite(parsed.rating), "ratings are finite");
  return true;
}

std::vector<std::string> Seeds() {
  return {
      "userId,movieId,rating,timestamp\n1,31,2.5,1260759144",
      "user,item,rating,timestamp\n\"a \"\"b\"\", c\",Caf\xC3\xA9,-1e-3,2000-07-30 18:45:03",
      "1::1193::5::978300760\n1::661::3::978302109",
      "196\t242\t3\t881250949\nL\xE9on\t302\t3\t891717742",
  };
}

const bool kAdded =
    AddTarget({.name = "record_parser", .run = RunTarget, .seeds = Seeds, .rounds = 50'000});

}  // namespace
}  // namespace cf::fuzz::record_parser_target
