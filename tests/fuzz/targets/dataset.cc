// The reader of data sets: a manifest and its columns.

#include "common/dataset/dataset.h"

#include <array>
#include <filesystem>

#include "common/base/check.h"
#include "common/dataset/writer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::dataset_target {
namespace {

/// The files of a data set, in the order of an input's pieces.
constexpr std::array kFiles = {
    "manifest.textproto", "user_offsets.u64",     "items.u32",    "ratings.f32",
    "timestamps.i64",     "validation.bits",      "user_ids.i64", "user_ids.order.u32",
    "user_ids.bytes",     "user_ids.offsets.u64", "item_ids.i64", "item_ids.order.u32",
    "item_ids.bytes",     "item_ids.offsets.u64", "titles.bytes", "titles.offsets.u64",
    "genres.bytes",       "genres.offsets.u64"};

/// Reads all that a data set offers; each access is within what was mapped, or a sanitizer says so.
void ReadAll(const Dataset& data) {
  std::size_t bytes = 0;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    bytes += data.user_raw_id(RowId{user}).size();
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      Check(Index(data.item_column()[k]) < data.items(), "the item of a sample is there");
      bytes += data.ratings()[k] == 0 ? 1 : 0;
      if (!data.timestamps().empty()) bytes += data.timestamps()[k] == 0 ? 1 : 0;
      if (!data.given_validation().empty())
        bytes += data.given_validation()[k / 64] >> (k % 64) & 1;
    }
  }
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    const std::string raw = data.item_raw_id(RowId{item});
    bytes += raw.size() + data.title(RowId{item}).size() + data.genres(RowId{item}).size();
    const std::optional<RowId> found = data.FindItem(raw);
    Check(!found.has_value() || Index(*found) < data.items(), "an item that is found is there");
  }
  Check(!data.FindUser("no such user").has_value() || bytes > 0, "a user that is found has a name");
  data.FindTitle("One");
  const absl::Status digest = data.Verify();
  Check(digest.ok() || absl::IsDataLoss(digest), "another digest is damage");
}

std::string SeedOf(const MemoryFolder& folder) {
  std::string seed;
  for (const char* const file : kFiles) {
    if (!seed.empty()) seed += kEndOfPiece;
    seed += ReadFile(folder.path() + "/data/" + file).value_or("");
  }
  return seed;
}

/// Any files are a data set, all of which can be read, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string input = TextOf(bytes);
  const std::vector<std::string_view> pieces = PiecesOf(input, kFiles.size());
  for (std::size_t k = 0; k < kFiles.size(); ++k) folder.Put(kFiles[k], pieces[k]);
  const absl::StatusOr<Dataset> data = Dataset::Open(folder.path());
  if (!data.ok()) {
    Check(absl::IsDataLoss(data.status()) || absl::IsFailedPrecondition(data.status()),
          "bad files are damage, or of another version");
    Check(data.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return false;
  }
  ReadAll(*data);
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const bool full : {true, false}) {
    const MemoryFolder folder;
    absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create({.folder = folder.path() + "/data",
                                                                  .sources = {"a seed"},
                                                                  .has_timestamps = full,
                                                                  .has_validation = full,
                                                                  .threads = 1});
    Check(writer.ok(), "a new folder can be written");
    if (full) {
      writer->SetUsers(Vocabulary(std::vector<std::string>{"bob", "ann"}));
      writer->SetItems(Vocabulary(std::vector<std::string>{"x", "y", "z"}));
      writer->SetItemTexts({{"Three", "Drama"}, {"One", ""}, {"one", "Action|Comedy"}});
    } else {
      writer->SetUsers(Vocabulary(std::vector<std::int64_t>{7, 5}));
      writer->SetItems(Vocabulary(std::vector<std::int64_t>{300, 100, 200}));
    }
    SampleChunk chunk = {.users = {0, 1, 1}, .items = {0, 1, 2}, .ratings = {4, 2, 3}};
    if (full) chunk.timestamps = {10, 20, 30};
    writer->Append(chunk);
    if (full) {
      writer->Append(
          {.users = {1}, .items = {0}, .ratings = {5}, .timestamps = {40}, .validation = true});
    }
    Check(writer->Finish().ok(), "a sound data set can be written");
    seeds.push_back(SeedOf(folder));
  }
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "dataset", .run = RunTarget, .seeds = Seeds, .rounds = 2000});

}  // namespace
}  // namespace cf::fuzz::dataset_target
