// Goal: lists for all users are everybody's, in order: none is lost where users do not fill the
// groups that threads take, nor where the lists that are held at once are handed out.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "serving/recommender.h"
#include "tests/unit/serving/test_model.h"

namespace cf::all_users_test {
namespace {

constexpr std::uint32_t kItemCount = 7;

/// Each user has one item: number u mod kItemCount.
Dataset WriteUsers(const std::string& folder, std::uint32_t count) {
  SampleChunk chunk;
  std::vector<std::int64_t> users;
  std::vector<std::int64_t> items;
  for (std::uint32_t u = 0; u < count; ++u) {
    users.push_back(u);
    chunk.users.push_back(u);
    chunk.items.push_back(u % kItemCount);
    chunk.ratings.push_back(3);
  }
  for (std::uint32_t i = 0; i < kItemCount; ++i) items.push_back(i);
  DatasetWriter writer =
      DatasetWriter::Create({.folder = folder, .name = "users", .overwrite = true}).value();
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(std::move(users)));
  writer.SetItems(Vocabulary(std::move(items)));
  Check(writer.Finish().ok(), "the test can write a data set");
  return Dataset::Open(folder).value();
}

TEST(AllUsers, GetTheirListsWhateverTheirNumberAndThatOfTheThreads) {
  SetFloatMode();
  const TestFolder folder;
  // Less than a group, a group and a bit, and more than are held at once.
  for (const std::uint32_t count : {7U, 64U, 65U, 130U, 4096U + 100U}) {
    const Dataset data = WriteUsers(folder.At("data"), count);
    const std::string run = folder.At("run of " + std::to_string(count));
    const Snapshot snapshot = Snapshot::Open(WriteTestSnapshot(run, data)).value();
    const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
    const ServedModel model = ServedModel::Load(snapshot).value();
    const Recommender recommender = Recommender::Make(model, catalogue).value();
    for (const unsigned threads : {1U, 3U}) {
      std::uint32_t next = 0;
      const absl::Status done = recommender.ForAllUsers(
          {.list = {.top = 2}, .threads = threads}, [&](RowId user, const ItemList& list) {
            EXPECT_EQ(user, RowId{next++});
            const ItemList alone = recommender.TopItems(user, {.top = 2});
            const bool learned = catalogue.UserTrainingRatings(user) > 0;
            EXPECT_EQ(alone.items.size(), learned ? 2U : 0U);
            if (list != alone) {
              return absl::InternalError("a user alone gets another list");
            }
            return absl::OkStatus();
          });
      EXPECT_TRUE(done.ok()) << done << " at user " << next << " of " << count;
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace cf::all_users_test
