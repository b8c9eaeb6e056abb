#include "common/rows/id_index.h"

#include <map>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::id_index_test {
namespace {

// Goal: whatever ids a batch has, and however many, each is found again, and nothing of the batch
// before. Method: random batches, from a few ids to more than there is room for at first, beside a
// map.
TEST(IdIndex, FindsWhatTheBatchHasTaken) {
  const CounterRandom random(1, Purpose::kSynth);
  IdIndex index;
  std::uint64_t draw = 0;
  for (const std::uint64_t ids : {3U, 40U, 20'000U, 7U, 500U}) {
    index.Begin();
    std::map<RowId, std::uint32_t> numbers;
    for (std::uint32_t n = 0; n < ids; ++n) {
      const RowId id{static_cast<std::uint32_t>(random.Below(draw++, ids)) * 4096};
      IdIndex::Place& place = index.Find(id);
      const auto known = numbers.find(id);
      ASSERT_EQ(index.IsFree(place), known == numbers.end());
      if (known != numbers.end()) {
        ASSERT_EQ(place.number, known->second);
        continue;
      }
      index.Take(place, {.id = id, .stamp = index.StampOf(n % kPartitionsMax), .number = n});
      numbers[id] = n;
    }
    for (const auto& [id, number] : numbers) {
      ASSERT_FALSE(index.IsFree(index.Find(id)));
      ASSERT_EQ(index.Find(id).number, number);
    }
  }
}

}  // namespace
}  // namespace cf::id_index_test
