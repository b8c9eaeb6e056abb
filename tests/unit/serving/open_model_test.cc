#include "serving/open_model.h"

#include <cstdint>
#include <string>

#include <absl/strings/numbers.h>
#include <gmock/gmock.h>

#include "tests/unit/serving/test_model.h"

namespace cf::open_model_test {
namespace {

using testing::HasSubstr;

/// A model of three items, whose 3,000 users take 6 MiB.
class OpenModelTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kUserCount = 3000;

  OpenModelTest() {
    SampleChunk chunk;
    std::vector<std::int64_t> users(kUserCount);
    for (std::uint32_t user = 0; user < kUserCount; ++user) {
      users[user] = user;
      chunk.users.push_back(user);
      chunk.items.push_back(user % 3);
      chunk.ratings.push_back(static_cast<float>(1 + user % 5));
    }
    DatasetWriter writer = DatasetWriter::Create({.folder = folder_.At("data")}).value();
    writer.Append(std::move(chunk));
    writer.SetUsers(Vocabulary(std::move(users)));
    writer.SetItems(Vocabulary(std::vector<std::int64_t>{1, 2, 3}));
    Check(writer.Finish().ok(), "the test can write a data set");
    const Dataset data = Dataset::Open(folder_.At("data")).value();
    best_ = WriteTestSnapshot(folder_.At("run"), data, {.dim = 512});
  }

  absl::Status Open(std::uint64_t memory, bool streams_users = false) const {
    return OpenModel::Open({.snapshot = best_, .memory = memory, .streams_users = streams_users})
        .status();
  }

  /// The number that a refusal says would do.
  std::uint64_t LeastOf(const absl::Status& refused) const {
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    const std::string text(refused.message());
    const std::string before = "give it ";
    std::uint64_t mib = 0;
    EXPECT_TRUE(absl::SimpleAtoi(text.substr(text.find(before) + before.size()), &mib)) << text;
    return mib << 20;
  }

  TestFolder folder_;
  std::string best_;
};

TEST_F(OpenModelTest, IsRefusedWithTheNumberThatWouldDo) {
  const absl::Status refused = Open(1 << 20);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("MiB of memory, and may take 1 (--memory)"));
  const std::uint64_t least = LeastOf(refused);
  EXPECT_TRUE(Open(least).ok());
  EXPECT_FALSE(Open(least - (2 << 20)).ok());
  EXPECT_TRUE(Open(0).ok()) << "any";
}

// Four files are read at once, which takes less than these users.
TEST_F(OpenModelTest, UsersStayInTheSnapshotWhereTheyMay) {
  const std::uint64_t least = LeastOf(Open(1 << 20));
  const std::uint64_t least_streamed = LeastOf(Open(1 << 20, /*streams_users=*/true));
  EXPECT_LT(least_streamed, least);
  const std::unique_ptr<OpenModel> open =
      OpenModel::Open({.snapshot = best_, .memory = least_streamed, .streams_users = true}).value();
  EXPECT_EQ(open->model().users().rows(), kUserCount);
  EXPECT_FALSE(Open(least_streamed).ok()) << "who scores needs them in memory";
}

// Goal: nothing is answered of a data set that has changed on its disk; the refusal names the file.
TEST_F(OpenModelTest, ADataSetWithAnotherByteIsRefusedByItsFile) {
  const std::string path = folder_.At("data/ratings.f32");
  const std::string written = ReadFile(path).value();
  std::string changed = written;
  changed[4 * 1234 + 2] ^= 1;  // Another rating.
  ASSERT_TRUE(WriteFileAtomically(path, changed).ok());
  const absl::Status refused = Open(0);
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("data/ratings.f32: damaged: its bytes"));
  ASSERT_TRUE(WriteFileAtomically(path, written).ok());
  EXPECT_TRUE(Open(0).ok());
}

}  // namespace
}  // namespace cf::open_model_test
