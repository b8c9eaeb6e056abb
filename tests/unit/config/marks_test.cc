// Goal: what a resume may change is decided field by field. A field that computes something and is
// marked EXECUTION would let a run go on as another job; so the fields that may change are named
// here, and all others must be marked RESULT.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf::marks_test {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

/// The paths of the scalar fields below `type` that are not marked RESULT.
void Collect(const Descriptor& type, const std::string& path, std::vector<std::string>& found) {
  for (int k = 0; k < type.field_count(); ++k) {
    const FieldDescriptor& field = *type.field(k);
    const std::string name = path.empty() ? field.name() : path + "." + field.name();
    if (field.message_type() != nullptr) {
      Collect(*field.message_type(), name, found);
    } else if (field.options().GetExtension(mark) != RESULT) {
      EXPECT_EQ(field.options().GetExtension(mark), EXECUTION) << name << " has no mark";
      found.push_back(name);
    }
  }
}

TEST(Marks, OnlyTheseFieldsMayChangeAtAResume) {
  std::vector<std::string> found;
  Collect(*Job::descriptor(), "", found);
  EXPECT_THAT(found,
              ::testing::UnorderedElementsAre(
                  "data.path", "optimizer.on_bad_gradient", "train.epochs", "train.metrics",
                  "validation.metrics", "snapshot.every_epochs", "snapshot.every_seconds",
                  "snapshot.every_steps", "snapshot.keep", "snapshot.copies_mib",
                  "snapshot.give_up_seconds", "cluster.servers", "cluster.threads",
                  "cluster.interface", "cluster.timeout_seconds", "cluster.memory_mib",
                  "cluster.shared_memory", "cluster.progress_timeout_seconds", "cluster.frames",
                  "kernels.target", "storage.memory_budget_mib", "storage.directory"));
}

}  // namespace
}  // namespace cf::marks_test
