#include "serving/served_model.h"

#include <cmath>

#include "serving/catalogue.h"
#include "tests/unit/serving/test_model.h"

namespace cf {
namespace {

class ServedModelTest : public testing::Test {
 protected:
  ServedModelTest() { WriteTestData(folder_.At("data")); }

  ServedModel LoadModel(const TestSnapshotOptions& options) {
    const absl::StatusOr<Dataset> data = Dataset::Open(folder_.At("data"));
    const absl::StatusOr<Snapshot> snapshot =
        Snapshot::Open(WriteTestSnapshot(folder_.At("run"), *data, options));
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  TestFolder folder_;
};

TEST_F(ServedModelTest, HoldsTheWeightsOfTheSnapshotAndZerosBehindThem) {
  const ServedModel model = LoadModel({.dim = 10});
  EXPECT_EQ(model.items().padded_dim(), 16);
  for (std::uint32_t row = 0; row < model.items().rows(); ++row) {
    const std::vector<float> record = TestRecord(kItems, RowId{row}, 10);
    const float* vector = model.items().vector(RowId{row});
    for (std::size_t k = 0; k < 16; ++k) ASSERT_EQ(vector[k], k < 10 ? record[k] : 0.0F);
    ASSERT_EQ(model.items().bias(RowId{row}), record[10]);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(vector) % 64, 0);
  }
}

// Goal: predictions have the bits of validation. Method: the same pair through the kernel that
// validation uses, whose squared error against a rating of zero gives the prediction away.
TEST_F(ServedModelTest, PredictsWithTheBitsOfValidation) {
  for (const auto link : {MatrixFactorization::IDENTITY, MatrixFactorization::SCALED_SIGMOID}) {
    std::filesystem::remove_all(folder_.At("run"));
    const ServedModel model = LoadModel({.dim = 20, .link = link});
    SetFloatMode();
    for (std::uint32_t u = 0; u < model.users().rows(); ++u) {
      const RowId user{u};
      const RowId item{(u * 13) % model.items().rows()};
      const std::size_t n = model.users().padded_dim();
      std::vector<float> user_row(model.users().vector(user), model.users().vector(user) + n);
      std::vector<float> item_row(model.items().vector(item), model.items().vector(item) + n);
      user_row.push_back(model.users().bias(user));
      item_row.push_back(model.items().bias(item));
      const float* user_rows[] = {user_row.data()};
      const float* item_rows[] = {item_row.data()};
      const PairSample sample[] = {
          {.user = 0, .user_is_first = 1, .item = 0, .item_is_first = 1, .rating = 0.5F}};
      PairBatch batch;
      batch.samples = sample;
      batch.user_rows = user_rows;
      batch.item_rows = item_rows;
      batch.padded_dim = n;
      ObjectiveSums expected;
      model.kernels().pair_score(batch, model.objective(), expected);
      ObjectiveSums got;
      Observe(model.objective(), model.RawScore(user, item), 0.5F, got);
      ASSERT_EQ(got.squared_error, expected.squared_error);
      ASSERT_NEAR(std::sqrt(expected.squared_error),
                  std::abs(static_cast<double>(model.Predict(user, item)) - 0.5), 1e-6);
    }
  }
}

TEST_F(ServedModelTest, AnotherDataSetIsRefusedWithBothDigests) {
  const absl::StatusOr<Dataset> data = Dataset::Open(folder_.At("data"));
  const absl::StatusOr<Snapshot> snapshot =
      Snapshot::Open(WriteTestSnapshot(folder_.At("run"), *data));
  Manifest manifest = snapshot->manifest();
  EXPECT_TRUE(Catalogue::Open(manifest, "").ok());
  manifest.mutable_data()->set_digest("0123");
  const absl::Status refused = Catalogue::Open(manifest, folder_.At("data")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find(data->digest()), std::string::npos);
  EXPECT_NE(refused.message().find("0123"), std::string::npos);
  EXPECT_EQ(Catalogue::Open(manifest, folder_.At("moved")).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace cf
