// The import of rating files as a whole: lines of several threads, raw ids, the writer of data sets.

#include <filesystem>

#include "common/base/check.h"
#include "common/dataset/dataset.h"
#include "common/dataset/import.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::ratings_target {
namespace {

/// Any bytes are ratings, which make a data set that opens and has the digest it says, or an error
/// of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string out = folder.path() + "/data";
  std::filesystem::remove_all(out);
  const absl::StatusOr<ImportSummary> imported =
      Import({.ratings = {folder.Put("ratings", TextOf(bytes))}, .out = out, .threads = 1});
  if (!imported.ok()) {
    Check(absl::IsInvalidArgument(imported.status()), "a bad file is the user's input");
    Check(imported.status().message().find('\n') == absl::string_view::npos,
          "an error is one line");
    Check(!std::filesystem::exists(out), "nothing is left of an import that failed");
    return false;
  }
  const absl::StatusOr<Dataset> data = Dataset::Open(out);
  Check(data.ok() && data->Verify().ok(), "what is imported is a sound data set");
  for (std::uint32_t user = 0; user < data->users(); ++user) {
    Check(data->FindUser(data->user_raw_id(RowId{user})) == RowId{user}, "users are found");
  }
  for (std::uint32_t item = 0; item < data->items(); ++item) {
    Check(data->FindItem(data->item_raw_id(RowId{item})) == RowId{item}, "items are found");
  }
  return true;
}

std::vector<std::string> Seeds() {
  return {
      "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n"
      "2,31,4,835355749\n",
      "user,item\n\"a, b\",x\nCaf\xC3\xA9,y\n",
      "1::1193::5::978300760\n1::661::3::978302109\n2::1193::1::978302110\n",
      "196\t242\t3\t881250949\nL\xE9on\t302\t3\t891717742\n196\t242\t4\t881250950\n"};
}

const bool kAdded = AddTarget({.name = "ratings", .run = RunTarget, .seeds = Seeds, .rounds = 500});

}  // namespace
}  // namespace cf::fuzz::ratings_target
