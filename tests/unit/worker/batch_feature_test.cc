#include "worker/models/batch_feature.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/math/random.h"
#include "common/model/tables.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf::batch_feature_test {
namespace {

constexpr std::uint32_t kDim = 20;

/// Histories of the tiny data set, and a table of values.
class BatchFeatureTest : public ::testing::Test {
 protected:
  BatchFeatureTest()
      : data_(Dataset::Open(tiny_.path()).value()),
        split_(DataSplit::Make(data_, ParseJob("split { random {} }", "test")->split()).value()),
        lists_(FeatureLists::Make(Feature::USER_HISTORY, data_, split_).value()),
        layout_({.name = "history", .rows = lists_.rows(), .dim = kDim, .biases = true}) {
    SetFloatMode();
    table_ = Draw(lists_.rows() * layout_.gradient_stride());
  }

  std::vector<float> Draw(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = 2 * random_.UniformFloat(drawn_++) - 1;
    return values;
  }

  /// A batch of every other user.
  struct Batch {
    TableBatch users;
    TableBatch rows;
    FeatureLinks links;
  };
  void Make(BatchFeature& feature, Partitioning partitioning, SeatRange range, Batch& batch) {
    IdIndex index;
    batch.users.Clear(index);
    batch.rows.Clear(index);
    batch.links.Clear();
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      for (std::uint32_t user = 0; user < data_.users(); user += 2) {
        if (Index(partitioning.Of(RowId{user})) != p) continue;
        batch.users.Touch(index, RowId{user}, p);
      }
    }
    feature.EndBatch(batch.users, batch.rows, batch.links);
  }

  BatchFeature MakeFeature(Partitioning partitioning, SeatRange range) const {
    return BatchFeature({.lists = &lists_,
                         .layout = layout_,
                         .kernels = KernelsFor(KernelTarget::kBest).value(),
                         .partitioning = partitioning,
                         .range = range});
  }

  void Compose(BatchFeature& feature, const Batch& batch) const {
    std::vector<const float*> rows;
    for (const TableBatch::Row& row : batch.rows.rows()) {
      rows.push_back(table_.data() + Index(row.id) * layout_.gradient_stride());
    }
    feature.Compose(batch.users, batch.links, rows);
  }

  TinyData tiny_;
  Dataset data_;
  DataSplit split_;
  FeatureLists lists_;
  RowLayout layout_;
  CounterRandom random_{5, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
  std::vector<float> table_;
};

TEST_F(BatchFeatureTest, AnEntrysVectorIsTheWeightedSumOfItsRows) {
  const Partitioning partitioning(4);
  BatchFeature feature = MakeFeature(partitioning, {0, 4});
  Batch batch;
  for (int repeat = 0; repeat < 2; ++repeat) {
    Make(feature, partitioning, {0, 4}, batch);
    Compose(feature, batch);
    ASSERT_EQ(batch.users.parts().size(), (TinyData::kUserCount + 1) / 2);
    for (std::size_t entry = 0; entry < batch.users.parts().size(); ++entry) {
      const std::span<const RowId> list = lists_.RowsOf(batch.users.rows()[entry].id);
      for (std::size_t k = 0; k < layout_.wire_floats(); ++k) {
        float sum = 0;
        for (const RowId row : list) sum += table_[Index(row) * layout_.gradient_stride() + k];
        EXPECT_EQ(feature.VectorOf(entry)[k], lists_.WeightOf(list.size()) * sum);
      }
    }
  }
}

/// The gradient of every row, by id, from `seats` seats: what each hands over, added up along the
/// tree.
std::vector<std::vector<float>> GradientsOf(std::uint32_t rows, const RowLayout& layout,
                                            Partitioning partitioning,
                                            const std::vector<std::pair<RowId, TreePart>>& parts) {
  const TreeSum tree(partitioning, {0, partitioning.count()},
                     *KernelsFor(KernelTarget::kBest).value(), layout.padded_dim());
  std::vector<std::vector<float>> gradients(rows);
  for (std::uint32_t id = 0; id < rows; ++id) {
    std::vector<TreePart> chain;
    for (const auto& [row, part] : parts) {
      if (row != RowId{id}) continue;
      EXPECT_TRUE(chain.empty() || tree.IsBefore(chain.back().node, part.node));
      chain.push_back(part);
    }
    if (chain.empty()) continue;
    EXPECT_EQ(tree.Reduce(chain), 1U);
    gradients[id].assign(chain[0].gradient, chain[0].gradient + layout.wire_floats());
  }
  return gradients;
}

// Goal: a row's gradient is summed over the entries of a partition and then along the tree, whoever
// has the partitions. Method: with one entry after the other and a part for each partition, as the
// definition has it; one subtree of 16 partitions, several, and seats whose ranges are no nodes.
TEST_F(BatchFeatureTest, GradientsAreSummedAlongTheTreeByAnySeats) {
  const std::vector<float> of_users = Draw(TinyData::kUserCount * layout_.gradient_stride());
  for (const std::uint32_t partitions : {1U, 4U, 16U, 64U}) {
    const Partitioning partitioning(partitions);
    std::vector<std::vector<float>> leaves;  // What the definition has, a part after the other.
    std::vector<std::pair<RowId, TreePart>> defined;
    for (std::uint32_t id = 0; id < lists_.rows(); ++id) {
      for (std::uint32_t p = 0; p < partitions; ++p) {
        std::vector<float> sum;
        for (std::uint32_t user = 0; user < data_.users(); user += 2) {
          const std::span<const RowId> list = lists_.RowsOf(RowId{user});
          if (Index(partitioning.Of(RowId{user})) != p ||
              !std::ranges::binary_search(list, RowId{id})) {
            continue;
          }
          const bool is_first = sum.empty();
          sum.resize(layout_.wire_floats());
          for (std::size_t k = 0; k < sum.size(); ++k) {
            const float scaled =
                lists_.WeightOf(list.size()) * of_users[user * layout_.gradient_stride() + k];
            sum[k] = is_first ? scaled : sum[k] + scaled;
          }
        }
        if (sum.empty()) continue;
        leaves.push_back(std::move(sum));
        defined.push_back(
            {RowId{id}, {static_cast<TreeNode>(partitions + p), leaves.back().data()}});
      }
    }
    const auto expected = GradientsOf(lists_.rows(), layout_, partitioning, defined);

    for (const std::uint32_t seats : {1U, 2U, 3U}) {
      if (seats > partitions) continue;
      std::vector<std::pair<RowId, TreePart>> found;
      std::vector<std::unique_ptr<std::vector<float>>> memory;
      for (std::uint32_t seat = 0; seat < seats; ++seat) {
        const SeatRange range = RangeOfSeat(seat, seats, partitions);
        BatchFeature feature = MakeFeature(partitioning, range);
        Batch batch;
        Make(feature, partitioning, range, batch);
        Compose(feature, batch);
        std::vector<float> by_entry;
        for (const TableBatch::Row& user : batch.users.rows()) {
          const auto first = of_users.begin() + static_cast<std::ptrdiff_t>(
                                                    Index(user.id) * layout_.gradient_stride());
          by_entry.insert(by_entry.end(), first,
                          first + static_cast<std::ptrdiff_t>(layout_.gradient_stride()));
        }
        feature.Take(0, batch.users.parts().size(), by_entry.data(), layout_.gradient_stride());
        memory.push_back(std::make_unique<std::vector<float>>(batch.rows.parts().size() *
                                                              layout_.gradient_stride()));
        std::vector<std::uint32_t> places(batch.rows.rows().size());
        std::iota(places.begin(), places.end(), 0U);
        OwnPartials partials;
        feature.Collect(batch.rows, batch.links, places, memory.back()->data(), partials);
        for (std::size_t k = 0; k < partials.ids.size(); ++k) {
          found.push_back({partials.ids[k], partials.parts[k]});
        }
      }
      const auto gradients = GradientsOf(lists_.rows(), layout_, partitioning, found);
      for (std::uint32_t id = 0; id < lists_.rows(); ++id) {
        ASSERT_EQ(gradients[id].size(), expected[id].size());
        for (std::size_t k = 0; k < expected[id].size(); ++k) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(gradients[id][k]),
                    std::bit_cast<std::uint32_t>(expected[id][k]))
              << partitions << " partitions, " << seats << " seats, row " << id << ", weight " << k;
        }
      }
    }
  }
}

}  // namespace
}  // namespace cf::batch_feature_test
