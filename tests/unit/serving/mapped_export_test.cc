#include "serving/mapped_export.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>

#include "common/base/files.h"
#include "common/math/random.h"
#include "serving/exports/export.h"
#include "serving/fold_in.h"
#include "serving/open_model.h"
#include "serving/pair_predictor.h"
#include "serving/title_search.h"
#include "tests/unit/serving/job_snapshot.h"

namespace cf::mapped_export_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// Exports what was opened to `folder`.
absl::Status ExportTo(const std::string& folder, const OpenModel& open) {
  return WriteExport({open.snapshot(), open.model(), open.catalogue()},
                     {.folder = folder, .overwrite = true});
}

// All that somebody may be told of a model, as text with every bit of its numbers.
std::string Everything(const OpenModel& open) {
  std::string all;
  const auto add = [&all](const auto&... parts) { absl::StrAppend(&all, parts..., "\n"); };
  const auto bits = [](float value) {
    std::uint32_t number = 0;
    std::memcpy(&number, &value, sizeof number);
    return number;
  };
  const Dataset& data = open.data();
  add(data.name(), " ", data.users(), " ", data.items(), " ", data.samples(), " ", data.digest());
  add(NameOf(open.substance().lists()), " ", ScoreName(open.model()), " ",
      open.catalogue().training_samples(), " ", open.catalogue().validation_samples());
  for (std::uint32_t k = 0; k < data.items(); ++k) {
    const RowId item{k};
    add(data.item_raw_id(item), " ", data.title(item), " ", data.genres(item), " ",
        open.catalogue().ItemTrainingRatings(item), " ", open.substance().OfItem(item), " ",
        Index(data.FindItem(data.item_raw_id(item)).value_or(RowId{data.items()})));
    for (const ScoredRow& user : open.recommender().TopUsers(item, {.top = 5})) {
      add(Index(user.id), " ", bits(user.score));
    }
    const auto similar = open.recommender().SimilarItems(item, {.top = 5});
    add(similar.status().ToString());
    for (const ScoredRow& other : similar.value_or(std::vector<ScoredRow>())) {
      add(Index(other.id), " ", bits(other.score));
    }
  }
  for (std::uint32_t k = 0; k < data.unrated_items(); ++k) {
    add(data.unrated_raw_id(k), " ", data.unrated_title(k), " ", data.unrated_genres(k));
  }
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), /*fallback=*/true);
  for (std::uint32_t u = 0; u < data.users(); ++u) {
    const RowId user{u};
    add(data.user_raw_id(user), " ", open.catalogue().UserTrainingRatings(user), " ",
        open.substance().OfUser(user), " ",
        Index(open.lookup().User(data.user_raw_id(user)).value_or(RowId{data.users()})));
    for (const Mask mask : {Mask::kAll, Mask::kTrain, Mask::kNone}) {
      const ItemList list =
          open.recommender().TopItems(user, {.top = 7, .mask = mask, .fallback_popular = true});
      add(NameOf(list.source));
      for (const ScoredRow& item : list.items) add(Index(item.id), " ", bits(item.score));
    }
    for (std::uint32_t k = 0; k < data.items(); ++k) {
      const Prediction predicted = predictor.Predict(user, RowId{k});
      add(NameOf(predicted.source), " ", bits(predicted.value), " ",
          bits(open.catalogue().RatingOf(user, RowId{k}).value_or(-1)));
    }
    for (const RowId item : open.catalogue().SeenBy(user)) add(Index(item));
  }
  for (const RowId item : TitleSearch(open.catalogue()).Containing("toy")) add(Index(item));
  add(open.lookup().Item("Toy Story 3 (2010)").status().ToString());
  for (const FoldIn::Pull pull : {FoldIn::Pull::kSpread, FoldIn::Pull::kL2}) {
    const absl::StatusOr<FoldIn> fold_in = FoldIn::Make(open.model(), open.catalogue(), pull);
    add(fold_in.status().ToString());
    if (!fold_in.ok()) continue;
    for (std::uint32_t u = 0; u < data.users(); ++u) {
      const absl::StatusOr<UserRow> row =
          fold_in->Solve(GivenWithTraining(open.catalogue(), RowId{u}, {}));
      add(row.status().ToString());
      if (!row.ok()) continue;
      add(bits(row->bias));
      for (const float weight : row->vector) add(bits(weight));
      for (const ScoredRow& item : open.recommender().TopItems(*row, {}, {.top = 3}).items) {
        add(Index(item.id), " ", bits(item.score));
      }
    }
  }
  return all;
}

struct Case {
  const char* name = "";
  TestSnapshotOptions options = {};
};

class MappedExportTest : public testing::TestWithParam<Case> {
 protected:
  // A model of data with titles, genres, items without ratings and a given validation file.
  std::unique_ptr<OpenModel> OpenSnapshot(const TestSnapshotOptions& options = {}) {
    return OpenModel::Open({.snapshot = WriteColdSnapshot(folder_.At(""), options)}).value();
  }
  // Writes an export and returns its folder.
  std::string Export() {
    if (snapshot_ == nullptr) snapshot_ = OpenSnapshot();
    const absl::Status exported = ExportTo(folder_.At("export"), *snapshot_);
    EXPECT_TRUE(exported.ok()) << exported;
    return folder_.At("export");
  }
  // What is said of an export in which a file's text was changed.
  std::string Refusal(const std::string& file, const std::string& from, const std::string& to) {
    const std::string folder = Export();
    const std::string text = ReadFile(folder + "/" + file).value();
    EXPECT_THAT(text, HasSubstr(from));
    EXPECT_TRUE(ReplaceFile(folder + "/" + file, absl::StrReplaceAll(text, {{from, to}})).ok());
    const absl::Status refused = OpenModel::Open({.snapshot = folder}).status();
    EXPECT_THAT(std::string(refused.message()), HasSubstr(folder));
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("\n")));
    return std::string(refused.message());
  }

  TestFolder folder_;
  std::unique_ptr<OpenModel> snapshot_;
};

// Goal: an export says what its snapshot says, to the last bit, whatever the model.
TEST_P(MappedExportTest, SaysWhatItsSnapshotSays) {
  const std::unique_ptr<OpenModel> snapshot = OpenSnapshot(GetParam().options);
  ASSERT_TRUE(ExportTo(folder_.At("export"), *snapshot).ok());
  std::filesystem::remove_all(folder_.At("run"));
  const absl::StatusOr<std::unique_ptr<OpenModel>> opened =
      OpenModel::Open({.snapshot = folder_.At("export")});
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::filesystem::remove_all(folder_.At("data"));
  EXPECT_EQ(Everything(**opened), Everything(*snapshot));
  EXPECT_EQ((*opened)->manifest().name(), snapshot->manifest().name());
  EXPECT_EQ((*opened)->opened_snapshot(), nullptr);
  std::filesystem::remove_all(folder_.At("export"));
  EXPECT_EQ(Everything(**opened), Everything(*snapshot)) << "what is mapped stays";
}

INSTANTIATE_TEST_SUITE_P(Models, MappedExportTest,
                         testing::Values(Case{"Padded", {.dim = 10}}, Case{"AsItIs", {.dim = 32}},
                                         Case{"Genres", {.dim = 10, .genres = 2}},
                                         Case{"Standardized", {.link = Fit::STANDARDIZED}},
                                         Case{"Popularity", {.dim = 0, .counts_items = true}}),
                         [](const testing::TestParamInfo<Case>& tested) {
                           return tested.param.name;
                         });

// Goal: the same of networks, histories and clicks, whose fold-in asks more of an export than lists
// do.
TEST_F(MappedExportTest, FoldsInAsItsSnapshotDoes) {
  WriteColdData(folder_.At("data"));
  const Dataset data = Dataset::Open(folder_.At("data")).value();
  int number = 0;
  for (const char* kind :
       {"matrix_factorization { dim: 5 feature { source: USER_HISTORY } }",
        "matrix_factorization { dim: 5 mean: false link: SIGMOID loss: BCE negatives: 2 }",
        "ranker { user { dim: 5 } item { dim: 6 } feature { source: USER_HISTORY dim: 3 } "
        "dense { units: 4 activation: RELU } dense { units: 1 } }",
        "retrieval { user { dim: 5 dense { units: 4 } } item { dim: 7 dense { units: 4 } } }"}) {
    const std::string job = absl::StrCat("model { ", kind, " } train { batch_size: 8 }");
    const auto snapshot = OpenModel::Open({.snapshot = WriteJobSnapshot(
                                               folder_.At(absl::StrCat(number++)), data, job)})
                              .value();
    ASSERT_TRUE(ExportTo(folder_.At("export"), *snapshot).ok());
    const auto open = OpenModel::Open({.snapshot = folder_.At("export")}).value();
    EXPECT_EQ(Everything(*open), Everything(*snapshot)) << kind;
  }
}

TEST_F(MappedExportTest, TellsTheDigestOfItsSnapshotAndIsVerified) {
  const std::unique_ptr<OpenModel> snapshot = OpenSnapshot();
  ASSERT_TRUE(ExportTo(folder_.At("export"), *snapshot).ok());
  const auto open = OpenModel::Open({.snapshot = folder_.At("export")}).value();
  EXPECT_EQ(open->Digest().value(), snapshot->Digest().value());
  const MappedExport mapped = MappedExport::Open(folder_.At("export")).value();
  EXPECT_TRUE(mapped.Verify().ok()) << mapped.Verify();
  const std::string array = folder_.At("export/item_embeddings.npy");
  std::string bytes = ReadFile(array).value();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ASSERT_TRUE(ReplaceFile(array, bytes).ok());
  EXPECT_TRUE(absl::IsDataLoss(mapped.Verify()));
  EXPECT_THAT(std::string(mapped.Verify().message()), HasSubstr("item_embeddings.npy"));
}

TEST_F(MappedExportTest, KnowsRawIdsThatAreNoNumbers) {
  SampleChunk chunk = {.users = {0, 1, 1}, .items = {0, 0, 1}, .ratings = {1, 2, 3}};
  DatasetWriter writer =
      DatasetWriter::Create({.folder = folder_.At("words"), .name = "words"}).value();
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(std::vector<std::string>{"ann, \"the first\"", "bob"}));
  writer.SetItems(Vocabulary(std::vector<std::string>{"z\xc3\xa9ro", "9"}));
  ASSERT_TRUE(writer.Finish().ok());
  const Dataset data = Dataset::Open(folder_.At("words")).value();
  const auto snapshot =
      OpenModel::Open({.snapshot = WriteTestSnapshot(folder_.At("wordy"), data)}).value();
  ASSERT_TRUE(ExportTo(folder_.At("export"), *snapshot).ok());
  const auto open = OpenModel::Open({.snapshot = folder_.At("export")}).value();
  EXPECT_EQ(Everything(*open), Everything(*snapshot));
  EXPECT_EQ(open->data().FindUser("ann, \"the first\""), data.FindUser("ann, \"the first\""));
  EXPECT_EQ(open->data().FindItem("z\xc3\xa9ro"), data.FindItem("z\xc3\xa9ro"));
  EXPECT_EQ(open->data().FindItem("zero"), std::nullopt);
}

TEST_F(MappedExportTest, WhatCannotBeServedFromIsRefusedInOneLine) {
  EXPECT_THAT(Refusal("model.json", "\"format\": \"npy\"", "\"format\": \"faiss\""),
              HasSubstr("an export of the format faiss, which other programs load"));
  EXPECT_THAT(Refusal("model.json", "\"index_version\": 1", "\"index_version\": 0"),
              HasSubstr("from before exports were served from; export the snapshot "));
  EXPECT_THAT(Refusal("model.json", "\"index_version\": 1", "\"index_version\": 2"),
              HasSubstr("with version 2 of what is served from, this program reads 1"));
  EXPECT_THAT(Refusal("description.textproto", "partitions: 4", "partitions: 8"),
              HasSubstr("its checksum is not the one in model.json"));
  EXPECT_THAT(Refusal("seen_items.npy", "<i4", "<f4"),
              HasSubstr("seen_items.npy: is not the array"));
  EXPECT_THAT(Refusal("user_embeddings_padded.npy", "(8, 16)", "(16, 8)"),
              HasSubstr("user_embeddings_padded.npy: is not the array that is expected, "
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 16), }"));
  EXPECT_THAT(Refusal("model.json", "{", "["), HasSubstr("is not one of an export"));
}

TEST_F(MappedExportTest, WhatIsNeitherSnapshotNorExportIsToldOf) {
  const std::string folder = Export();
  const auto said = [](const std::string& path) {
    return std::string(OpenModel::Open({.snapshot = path}).status().message());
  };
  EXPECT_THAT(said(folder_.At("data")), HasSubstr("a folder without a model.json"));
  EXPECT_THAT(said(folder_.At("run/snapshots")),
              HasSubstr("such as RUN/snapshots/best, or an npy"));
  EXPECT_EQ(said(folder + "/seen_items.npy"),
            absl::StrCat(folder, "/seen_items.npy: a file of an export; it is the folder ", folder,
                         " that is opened"));
  EXPECT_THAT(said(folder_.At("nothing")), HasSubstr("No such file"));
}

TEST_F(MappedExportTest, NeedsAllItsArraysAndNoDataSet) {
  const std::string folder = Export();
  const auto refused = OpenModel::Open({.snapshot = folder, .data = "somewhere"});
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  std::vector<std::string> arrays;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".npy") arrays.push_back(entry.path().filename());
  }
  std::ranges::sort(arrays);
  // These are for other programs: what is served from has rows of whole cache lines.
  std::vector<std::string> unread;
  for (const std::string& array : arrays) {
    std::filesystem::rename(folder + "/" + array, folder_.At("aside"));
    const absl::Status opened = OpenModel::Open({.snapshot = folder}).status();
    if (opened.ok()) unread.push_back(array);
    EXPECT_TRUE(opened.ok() || absl::IsDataLoss(opened)) << opened;
    // A file that is cut short.
    std::filesystem::copy_file(folder_.At("aside"), folder + "/" + array);
    std::filesystem::resize_file(folder + "/" + array,
                                 std::filesystem::file_size(folder_.At("aside")) - 1);
    EXPECT_EQ(OpenModel::Open({.snapshot = folder}).ok(), opened.ok()) << array;
    std::filesystem::rename(folder_.At("aside"), folder + "/" + array);
  }
  EXPECT_THAT(unread, testing::ElementsAre("item_embeddings.npy", "user_embeddings.npy"));
  EXPECT_TRUE(OpenModel::Open({.snapshot = folder}).ok());
}

// Goal: an array may hold anything, and nothing outside of it is touched. Method: numbers out of every
// range in each array in turn, then all that can be asked; with asan and the library's assertions.
TEST_F(MappedExportTest, DamagedNumbersAreBorneWith) {
  const std::string folder = Export();
  const CounterRandom random(3, Purpose::kSynth);
  std::uint64_t draw = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".npy") continue;
    const std::string path = entry.path();
    const std::string sound = ReadFile(path).value();
    const std::size_t head = 10 + static_cast<std::uint8_t>(sound[8]);
    for (int round = 0; round < 6; ++round) {
      std::string bytes = sound;
      for (std::size_t k = head; k < bytes.size(); ++k) {
        const std::uint64_t drawn = random.Bits64(draw++);
        if (round == 0) bytes[k] = static_cast<char>(-1);
        if (round > 0 && drawn % 8 == 0) bytes[k] = static_cast<char>(drawn >> 8);
      }
      ASSERT_TRUE(ReplaceFile(path, bytes).ok());
      const auto open = OpenModel::Open({.snapshot = folder});
      ASSERT_TRUE(open.ok()) << open.status();
      EXPECT_FALSE(Everything(**open).empty());
    }
    ASSERT_TRUE(ReplaceFile(path, sound).ok());
  }
}

TEST_F(MappedExportTest, AnExportThatTakesAnothersPlaceIsNotMixedWithIt) {
  const std::string folder = Export();
  std::filesystem::create_directory_symlink(folder, folder_.At("link"));
  const MappedExport by_link = MappedExport::Open(folder_.At("link")).value();
  const MappedExport by_name = MappedExport::Open(folder).value();
  EXPECT_TRUE(by_name.CheckUnchanged().ok());
  const auto other = OpenModel::Open(
      {.snapshot = WriteTestSnapshot(folder_.At("other"), Dataset::Open(folder_.At("data")).value(),
                                     {.dim = 12})});
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE(ExportTo(folder_.At("second"), **other).ok());
  // A swapped link: what was opened stays where it was.
  std::filesystem::remove(folder_.At("link"));
  std::filesystem::create_directory_symlink(folder_.At("second"), folder_.At("link"));
  EXPECT_TRUE(by_link.CheckUnchanged().ok());
  EXPECT_EQ(by_link.Table("item_embeddings", 10, 10, "").value().dim(), 10U);
  // A replaced folder.
  ASSERT_TRUE(ExportTo(folder, **other).ok());
  EXPECT_TRUE(absl::IsUnavailable(by_name.CheckUnchanged()));
}

}  // namespace
}  // namespace cf::mapped_export_test
