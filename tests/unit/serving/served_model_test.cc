#include "serving/served_model.h"

#include <cmath>
#include <functional>
#include <string>

#include <gmock/gmock.h>

#include "serving/catalogue.h"
#include "tests/unit/serving/test_model.h"

namespace cf::served_model_test {
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
  for (const auto link : {Fit::IDENTITY, Fit::SCALED_SIGMOID, Fit::STANDARDIZED}) {
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

// Goal: what a snapshot says is judged before it is believed.
TEST_F(ServedModelTest, SnapshotsThatCannotBeServedAreRefused) {
  const absl::StatusOr<Dataset> data = Dataset::Open(folder_.At("data"));
  const auto refusal = [&](const std::string& run, const std::function<void(Manifest&)>& change) {
    const absl::StatusOr<Snapshot> snapshot =
        Snapshot::Open(WriteTestSnapshot(folder_.At(run), *data, {.change = change}));
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    const absl::Status refused = ServedModel::Load(*snapshot).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << run;
    return std::string(refused.message());
  };
  EXPECT_THAT(refusal("none", [](Manifest& manifest) { manifest.mutable_job()->clear_model(); }),
              testing::HasSubstr("the snapshot's job is not one that is served: "));
  EXPECT_EQ(refusal("ranker",
                    [](Manifest& manifest) {
                      manifest.mutable_job()->mutable_model()->mutable_ranker()->add_dense();
                    }),
            "the snapshot has other tables than its model's job says");
  const std::string form = " of the snapshot has another form than its model's job says";
  EXPECT_EQ(refusal("dim", [](Manifest& manifest) { manifest.mutable_tables(1)->set_dim(9); }),
            "table items" + form);
  EXPECT_EQ(refusal("bias",
                    [](Manifest& manifest) {
                      Model& model = *manifest.mutable_job()->mutable_model();
                      model.mutable_matrix_factorization()->set_biases(false);
                    }),
            "table users" + form);
  EXPECT_EQ(refusal("arithmetic", [](Manifest& manifest) { manifest.set_arithmetic_version(2); }),
            "the snapshot was computed by version 2 of the arithmetic; this program has version 1");
  EXPECT_EQ(
      refusal("deviation",
              [](Manifest& manifest) {
                Model& model = *manifest.mutable_job()->mutable_model();
                model.mutable_matrix_factorization()->set_link(Fit::STANDARDIZED);
                manifest.mutable_statistics()->clear_deviation();
              }),
      "the deviation of the snapshot's training ratings is 0, and link STANDARDIZED needs one "
      "above 0");
  EXPECT_EQ(refusal("features",
                    [](Manifest& manifest) {
                      Model& model = *manifest.mutable_job()->mutable_model();
                      model.mutable_matrix_factorization()->add_feature()->set_source(
                          Feature::USER_HISTORY);
                      SnapshotTable& table = *manifest.add_tables();
                      table = manifest.tables(1);
                      table.set_name("history");
                      table.set_rows(0);
                    }),
            "the model has features, which need its data set");
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
}  // namespace cf::served_model_test
