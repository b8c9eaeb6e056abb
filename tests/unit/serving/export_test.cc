#include "serving/exports/export.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/files.h"
#include "common/snapshot/checksum.h"
#include "common/text/csv.h"
#include "serving/exports/model_json.h"
#include "serving/exports/npy_header.h"
#include "serving/recommender.h"
#include "tests/support/paths.h"
#include "tests/unit/serving/test_model.h"

namespace cf::export_test {
namespace {

/// A Python with NumPy, or nothing.
std::string FindPython() {
  for (const std::string python : {"/usr/bin/python3", "python3"}) {
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return python;
  }
  return "";
}

class ExportTest : public testing::TestWithParam<Fit::Link> {
 protected:
  ExportTest() {
    SetFloatMode();
    WriteTestData(folder_.At("data"));
    const absl::StatusOr<Dataset> data = Dataset::Open(folder_.At("data"));
    const auto link = HasParam() ? GetParam() : Fit::IDENTITY;
    snapshot_.emplace(
        *Snapshot::Open(WriteTestSnapshot(folder_.At("run"), *data, {.dim = 10, .link = link})));
    model_.emplace(*ServedModel::Load(*snapshot_));
    catalogue_.emplace(*Catalogue::Open(snapshot_->manifest(), ""));
  }

  static bool HasParam() {
    return testing::UnitTest::GetInstance()->current_test_info()->value_param() != nullptr;
  }
  absl::Status Export(bool overwrite = false) const {
    return WriteExport({*snapshot_, *model_, *catalogue_},
                       {.folder = folder_.At("export"), .overwrite = overwrite});
  }

  TestFolder folder_;
  std::optional<Snapshot> snapshot_;
  std::optional<ServedModel> model_;
  std::optional<Catalogue> catalogue_;
};

TEST_F(ExportTest, UsersAreVisitedInOrderUntilAnError) {
  const ServedModel streamed =
      ServedModel::Load(*snapshot_, &*catalogue_, ServedUsers::kInSnapshot).value();
  std::uint32_t visited = 0;
  const absl::Status stopped = streamed.VisitUsers([&](std::span<const float> vector, float bias) {
    EXPECT_EQ(vector[0], model_->users().vector(RowId{visited})[0]);
    EXPECT_EQ(bias, model_->users().bias(RowId{visited}));
    return ++visited == 7 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(stopped, absl::CancelledError("enough"));
  EXPECT_EQ(visited, 7U);
}

TEST(NpyHeader, HasTheBytesThatNumPyWrites) {
  const std::string matrix = NpyHeader("<f4", {3, 2});
  EXPECT_EQ(matrix.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(matrix.substr(10, 60), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } ");
  EXPECT_EQ(matrix.size(), 128);
  EXPECT_EQ(matrix.back(), '\n');
  EXPECT_NE(NpyHeader("<i8", {7}).find("'shape': (7,), }"), std::string::npos);
}

TEST_F(ExportTest, ReplacesOnlyAnEarlierExportAndOnlyIfAsked) {
  ASSERT_TRUE(Export().ok());
  EXPECT_EQ(Export().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Export(/*overwrite=*/true).ok());
  std::filesystem::remove_all(folder_.At("export"));
  std::filesystem::create_directories(folder_.At("export"));
  ASSERT_TRUE(WriteFileAtomically(folder_.At("export") + "/thesis.tex", "years of work").ok());
  EXPECT_EQ(Export(/*overwrite=*/true).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(folder_.At("export") + "/thesis.tex"));
  // Nothing temporary stays beside it.
  for (const auto& entry : std::filesystem::directory_iterator(folder_.At("."))) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "data" || name == "run" || name == "export") << name;
  }
}

TEST_F(ExportTest, AnUnknownFormatIsRefusedWithTheList) {
  const absl::Status refused = WriteExport({*snapshot_, *model_, *catalogue_},
                                           {.format = "pickle", .folder = folder_.At("export")});
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()),
              testing::StartsWith("no format \"pickle\"; there are npy"));
  EXPECT_FALSE(std::filesystem::exists(folder_.At("export")));
}

// Goal: model.json vouches for every file beside it. Method: its list against the folder.
TEST_F(ExportTest, ModelJsonListsAllFilesWithTheirChecksums) {
  ASSERT_TRUE(Export().ok());
  const ExportedModel model = ReadModelJson(folder_.At("export")).value();
  EXPECT_EQ(model.format(), "npy");
  std::vector<std::string> listed = {"model.json"};
  for (const ExportedFile& file : model.files()) {
    listed.push_back(file.name());
    const std::string bytes = ReadFile(folder_.At("export/" + file.name())).value();
    Checksum checksum;
    checksum.Update(bytes.data(), bytes.size());
    EXPECT_EQ(file.checksum(), checksum.Hex()) << file.name();
    EXPECT_EQ(file.bytes(), static_cast<double>(bytes.size())) << file.name();
  }
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.At("export"))) {
    there.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(there));
}

TEST_F(ExportTest, ModelJsonSaysHowItWasTrained) {
  ASSERT_TRUE(Export().ok());
  const Job job = ReadModelJson(folder_.At("export")).value().job();
  EXPECT_TRUE(job.model().matrix_factorization().has_l2_vectors()) << job.DebugString();
  EXPECT_EQ(job.optimizer().kind_case(), Optimizer::kAdam) << job.DebugString();
  EXPECT_GT(job.train().batch_size(), 0U);
  EXPECT_FALSE(job.has_data()) << "where the data lay is nobody's business";
}

TEST_F(ExportTest, AForeignFileInAnEarlierExportIsNotLost) {
  ASSERT_TRUE(Export().ok());
  ASSERT_TRUE(WriteFileAtomically(folder_.At("export/mine.npy"), "my own array").ok());
  const absl::Status refused = Export(/*overwrite=*/true);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("mine.npy"));
  EXPECT_TRUE(std::filesystem::exists(folder_.At("export/mine.npy")));
}

TEST_F(ExportTest, ItemsKeepTheirTitlesInCsv) {
  ASSERT_TRUE(Export().ok());
  std::ifstream items(folder_.At("export") + "/items.csv");
  std::string line;
  std::getline(items, line);
  EXPECT_EQ(line, "row,item,title,genres,training_ratings");
  for (std::uint32_t row = 0; row < catalogue_->data().items(); ++row) {
    ASSERT_TRUE(std::getline(items, line));
    const absl::StatusOr<std::vector<std::string>> fields = ParseCsvLine(line);
    ASSERT_TRUE(fields.ok());
    EXPECT_EQ(*fields, (std::vector<std::string>{
                           std::to_string(row), catalogue_->data().item_raw_id(RowId{row}),
                           catalogue_->data().title(RowId{row}), "Action|Drama",
                           std::to_string(catalogue_->ItemTrainingRatings(RowId{row}))}));
  }
  EXPECT_FALSE(std::getline(items, line));
}

// Goal: an export alone is enough. Method: the program of docs/export_format.md lists for every
// user, whose rows must be the recommender's and whose ratings the model's.
TEST_P(ExportTest, TheNumPyProgramListsWhatTheRecommenderLists) {
  const std::string python = FindPython();
  ASSERT_NE(python, "") << "launch/install-dependencies installs python3-numpy";
  ASSERT_TRUE(Export().ok());
  std::string command =
      python + " " CF_SOURCE_DIR "/tests/cluster/predict_from_export.py " + folder_.At("export");
  for (std::uint32_t u = 0; u < catalogue_->data().users(); ++u) command += " " + std::to_string(u);
  command += " > " + folder_.At("lists.tsv");
  ASSERT_EQ(std::system(command.c_str()), 0);

  const absl::StatusOr<Recommender> recommender = Recommender::Make(*model_, *catalogue_);
  std::ifstream lists(folder_.At("lists.tsv"));
  for (std::uint32_t u = 0; u < catalogue_->data().users(); ++u) {
    for (const ScoredRow& expected : recommender->TopItems(RowId{u}, {.top = 10}).items) {
      std::uint32_t user = 0;
      std::uint32_t item = 0;
      double rating = 0;
      std::string title;
      ASSERT_TRUE(lists >> user >> item >> rating);
      std::getline(lists, title);
      ASSERT_EQ(user, u);
      ASSERT_EQ(RowId{item}, expected.id);
      EXPECT_NEAR(rating, static_cast<double>(model_->Predict(RowId{u}, RowId{item})), 1e-5);
      EXPECT_EQ(title, "\t" + catalogue_->data().title(RowId{item}));
    }
  }
  std::string rest;
  EXPECT_FALSE(lists >> rest);
}

INSTANTIATE_TEST_SUITE_P(Links, ExportTest,
                         testing::Values(Fit::IDENTITY, Fit::SCALED_SIGMOID, Fit::STANDARDIZED));

}  // namespace
}  // namespace cf::export_test
