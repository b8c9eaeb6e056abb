// The parser of rating lines over hostile bytes: as a libFuzzer target, and as a test over inputs
// drawn from a fixed seed.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/dataset/line_parser.h"
#include "common/dataset/text.h"

namespace cf {
namespace {

bool IsSane(const RawId& id) {
  return id.number.has_value() || (!id.text.empty() && IsUtf8(id.text));
}

/// Takes the first line of the bytes for the header and the second for a line of it. Any bytes are
/// a sample or an error of one line. Returns which.
bool ParseBytes(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view first = text.substr(0, end);
  std::string_view second = text.substr(std::min(end + 1, text.size()));
  second = second.substr(0, second.find('\n'));
  const absl::StatusOr<LineFormat> format =
      DetectLineFormat(first, FileFormat::kAutomatic, {}, Encoding::kAutomatic);
  if (!format.ok()) {
    Check(absl::IsInvalidArgument(format.status()), "a bad header is the user's input");
    return false;
  }
  Check(format->user >= 0 && format->user < format->fields, "the user's column is there");
  Check(format->item >= 0 && format->item < format->fields, "the item's column is there");
  ParsedLine parsed;
  const absl::Status status = ParseLine(*format, second, &parsed);
  if (!status.ok()) {
    Check(absl::IsInvalidArgument(status), "a bad line is the user's input");
    Check(std::string(status.message()).find('\n') == std::string::npos, "an error is one line");
    return false;
  }
  Check(IsSane(parsed.user) && IsSane(parsed.item), "raw ids are numbers or UTF-8");
  Check(std::isfinite(parsed.rating), "ratings are finite");
  return true;
}

}  // namespace
}  // namespace cf

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cf::ParseBytes(std::as_bytes(std::span(data, size)));
  return 0;
}

namespace cf {
namespace {

TEST(LineParserFuzz, AnyBytesAreASampleOrAnError) {
  const std::string seeds[] = {
      "userId,movieId,rating,timestamp\n1,31,2.5,1260759144",
      "user,item,rating,timestamp\n\"a \"\"b\"\", c\",Caf\xC3\xA9,-1e-3,2000-07-30 18:45:03",
      "1::1193::5::978300760\n1::661::3::978302109",
      "196\t242\t3\t881250949\nL\xE9on\t302\t3\t891717742",
  };
  const std::string_view alphabet = ",\t:\"\\\n\r 019-+.eETnaif\x80\xC3\xE9\xFF";
  std::mt19937 random(2024);
  std::size_t samples = 0;
  std::size_t errors = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text = seeds[random() % std::size(seeds)];
    for (std::size_t change = random() % 5; change > 0; --change) {
      const std::size_t place = random() % text.size();
      const char byte =
          random() % 4 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[place] = byte;
          break;
        case 1:
          text.insert(text.begin() + static_cast<std::ptrdiff_t>(place), byte);
          break;
        default:
          text.resize(place + 1);
      }
    }
    ++(ParseBytes(std::as_bytes(std::span(text))) ? samples : errors);
  }
  // Both ways out were taken often, or the inputs prove nothing.
  EXPECT_GT(samples, 10'000U);
  EXPECT_GT(errors, 10'000U);
}

}  // namespace
}  // namespace cf
