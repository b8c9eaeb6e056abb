// Goal: a crash of the machine leaves an export whole or not there. Method: the order of the calls
// that a disk keeps by.

#include <string>

#include <gtest/gtest.h>

#include "common/kernels/kernels.h"
#include "serving/exports/export.h"
#include "tests/support/file_calls.h"
#include "tests/unit/serving/test_model.h"

namespace cf::sync_order_test {
namespace {

TEST(SyncOrder, AnExportIsRenamedWhenAllOfItIsOnTheDisk) {
  SetFloatMode();
  const TestFolder folder;
  WriteTestData(folder.At("data"));
  const Dataset data = Dataset::Open(folder.At("data")).value();
  const Snapshot snapshot =
      Snapshot::Open(WriteTestSnapshot(folder.At("run"), data, {.dim = 10})).value();
  const ServedModel model = ServedModel::Load(snapshot).value();
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  for (const bool overwrite : {false, true}) {
    const FileCalls noted;
    const absl::Status made = WriteExport({snapshot, model, catalogue},
                                          {.folder = folder.At("export"), .overwrite = overwrite});
    ASSERT_TRUE(made.ok()) << made;
    EXPECT_EQ(WhyNotDurable(noted.calls(), folder.At("export")), "");
  }
}

}  // namespace
}  // namespace cf::sync_order_test
