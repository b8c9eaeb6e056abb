// What each table of a model takes of its job: a field that is taken from its neighbour trains
// another model without a word.

#include "common/model/tables.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/model/model_spec.h"

namespace cf::tables_test {
namespace {

Job MakeJob(const std::string& model) {
  absl::StatusOr<Job> job = ParseJob("model {" + model + "}", "test");
  EXPECT_TRUE(job.ok()) << job.status();
  FillDefaults(*job);
  return *std::move(job);
}

std::vector<TableSpec> TablesOf(const Job& job, const std::vector<std::uint32_t>& feature_rows) {
  return ModelSpec::Make(job)->Tables({.users = 40, .items = 20, .features = feature_rows});
}

struct Expected {
  const char* name;
  std::uint32_t rows;
  std::uint32_t dim;
  bool biases;
  double l2_vectors;
  double l2_biases;
  double bias_rate;
};

void ExpectTables(const std::vector<TableSpec>& tables, const std::vector<Expected>& expected) {
  ASSERT_EQ(tables.size(), expected.size());
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const Expected& is = expected[t];
    EXPECT_EQ(tables[t].shape.name, is.name);
    EXPECT_EQ(tables[t].shape.rows, is.rows) << is.name;
    EXPECT_EQ(tables[t].shape.dim, is.dim) << is.name;
    EXPECT_EQ(tables[t].shape.biases, is.biases) << is.name;
    EXPECT_EQ(tables[t].shape.moments, 2U) << is.name;
    EXPECT_EQ(tables[t].l2_vectors, is.l2_vectors) << is.name;
    EXPECT_EQ(tables[t].l2_biases, is.l2_biases) << is.name;
    EXPECT_EQ(tables[t].bias_rate, is.bias_rate) << is.name;
  }
}

TEST(Tables, AFactorizationWithFeatures) {
  const Job job = MakeJob(
      "matrix_factorization { dim: 5 l2_vectors: 0.25 l2_biases: 0.5 bias_rate: 3"
      "  feature { source: USER_HISTORY l2: 0.75 l2_biases: 0.125 }"
      "  feature { source: ITEM_GENRES l2: 0.0625 } }");
  ExpectTables(TablesOf(job, {20, 4}), {{"users", 40, 5, true, 0.25, 0.5, 3},
                                        {"items", 20, 5, true, 0.25, 0.5, 3},
                                        {"history", 20, 5, true, 0.75, 0.125, 3},
                                        {"genres", 4, 5, true, 0.0625, 0, 3}});
}

TEST(Tables, ARankerWithFeatures) {
  const Job job = MakeJob(
      "ranker { user { dim: 5 l2: 0.25 } item { dim: 7 l2: 0.5 } dense { units: 3 } dense {}"
      "  feature { source: TIMESTAMP_YEAR dim: 2 l2: 0.75 } }");
  ExpectTables(TablesOf(job, {6}), {{"users", 40, 5, false, 0.25, 0, 1},
                                    {"items", 20, 7, false, 0.5, 0, 1},
                                    {"dense_0", 1, (5 + 7 + 2) * 3 + 3, false, 0, 0, 1},
                                    {"dense_1", 1, 3 + 1, false, 0, 0, 1},
                                    {"timestamp_year", 6, 2, false, 0.75, 0, 1}});
}

TEST(Tables, Towers) {
  const Job job = MakeJob(
      "retrieval { user { dim: 5 l2: 0.25 dense { units: 4 } }"
      "  item { dim: 7 l2: 0.5 dense { units: 6 } dense { units: 4 } } }");
  ExpectTables(TablesOf(job, {}), {{"users", 40, 5, false, 0.25, 0, 1},
                                   {"items", 20, 7, false, 0.5, 0, 1},
                                   {"user_dense_0", 1, 5 * 4 + 4, false, 0, 0, 1},
                                   {"item_dense_0", 1, 7 * 6 + 6, false, 0, 0, 1},
                                   {"item_dense_1", 1, 6 * 4 + 4, false, 0, 0, 1}});
}

}  // namespace
}  // namespace cf::tables_test
