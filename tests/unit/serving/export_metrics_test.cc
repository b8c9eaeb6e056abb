// Goal: the figures in an export are those of the model in it, not of an epoch before.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/kernels/kernels.h"
#include "serving/exports/export.h"
#include "tests/unit/serving/test_model.h"

namespace cf::export_metrics_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ExportMetrics : public ::testing::Test {
 protected:
  ExportMetrics() {
    SetFloatMode();
    WriteTestData(folder_.At("data"));
    WriteTestSnapshot(folder_.At("run"), Dataset::Open(folder_.At("data")).value());
  }

  std::string ModelJson(const std::string& snapshot_name) const {
    const Snapshot snapshot = Snapshot::Open(folder_.At("run/snapshots/" + snapshot_name)).value();
    const ServedModel model = ServedModel::Load(snapshot).value();
    const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
    const std::string out = folder_.At("export of " + snapshot_name);
    const absl::Status made =
        WriteExport({snapshot, model, catalogue}, {.folder = out, .overwrite = false});
    EXPECT_TRUE(made.ok()) << made;
    return ReadFile(out + "/model.json").value();
  }

  TestFolder folder_;
};

TEST_F(ExportMetrics, AreThoseOfTheEpochThatTheSnapshotEnds) {
  EXPECT_THAT(ModelJson("latest"), HasSubstr("\"val_rmse\": 0.875"));
}

TEST_F(ExportMetrics, AreAbsentFromASnapshotInMidEpoch) {
  SnapshotStore store = SnapshotStore::Open(folder_.At("run/snapshots")).value();
  Manifest manifest = store.Latest().value();
  manifest.mutable_position()->set_step(150);
  manifest.mutable_position()->set_step_in_epoch(50);
  manifest.set_name(SnapshotName(TimeOf(manifest)));
  ASSERT_TRUE(store.Commit(manifest).ok());
  EXPECT_THAT(ModelJson("latest"), Not(HasSubstr("val_rmse")));
}

}  // namespace
}  // namespace cf::export_metrics_test
