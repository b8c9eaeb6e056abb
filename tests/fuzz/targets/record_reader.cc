// The reader of files that are like ratings, record by record, beside the one that reads in bulk.

#include "common/dataset/record_reader.h"

#include <absl/strings/match.h>

#include "common/base/check.h"
#include "common/dataset/ratings_reader.h"
#include "common/dataset/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::record_reader_target {
namespace {

/// Any bytes are records or an error of one line, and both readers take the same number of them or
/// refuse with the same words.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string path = folder.Put("records", TextOf(bytes));
  const RecordOptions options = {.rating = Need::kOptional};
  absl::Status status;
  std::uint64_t records = 0;
  bool lacks_rating = false;
  absl::StatusOr<std::unique_ptr<RecordReader>> reader = RecordReader::Open(path, options);
  status = reader.status();
  while (status.ok()) {
    Record record;
    const absl::StatusOr<bool> more = (*reader)->Next(&record);
    status = more.status();
    if (!more.ok() || !*more) break;
    ++records;
    lacks_rating |= (*reader)->format().rating >= 0 && !record.rating.has_value();
    Check(!record.user.empty() && !record.item.empty(), "a record has both ids");
    Check(IsUtf8(record.user) && IsUtf8(record.item), "raw ids are UTF-8");
  }
  RatingsReader bulk({.records = options, .threads = 1});
  const absl::Status read = bulk.Read(path, /*validation=*/false);
  if (!status.ok()) {
    Check(absl::IsInvalidArgument(status), "a bad file is the user's input");
    Check(status.message().find('\n') == absl::string_view::npos, "an error is one line");
    // An import wants ratings where there is a column of them.
    lacks_rating |= absl::StrContains(read.message(), "the rating is \"\"");
    Check(!read.ok() && (lacks_rating || read.message() == status.message()),
          "both refuse it alike");
    return false;
  }
  Check(lacks_rating || records == 0 || (read.ok() && bulk.samples() == records),
        "both read as many");
  return records > 0;
}

std::vector<std::string> Seeds() {
  return {"userId,movieId,rating,timestamp\n1,31,2.5,2009-12-14 02:52:24\n2,31,4,835355749\n",
          "\"user\";\"item\";\"note\"\r\n\"a; b\";x;\"two\r\nlines \"\"and\"\" more\"\r\nc;y;\r\n",
          "1::1193::5::978300760\n1::661::3::978302109\n",
          "user item rating\n1  2\t3\n4 5 6 \n",
          "sep=|\nuser_id:token|item_id:token\n7|8\n",
          "196\t242\t3\t881250949\nL\xE9on\t302\t3\t8\n"};
}

const bool kAdded =
    AddTarget({.name = "record_reader", .run = RunTarget, .seeds = Seeds, .rounds = 4000});

}  // namespace
}  // namespace cf::fuzz::record_reader_target
