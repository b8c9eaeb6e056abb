#include "paramserver/row_service.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::row_service_test {
namespace {

using slow::BitsOf;
using ::testing::Each;
using ::testing::HasSubstr;

// 0 / sqrt(0 + epsilon), and with epsilon 0 a NaN: padding must survive every optimizer.
TEST(RowService, PaddingStaysZero) {
  for (const char* optimizer : {"adam {}", "adagrad {}", "sgd {}"}) {
    LocalRows local(MakeOptions(optimizer, 1));
    local.Initialize();
    std::vector<float> gradient(kWireFloats, 0.0F);
    std::fill_n(gradient.begin(), kDim, 0.5F);
    for (std::uint64_t step = 0; step < 5; ++step) local.Apply(kUsers, step, RowId{7}, gradient);
    EXPECT_THAT(std::span(local.Row(kUsers, RowId{7}) + kDim, 16 - kDim), Each(0.0F)) << optimizer;
  }
}

TEST(RowService, ApplyOwnTouchesItsRowsAndNoOthers) {
  LocalRows local(MakeOptions("adam {}", 2));
  local.Initialize();
  const RowId touched{11};
  const OptimizerStep step = local.rule().At(4, MakeTables()[0]);
  const RowLayout layout(MakeTables()[0].shape);
  std::vector<float> expected(layout.stride());
  layout.FromRecord(local.Record(kUsers, touched).data(), expected.data());
  std::vector<float> gradient(kWireFloats, 0.25F);
  slow::UpdateRow(step, expected.data(), gradient.data());
  LocalRows untouched(MakeOptions("adam {}", 2));
  untouched.Initialize();

  local.Apply(kUsers, 4, touched, gradient);
  std::vector<float> record(layout.record_floats());
  layout.ToRecord(expected.data(), record.data());
  EXPECT_EQ(BitsOf(local.Record(kUsers, touched)), BitsOf(record));
  for (std::uint32_t id = 0; id < kUserRows; ++id) {
    if (RowId{id} == touched) continue;
    ASSERT_EQ(local.Record(kUsers, RowId{id}), untouched.Record(kUsers, RowId{id}));
  }
}

/// Server seat 0 of two, and what worker seat 1 pushes to it.
class ServedRows {
 public:
  enum class Peer { kOtherThread, kOtherRank };
  explicit ServedRows(Peer peer)
      : placement_(
            Placement::Make({.partitions = 4,
                             .threads = peer == Peer::kOtherRank ? std::vector<std::uint32_t>{1, 1}
                                                                 : std::vector<std::uint32_t>{2},
                             .servers = 0})
                .value()),
        rule_(MakeOptimizer("sgd { learning_rate: 1 }"), 20),
        exchange_(placement_, 0, LayoutsOf(tables_), nullptr),
        store_(SlabStore::Open(Stored(tables_), placement_.partitioning(), {0, 2}).value()),
        service_({.seat = 0,
                  .tables = tables_,
                  .optimizer = &rule_,
                  .kernels = KernelsFor(KernelTarget::kBest).value(),
                  .exchange = &exchange_,
                  .store = store_.get()}) {
    for (const std::uint32_t p : {0U, 1U}) {
      Check(InitializeRows(tables_, placement_.partitioning(), PartitionId{p},
                           InitialRows(tables_, {.seed = 42}), *store_)
                .ok(),
            "a slab has room for its rows");
    }
  }

  struct Partial {
    RowId id{};
    TreeNode node = 0;
    float value = 0;  ///< Of the bias; the vector's gradient is zero.
  };
  /// Serves a turn in which the peer brings `partials` of users and wants the users `wanted`.
  absl::Status Serve(const std::vector<Partial>& partials, const std::vector<RowId>& wanted = {},
                     std::vector<OwnPartials> own = std::vector<OwnPartials>(2)) {
    ParcelShape shape{.from_seat = 1, .to_seat = 0, .turn = turn_};
    shape.tables.push_back({.partials = static_cast<std::uint32_t>(partials.size()),
                            .wanted = static_cast<std::uint32_t>(wanted.size())});
    shape.tables.emplace_back();
    Parcel parcel = exchange_.MakePush(shape);
    Parcel::Table& users = parcel.tables[0];
    std::ranges::fill(users.gradients, 0.0F);
    for (std::size_t k = 0; k < partials.size(); ++k) {
      users.partial_ids[k] = partials[k].id;
      users.partial_nodes[k] = partials[k].node;
      users.gradients[k * kWireFloats + 16] = partials[k].value;
    }
    std::ranges::copy(wanted, users.wanted.begin());
    exchange_.PushesTo(0).Deliver(std::move(parcel));
    return service_.Serve({.turn = turn_++, .step = 0, .partials = own});
  }

  float BiasOf(RowId id) {
    float* row = nullptr;
    EXPECT_TRUE(store_->Pin(kUsers, {&id, 1}, RowStore::Access::kRead, {&row, 1}).ok());
    store_->Release(kUsers, {&id, 1});
    return row[16];
  }
  const RowService& service() const { return service_; }

 private:
  static std::vector<RowStore::Table> Stored(const std::vector<TableSpec>& tables) {
    std::vector<RowStore::Table> stored;
    for (const TableSpec& table : tables) {
      stored.push_back({.rows = table.shape.rows, .stride = RowLayout(table.shape).stride()});
    }
    return stored;
  }

  std::vector<TableSpec> tables_ = MakeTables(0);
  Placement placement_;
  OptimizerRule rule_;
  Exchange exchange_;
  std::unique_ptr<RowStore> store_;
  RowService service_;
  std::uint64_t turn_ = 0;
};

// Rows 0, 7 and 8 of 4 partitions are in partition 0, rows 1 and 6 in partition 1: both are seat
// 0's.
TEST(RowService, SumsThePartsOfAllWorkersAlongTheTree) {
  ServedRows served(ServedRows::Peer::kOtherThread);
  std::vector<float> own_gradient(kWireFloats);
  own_gradient[16] = 0.5F;
  std::vector<OwnPartials> own(2);
  own[0].ids = {RowId{7}};
  own[0].parts = {{2, own_gradient.data()}};  // Partitions 0 and 1.
  const absl::Status done =
      served.Serve({{RowId{7}, 6, 0.25F}, {RowId{7}, 7, 0.125F}, {RowId{1}, 7, 1.0F}}, {}, own);
  ASSERT_TRUE(done.ok()) << done;
  EXPECT_EQ(served.BiasOf(RowId{7}), -0.875F);
  EXPECT_EQ(served.BiasOf(RowId{1}), -1.0F);
  EXPECT_EQ(served.BiasOf(RowId{6}), 0.0F);
}

// Goal: whoever reads in place gets the rows in the order in which it wanted them, and none once its
// next push has come.
TEST(RowService, PinsWhatIsReadInPlaceUntilTheNextPush) {
  ServedRows served(ServedRows::Peer::kOtherThread);
  ASSERT_TRUE(served.Serve({}, {RowId{7}, RowId{1}, RowId{8}}).ok());
  const std::span<const float* const> rows = served.service().RowsFor(1, kUsers);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_TRUE(served.service().RowsFor(1, kItems).empty());
  const float* const row_of_1 = rows[1];
  ASSERT_TRUE(served.Serve({{RowId{1}, 7, 1.0F}}, {RowId{1}}).ok());
  ASSERT_EQ(served.service().RowsFor(1, kUsers).size(), 1U);
  EXPECT_EQ(served.service().RowsFor(1, kUsers)[0], row_of_1) << "slabs do not move";
  EXPECT_EQ(row_of_1[16], -1.0F) << "the step comes before the rows of the next";
  ASSERT_TRUE(served.Serve({}).ok());
  EXPECT_TRUE(served.service().RowsFor(1, kUsers).empty());
}

void ExpectRefused(const std::vector<ServedRows::Partial>& partials,
                   const std::vector<RowId>& wanted, const std::string& what) {
  ServedRows served(ServedRows::Peer::kOtherRank);
  const absl::Status status = served.Serve(partials, wanted);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

TEST(RowService, RefusesRowsThatAreNotHere) {
  ExpectRefused({{RowId{2}, 6, 1.0F}}, {}, "row 2 of table users, which is not hosted here");
  ExpectRefused({{RowId{1000000}, 6, 1.0F}}, {}, "row 1000000 of table users");
  ExpectRefused({}, {RowId{1}, RowId{3}}, "seat 1 wants row 3 of table users");
  ExpectRefused({}, {RowId{~0U}}, "seat 1 wants row 4294967295");
}

// They used to reach the sum, which trusts its parts.
TEST(RowService, RefusesPartsThatHaveNoPlaceInTheTree) {
  ExpectRefused({{RowId{7}, 0, 1.0F}}, {}, "node 0");
  ExpectRefused({{RowId{7}, 8, 1.0F}}, {}, "node 8");
  ExpectRefused({{RowId{7}, 65535, 1.0F}}, {}, "node 65535");
  ExpectRefused({{RowId{7}, 3, 1.0F}, {RowId{7}, 7, 1.0F}}, {}, "node 7");  // Below 3.
  ExpectRefused({{RowId{7}, 7, 1.0F}, {RowId{7}, 6, 1.0F}}, {}, "node 6");  // Not ascending.
  ExpectRefused({{RowId{7}, 6, 1.0F}, {RowId{7}, 6, 1.0F}}, {}, "node 6");  // Twice.
}

}  // namespace
}  // namespace cf::row_service_test
