#include "worker/models/models.h"

#include <set>

#include <gtest/gtest.h>

#include "common/model/kinds.h"

namespace cf::models_test {
namespace {

TEST(StepKinds, AreTheKindsOfModels) {
  std::multiset<int> expected;
  for (const ModelKind& kind : ModelKinds()) expected.insert(kind.kind);
  std::multiset<int> listed;
  for (const StepKind& kind : StepKinds()) listed.insert(kind.kind);
  EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace cf::models_test
