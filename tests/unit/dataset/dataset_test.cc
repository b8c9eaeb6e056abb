#include "common/dataset/dataset.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/dataset/column_sums.h"
#include "common/dataset/layout.h"
#include "common/dataset/writer.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::dataset_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A data set of two users and three items with everything that one can have.
absl::Status WriteSmall(const std::string& folder, float first_rating = 4, bool overwrite = false) {
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create({.folder = folder,
                                                                .sources = {"a test"},
                                                                .has_timestamps = true,
                                                                .has_validation = true,
                                                                .overwrite = overwrite});
  if (!writer.ok()) return writer.status();
  writer->SetUsers(Vocabulary(std::vector<std::string>{"bob", "ann", "nobody"}));
  writer->SetItems(Vocabulary(std::vector<std::int64_t>{300, 100, 200}));
  writer->SetItemTexts({{"Three", "Drama"}, {"One", ""}, {"one", "Action|Comedy"}});
  writer->Append({.users = {0, 1, 1},
                  .items = {0, 1, 0},
                  .ratings = {first_rating, 2, 3},
                  .timestamps = {10, 20, 30}});
  writer->Append(
      {.users = {1}, .items = {2}, .ratings = {5}, .timestamps = {40}, .validation = true});
  return writer->Finish().status();
}

TEST(Dataset, HoldsWhatWasWrittenInCanonicalOrder) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  EXPECT_EQ(folder.entries(), 1U);  // No temporary folder is left.
  absl::StatusOr<Dataset> opened = Dataset::Open(folder.Path("d"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Dataset data = *std::move(opened);
  EXPECT_EQ(data.name(), "d");
  EXPECT_EQ(data.users(), 2U);  // "nobody" has no sample.
  EXPECT_EQ(data.user_raw_id(RowId{0}), "ann");
  EXPECT_EQ(data.item_raw_id(RowId{0}), "300");
  EXPECT_EQ(data.item_raw_id(RowId{1}), "100");
  EXPECT_THAT(data.user_offsets(), testing::ElementsAre(0, 3, 4));
  EXPECT_THAT(data.item_column(), testing::ElementsAre(RowId{0}, RowId{1}, RowId{2}, RowId{0}));
  EXPECT_THAT(data.ratings(), testing::ElementsAre(3, 2, 5, 4));
  EXPECT_THAT(data.timestamps(), testing::ElementsAre(30, 20, 40, 10));
  EXPECT_THAT(data.given_validation(), testing::ElementsAre(0b100));
  EXPECT_EQ(data.title(RowId{0}), "Three");
  EXPECT_EQ(data.genres(RowId{2}), "Action|Comedy");
  EXPECT_EQ(data.FindTitle("One"), std::vector<RowId>{RowId{1}});
  EXPECT_EQ(data.FindTitle("ONE"), (std::vector<RowId>{RowId{1}, RowId{2}}));
  EXPECT_EQ(data.FindUser("bob"), RowId{1});
  EXPECT_EQ(data.FindUser("nobody"), std::nullopt);
  EXPECT_EQ(data.FindItem("200"), RowId{2});
  EXPECT_EQ(data.FindItem("0200"), std::nullopt);
  EXPECT_TRUE(data.Verify().ok());
}

// The format is a contract: these bytes and this digest are the worked example of
// docs/dataset_format.md, and change only with layout::kVersion.
TEST(Dataset, HasGoldenBytes) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  const auto bytes = [&folder](const std::string& name) {
    return ReadFile(folder.Path("d/") + name).value();
  };
  using namespace std::string_literals;
  EXPECT_EQ(bytes("user_offsets.u64"), "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("items.u32"), "\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("ratings.f32"), "\0\0\x40\x40\0\0\0\x40\0\0\xA0\x40\0\0\x80\x40"s);
  EXPECT_EQ(bytes("timestamps.i64"),
            "\x1E\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\x28\0\0\0\0\0\0\0\x0A\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("validation.bits"), "\4\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("user_ids.offsets.u64"), "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("user_ids.bytes"), "annbob");
  EXPECT_EQ(bytes("item_ids.i64"), "\x2C\1\0\0\0\0\0\0\x64\0\0\0\0\0\0\0\xC8\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("item_ids.order.u32"), "\1\0\0\0\2\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes("titles.bytes"), "ThreeOneone");
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  EXPECT_EQ(data.digest(), "689718bad3bc3b8c73ed09d02d64260a");
  EXPECT_EQ(data.manifest().checksums(6).file(), "user_ids.bytes");
  EXPECT_EQ(data.manifest().checksums(6).chunks(0), 7487593787323913276U);
  EXPECT_EQ(data.manifest().chunk_bytes(), 1U << 20);
}

TEST(Dataset, RefusesWhatIsNotWhole) {
  const TestFolder folder;
  EXPECT_THAT(std::string(Dataset::Open(folder.Path("none")).status().message()),
              EndsWith(": not a data set (no manifest.textproto); cfdata import makes one"));
  // Of a relative path it says from where.
  EXPECT_EQ(Dataset::Open("no/such/data").status().message(),
            "no/such/data: not a data set (no manifest.textproto) as seen from " +
                std::filesystem::current_path().string() +
                "; --data says where it is, and cfdata import makes one");
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  const std::string ratings = ReadFile(folder.Path("d/ratings.f32")).value();
  folder.Write("d/ratings.f32", ratings.substr(1));
  EXPECT_THAT(std::string(Dataset::Open(folder.Path("d")).status().message()),
              HasSubstr("ratings.f32: has 15 bytes, expected 4 times 4"));
  folder.Write("d/ratings.f32", std::string(ratings.size(), 'x'));
  const absl::StatusOr<Dataset> changed = Dataset::Open(folder.Path("d"));
  ASSERT_TRUE(changed.ok());
  EXPECT_TRUE(absl::IsDataLoss(changed->Verify()));
  folder.Write("d/ratings.f32", ratings);

  const std::string items = ReadFile(folder.Path("d/items.u32")).value();
  folder.Write("d/items.u32", "\3" + items.substr(1));
  EXPECT_THAT(std::string(Dataset::Open(folder.Path("d")).status().message()),
              HasSubstr("an id is out of range"));
  folder.Write("d/items.u32", items);

  std::string offsets = ReadFile(folder.Path("d/user_offsets.u64")).value();
  std::swap(offsets[8], offsets[16]);
  folder.Write("d/user_offsets.u64", offsets);
  EXPECT_TRUE(absl::IsDataLoss(Dataset::Open(folder.Path("d")).status()));
  std::swap(offsets[8], offsets[16]);
  folder.Write("d/user_offsets.u64", offsets);
  std::filesystem::remove(folder.Path("d/titles.bytes"));
  EXPECT_THAT(std::string(Dataset::Open(folder.Path("d")).status().message()),
              HasSubstr("titles.bytes: the data set lacks this column"));
  folder.Write("d/manifest.textproto", "version: 2 from_the_future: 1");
  EXPECT_TRUE(absl::IsFailedPrecondition(Dataset::Open(folder.Path("d")).status()));
}

// Goal: no byte of any column is another without a check that names the file, whoever of a host has its
// share of it. Method: every byte of a small data set, one after the other.
TEST(Dataset, AnyChangedByteIsNamedByTheShareThatHasIt) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  DatasetManifest manifest = Dataset::Open(folder.Path("d"))->manifest();
  const auto damaged_shares = [&] {
    std::vector<std::string> errors;
    for (std::size_t index = 0; index < 3; ++index) {
      const absl::Status checked =
          CheckColumns(folder.Path("d"), manifest, {.index = index, .count = 3}, true);
      if (!checked.ok()) errors.emplace_back(checked.message());
    }
    return errors;
  };
  EXPECT_THAT(damaged_shares(), IsEmpty());
  int columns = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.Path("d"))) {
    const std::string name = entry.path().filename().string();
    if (name == layout::kManifest) continue;
    ++columns;
    const std::string whole = ReadFile(entry.path().string()).value();
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 64);
      folder.Write("d/" + name, changed);
      EXPECT_THAT(damaged_shares(),
                  ElementsAre(HasSubstr("/" + name + ": damaged: its bytes 0 to")))
          << at;
    }
    folder.Write("d/" + name, whole + "x");
    EXPECT_FALSE(damaged_shares().empty()) << name;
    folder.Write("d/" + name, whole);
  }
  EXPECT_EQ(columns, manifest.checksums_size()) << "of every file";
  // What the manifest no longer says there is was there when it was made.
  manifest.set_has_validation(false);
  EXPECT_THAT(damaged_shares(), Each(HasSubstr("manifest.textproto: damaged: its checksums")));
  manifest.set_has_validation(true);
  manifest.set_chunk_bytes(0);
  EXPECT_THAT(damaged_shares(), Each(HasSubstr("manifest.textproto: damaged: its checksums")));
}

// A column of several chunks: the place is named, and shares leave none out.
TEST(Dataset, ChecksumsAreOfChunks) {
  const TestFolder folder;
  constexpr std::uint32_t kSamples = 600'000;
  DatasetWriter writer = DatasetWriter::Create({.folder = folder.Path("d")}).value();
  SampleChunk chunk;
  for (std::uint32_t k = 0; k < kSamples; ++k) {
    chunk.users.push_back(k / 1000);
    chunk.items.push_back(k % 1000);
    chunk.ratings.push_back(static_cast<float>(k % 5));
  }
  writer.Append(std::move(chunk));
  std::vector<std::int64_t> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 1);
  writer.SetUsers(Vocabulary(std::vector<std::int64_t>(numbers.begin(), numbers.begin() + 600)));
  writer.SetItems(Vocabulary(numbers));
  ASSERT_TRUE(writer.Finish().ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  EXPECT_EQ(data.manifest().checksums(2).file(), "ratings.f32");
  EXPECT_EQ(data.manifest().checksums(2).chunks_size(), 3) << "2.4 MB in chunks of a MiB";
  EXPECT_TRUE(data.Verify().ok());
  std::string ratings = ReadFile(folder.Path("d/ratings.f32")).value();
  ratings[2'200'000] ^= 1;
  folder.Write("d/ratings.f32", ratings);
  for (const std::size_t count : {1U, 2U, 5U, 100U}) {
    int refused = 0;
    for (std::size_t index = 0; index < count; ++index) {
      const absl::Status checked = data.CheckColumns({.index = index, .count = count});
      if (checked.ok()) continue;
      ++refused;
      EXPECT_THAT(std::string(checked.message()),
                  HasSubstr("ratings.f32: damaged: its bytes 2097152 to 2399999"));
    }
    EXPECT_EQ(refused, 1) << count;
  }
}

// Goal: a data set that was made before there were checksums is read whole by one of those who share it.
TEST(Dataset, AnOlderOneIsComparedWithItsDigest) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  DatasetManifest manifest = Dataset::Open(folder.Path("d"))->manifest();
  manifest.clear_checksums();
  manifest.clear_chunk_bytes();
  std::string text;
  google::protobuf::TextFormat::PrintToString(manifest, &text);
  folder.Write("d/manifest.textproto", text);
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  EXPECT_TRUE(data.CheckColumns().ok());
  EXPECT_TRUE(data.Verify().ok());
  folder.Write("d/user_ids.bytes", "annbib");
  EXPECT_TRUE(data.CheckColumns({.index = 1, .count = 2}).ok());
  EXPECT_THAT(data.CheckColumns({.index = 0, .count = 2}).ToString(),
              HasSubstr("/d: the columns' digest is "));
}

TEST(DatasetWriter, ReplacesOnlyADataSetAndOnlyWhenAsked) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d"), 4).ok());
  const std::string before = Dataset::Open(folder.Path("d"))->digest();
  EXPECT_TRUE(absl::IsAlreadyExists(WriteSmall(folder.Path("d"), 1)));
  EXPECT_EQ(Dataset::Open(folder.Path("d"))->digest(), before);
  ASSERT_TRUE(WriteSmall(folder.Path("d"), 1, true).ok());
  EXPECT_NE(Dataset::Open(folder.Path("d"))->digest(), before);
  EXPECT_EQ(folder.entries(), 1U);  // The old one is gone, too.

  std::filesystem::create_directory(folder.Path("mine"));
  folder.Write("mine/thesis.tex", "years of work");
  EXPECT_TRUE(absl::IsAlreadyExists(WriteSmall(folder.Path("mine"), 1, true)));
  EXPECT_TRUE(std::filesystem::exists(folder.Path("mine/thesis.tex")));
  folder.Write("file", "");
  EXPECT_TRUE(absl::IsAlreadyExists(WriteSmall(folder.Path("file"), 1, true)));
  std::filesystem::create_directory(folder.Path("empty"));
  EXPECT_TRUE(WriteSmall(folder.Path("empty/")).ok());
  EXPECT_TRUE(WriteSmall(folder.Path("new/parents/d")).ok());
}

TEST(DatasetWriter, LeavesNothingBehindWhenItFails) {
  const TestFolder folder;
  folder.Write("file", "");
  EXPECT_FALSE(WriteSmall(folder.Path("file/d")).ok());
  EXPECT_EQ(folder.entries(), 1U);
  absl::StatusOr<DatasetWriter> empty = DatasetWriter::Create({.folder = folder.Path("d")});
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(empty->Finish().status()));
  EXPECT_EQ(folder.entries(), 1U);
}

// Several ranges of users (a range has at least 2^18 samples) meet within one word of marks.
TEST(DatasetWriter, MarksValidationAcrossRanges) {
  constexpr std::uint32_t kUsers = 3001;
  constexpr std::uint32_t kItems = 301;
  const TestFolder folder;
  std::vector<std::int64_t> users(kUsers);
  std::vector<std::int64_t> items(kItems);
  for (std::uint32_t u = 0; u < kUsers; ++u) users[u] = u;
  for (std::uint32_t i = 0; i < kItems; ++i) items[i] = i;
  std::string digests[2];
  for (const unsigned threads : {1U, 4U}) {
    absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create({.folder = folder.Path("d"),
                                                                  .has_validation = true,
                                                                  .overwrite = true,
                                                                  .threads = threads});
    ASSERT_TRUE(writer.ok());
    writer->SetUsers(Vocabulary(users));
    writer->SetItems(Vocabulary(items));
    SampleChunk chunks[2];
    chunks[1].validation = true;
    for (std::uint32_t i = 0; i < kItems; ++i) {
      for (std::uint32_t u = 0; u < kUsers; ++u) {
        SampleChunk& chunk = chunks[(u * 7 + i * 3) % 5 == 0 ? 1 : 0];
        chunk.users.push_back(u);
        chunk.items.push_back(i);
        chunk.ratings.push_back(chunk.validation ? -1.0F : 1.0F);
      }
    }
    writer->Append(std::move(chunks[0]));
    writer->Append(std::move(chunks[1]));
    const absl::StatusOr<WriteSummary> summary = writer->Finish();
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->samples, std::uint64_t{kUsers} * kItems);
    const Dataset data = Dataset::Open(folder.Path("d")).value();
    for (std::uint64_t k = 0; k < data.samples(); ++k) {
      const bool marked = ((data.given_validation()[k / 64] >> (k % 64)) & 1) != 0;
      ASSERT_EQ(marked, data.ratings()[k] < 0) << k;
    }
    digests[threads > 1 ? 1 : 0] = data.digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(Dataset, ADeeplyNestedManifestIsRefused) {
  const TestFolder folder;
  ASSERT_TRUE(WriteSmall(folder.Path("d")).ok());
  std::string deep = "version: 1 ";
  for (int k = 0; k < 200'000; ++k) deep += "a{";
  ASSERT_TRUE(ReplaceFile(folder.Path("d") + "/" + layout::kManifest, deep).ok());
  EXPECT_TRUE(absl::IsDataLoss(Dataset::Open(folder.Path("d")).status()));
}

}  // namespace
}  // namespace cf::dataset_test
