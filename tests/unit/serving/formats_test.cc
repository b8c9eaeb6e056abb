// Goal: what can be said of formats without the programs that they are for. The cluster test
// consumers_test loads each with its own.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/kernels/kernels.h"
#include "serving/exports/converted_arrays.h"
#include "serving/exports/export.h"
#include "serving/exports/model_json.h"
#include "serving/exports/onnx.pb.h"
#include "serving/exports/pair_model.h"
#include "tests/unit/serving/test_model.h"

namespace cf::formats_test {
namespace {

using ::testing::HasSubstr;

class FormatsTest : public ::testing::Test {
 protected:
  FormatsTest() {
    SetFloatMode();
    WriteTestData(folder_.At("data"));
    Take({.dim = 10});
  }

  void Take(const TestSnapshotOptions& options) {
    const Dataset data = Dataset::Open(folder_.At("data")).value();
    std::filesystem::remove_all(folder_.At("run"));
    snapshot_.emplace(*Snapshot::Open(WriteTestSnapshot(folder_.At("run"), data, options)));
    catalogue_.emplace(*Catalogue::Open(snapshot_->manifest(), ""));
    model_.emplace(*ServedModel::Load(*snapshot_, &*catalogue_));
  }

  ExportSubject subject() const { return {*snapshot_, *model_, *catalogue_}; }

  absl::Status Export(ExportOptions options) const {
    options.folder = folder_.At("export");
    options.overwrite = true;
    return WriteExport(subject(), options);
  }

  std::string Written(const std::string& name) const {
    return ReadFile(folder_.At("export/" + name)).value();
  }

  TestFolder folder_;
  std::optional<Snapshot> snapshot_;
  std::optional<Catalogue> catalogue_;
  std::optional<ServedModel> model_;
};

std::string ContentsOf(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string contents;
  for (const std::string& name : names) contents += name + *ReadFile(folder + "/" + name);
  return contents;
}

// Goal: what streams changes no byte by it. Method: users from memory and from the snapshot.
TEST_F(FormatsTest, UsersFromTheSnapshotAreWrittenAlike) {
  const ServedModel streamed =
      ServedModel::Load(*snapshot_, &*catalogue_, ServedUsers::kInSnapshot).value();
  for (const char* format : {"npy", "safetensors", "csv", "faiss"}) {
    SCOPED_TRACE(format);
    ASSERT_TRUE(Export({.format = format}).ok());
    const absl::Status made =
        WriteExport({*snapshot_, streamed, *catalogue_},
                    {.format = format, .folder = folder_.At("streamed"), .overwrite = true});
    ASSERT_TRUE(made.ok()) << made;
    EXPECT_EQ(ContentsOf(folder_.At("streamed")), ContentsOf(folder_.At("export")));
  }
}

TEST_F(FormatsTest, APrecisionThatAFormatHasNotIsRefused) {
  const absl::Status refused = Export({.format = "npy", .precision = Precision::kFloat16});
  EXPECT_EQ(refused, absl::InvalidArgumentError("npy is not written as fp16, only as fp32"));
}

// Goal: the header is what the format's readers check it for. Method: parse it here.
TEST_F(FormatsTest, SafetensorsHasArraysWithoutHoles) {
  ASSERT_TRUE(Export({.format = "safetensors"}).ok());
  const std::string file = Written("model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  EXPECT_EQ((sizeof length + length) % 8, 0U);
  google::protobuf::Struct header;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(file.substr(sizeof length, length), &header)
          .ok());
  std::vector<std::pair<double, double>> places;
  for (const auto& [name, entry] : header.fields()) {
    if (name == "__metadata__") continue;
    const auto& offsets = entry.struct_value().fields().at("data_offsets").list_value();
    places.emplace_back(offsets.values(0).number_value(), offsets.values(1).number_value());
    if (name != "item_biases") continue;
    EXPECT_EQ(entry.struct_value().fields().at("dtype").string_value(), "F32");
    float bias = 0;
    std::memcpy(&bias, file.data() + sizeof length + length + std::lround(places.back().first) + 8,
                sizeof bias);
    EXPECT_EQ(bias, model_->items().bias(RowId{2}));
  }
  std::sort(places.begin(), places.end());
  double end = 0;
  for (const auto& [begin, next] : places) {
    EXPECT_EQ(begin, end);
    end = next;
  }
  EXPECT_EQ(end, static_cast<double>(file.size() - sizeof length - length));
  const std::string& model =
      header.fields().at("__metadata__").struct_value().fields().at("model").string_value();
  EXPECT_THAT(model, HasSubstr("\"format\": \"safetensors\""));
}

TEST_F(FormatsTest, CsvKeepsEveryBitOfANumber) {
  ASSERT_TRUE(Export({.format = "csv"}).ok());
  std::istringstream lines(Written("item_embeddings.csv"));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "item,0,1,2,3,4,5,6,7,8,9");
  for (std::uint32_t row = 0; row < model_->items().rows(); ++row) {
    ASSERT_TRUE(std::getline(lines, line));
    std::istringstream fields(line);
    std::string field;
    std::getline(fields, field, ',');
    EXPECT_EQ(field, catalogue_->data().item_raw_id(RowId{row}));
    for (std::uint32_t k = 0; k < 10; ++k) {
      std::getline(fields, field, ',');
      EXPECT_EQ(std::stof(field), model_->items().vector(RowId{row})[k]) << line;
    }
  }
  EXPECT_FALSE(std::getline(lines, line));
}

// Goal: the exact index is as FAISS lays it out. Method: the table in docs/exports.md.
TEST_F(FormatsTest, TheExactFaissIndexHasItsLayout) {
  ASSERT_TRUE(Export({.format = "faiss"}).ok());
  const std::string file = Written("items.faiss");
  const auto at = [&file]<class T>(std::size_t offset, T) {
    T value{};
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
  };
  const std::size_t n = model_->items().rows();
  constexpr std::size_t kDim = 11;  // With the bias.
  ASSERT_EQ(file.size(), 90 + 4 * n * kDim + 8 * n);
  for (const std::size_t header : {0, 37}) {
    EXPECT_EQ(file.substr(header, 4), header == 0 ? "IxMp" : "IxFI");
    EXPECT_EQ(at(header + 4, std::int32_t{}), 11);
    EXPECT_EQ(at(header + 8, std::int64_t{}), static_cast<std::int64_t>(n));
    EXPECT_EQ(at(header + 32, std::uint8_t{}), 1);
    EXPECT_EQ(at(header + 33, std::int32_t{}), 0) << "the inner product";
  }
  EXPECT_EQ(at(74, std::uint64_t{}), n * kDim);
  const RowId third{2};
  EXPECT_EQ(at(82 + 4 * 2 * kDim, float{}), model_->items().vector(third)[0]);
  EXPECT_EQ(at(82 + 4 * (3 * kDim - 1), float{}), model_->items().bias(third));
  EXPECT_EQ(at(82 + 4 * n * kDim, std::uint64_t{}), n);
  EXPECT_EQ(std::to_string(at(90 + 4 * n * kDim + 8 * 2, std::int64_t{})),
            catalogue_->data().item_raw_id(third));
  const ExportedIndex index = ReadModelJson(folder_.At("export")).value().index();
  EXPECT_EQ(index.kind(), "Flat");
  EXPECT_EQ(index.dim(), kDim);
  EXPECT_EQ(index.ids(), "raw");
}

TEST_F(FormatsTest, WhatNoIndexIsSaidOfIsRefused) {
  EXPECT_EQ(Export({.format = "csv", .index = "Flat"}),
            absl::InvalidArgumentError("csv has no --index"));
  EXPECT_FALSE(std::filesystem::exists(folder_.At("export")));
}

// A program without the library that is beside ours says so, and writes nothing.
TEST_F(FormatsTest, AnIndexWithoutItsLibraryIsRefused) {
  const absl::Status refused = Export({.format = "faiss", .index = "IVF4,Flat"});
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("only --index Flat is there"));
  EXPECT_FALSE(std::filesystem::exists(folder_.At("export")));
}

onnx::ModelProto GraphIn(const std::string& bytes) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

// Goal: tables that are too large for a graph are where the graphs say, once for all of them.
TEST_F(FormatsTest, OnnxTablesBesideGraphsAreWhereTheseSay) {
  ASSERT_TRUE(Export({.format = "onnx", .single_file_mib_max = 0}).ok());
  const std::string weights = Written("weights.bin");
  for (const char* name : {"score.onnx", "top_k.onnx", "item_tower.onnx"}) {
    SCOPED_TRACE(name);
    const onnx::ModelProto model = GraphIn(Written(name));
    const onnx::TensorProto* items = nullptr;
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      if (tensor.name() == "items") items = &tensor;
    }
    ASSERT_NE(items, nullptr);
    EXPECT_EQ(items->data_location(), onnx::TensorProto::EXTERNAL);
    EXPECT_TRUE(items->raw_data().empty());
    ASSERT_EQ(items->external_data_size(), 3);
    EXPECT_EQ(items->external_data(0).value(), "weights.bin");
    const std::size_t offset = std::stoull(items->external_data(1).value());
    EXPECT_EQ(offset % 4096, 0U);
    EXPECT_EQ(std::stoull(items->external_data(2).value()), 4U * 91 * 11);
    float first = 0;
    std::memcpy(&first, weights.data() + offset, sizeof first);
    EXPECT_EQ(first, model_->items().vector(RowId{0})[0]);
  }
}

// Goal: an unknown id is an average one. Method: data with rows that were never trained, which
// count nowhere.
TEST_F(FormatsTest, TheLastRowOfATableIsTheMeanOfWhatWasLearned) {
  const TestFolder cold;
  const Snapshot snapshot = Snapshot::Open(WriteColdSnapshot(cold.At("cold"))).value();
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const ServedModel model = ServedModel::Load(snapshot, &catalogue).value();
  const PairModel pair = PairModelOf({snapshot, model, catalogue});
  std::vector<float> last;
  const absl::Status visited = pair.items.visit([&last](const void* elements, std::size_t bytes) {
    const auto* const floats = static_cast<const float*>(elements);
    last.assign(floats, floats + bytes / sizeof(float));
    return absl::OkStatus();
  });
  ASSERT_TRUE(visited.ok()) << visited;
  ASSERT_EQ(last.size(), 11U);
  double sum = 0;
  double biases = 0;
  std::uint32_t learned = 0;
  for (std::uint32_t row = 0; row < model.items().rows(); ++row) {
    const bool counts = pair.item_penalties[row] == 0;
    EXPECT_EQ(counts, catalogue.ItemTrainingRatings(RowId{row}) > 0) << row;
    if (!counts) continue;
    ++learned;
    sum += static_cast<double>(model.items().vector(RowId{row})[0]);
    biases += static_cast<double>(model.items().bias(RowId{row}));
  }
  ASSERT_LT(learned, model.items().rows());
  EXPECT_FLOAT_EQ(last[0], static_cast<float>(sum / learned));
  EXPECT_FLOAT_EQ(last[10], static_cast<float>(biases / learned));
  EXPECT_LT(pair.item_penalties.back(), 0) << "the unknown item is never listed";
}

// Goal: an interpreter can map what a phone has on its disk. Method: the head of the file, and where
// the table of items is.
TEST_F(FormatsTest, ATfliteModelHasItsTablesAligned) {
  ASSERT_TRUE(Export({.format = "tflite"}).ok());
  const std::string file = Written("model.tflite");
  EXPECT_EQ(file.substr(4, 4), "TFL3");
  std::string row(reinterpret_cast<const char*>(model_->items().vector(RowId{0})), 40);
  const float bias = model_->items().bias(RowId{0});
  row.append(reinterpret_cast<const char*>(&bias), sizeof bias);
  const std::size_t place = file.find(row);
  ASSERT_NE(place, std::string::npos);
  EXPECT_EQ(place % 16, 0U);
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, file.data() + place - sizeof bytes, sizeof bytes);
  EXPECT_EQ(bytes, 4U * 91 * 11) << "with the row for unknown items";
}

TEST(Half, IsTheNearestAndTiesGoToEven) {
  EXPECT_EQ(HalfOf(0.0F), 0x0000);
  EXPECT_EQ(HalfOf(-0.0F), 0x8000);
  EXPECT_EQ(HalfOf(1.0F), 0x3c00);
  EXPECT_EQ(HalfOf(-2.0F), 0xc000);
  EXPECT_EQ(HalfOf(65504.0F), 0x7bff);
  EXPECT_EQ(HalfOf(1.0F + std::ldexp(1.0F, -11)), 0x3c00);
  EXPECT_EQ(HalfOf(1.0F + 3 * std::ldexp(1.0F, -11)), 0x3c02);
  EXPECT_EQ(HalfOf(std::ldexp(1.0F, -24)), 0x0001) << "the smallest there is";
}

TEST(Int8, StepsAreOfTheLargestNumberOfARow) {
  std::vector<float> row = {0.5F, -1.27F, 0.004F, 0};
  EXPECT_FLOAT_EQ(ScaleOf(row), 0.01F);
  EXPECT_EQ(StepOf(0.5F, 0.01F), 50);
  EXPECT_EQ(StepOf(-1.27F, 0.01F), -127);
  RoundRow(Precision::kInt8, row);
  EXPECT_THAT(row, testing::Pointwise(testing::FloatNear(1e-6F), {0.5F, -1.27F, 0.0F, 0.0F}));
  EXPECT_EQ(RoundBias(Precision::kInt8, 0.123F), 0.123F);
  std::vector<float> zeros = {0, 0};
  RoundRow(Precision::kInt8, zeros);
  EXPECT_THAT(zeros, testing::Each(0.0F));
}

// Goal: what is written as int8 is what was measured. Method: steps and scales against RoundRow.
TEST_F(FormatsTest, Int8TablesAreWhatIsMeasured) {
  const std::vector<float> rows = {0.5F,  -1,     7,
                                   0.25F, 0.125F, 9};  // Two rows; the last column stays.
  const ModelArray array = {
      .name = "table", .shape = {2, 3}, .visit = [&rows](const TakeElements& take) {
        return take(rows.data(), rows.size() * sizeof(float));
      }};
  const Int8Table table = InInt8(array, /*keeps_last=*/true);
  EXPECT_THAT(table.steps.shape, testing::ElementsAre(2, 2));
  const auto read = []<class T>(const ModelArray& of, std::vector<T> into) {
    const absl::Status visited = of.visit([&into](const void* elements, std::size_t bytes) {
      const T* const values = static_cast<const T*>(elements);
      into.insert(into.end(), values, values + bytes / sizeof(T));
      return absl::OkStatus();
    });
    EXPECT_TRUE(visited.ok());
    return into;
  };
  const std::vector<std::int8_t> steps = read(table.steps, std::vector<std::int8_t>{});
  const std::vector<float> scales = read(table.scales, std::vector<float>{});
  ASSERT_EQ(steps.size(), 4U);
  ASSERT_EQ(scales.size(), 2U);
  for (std::size_t r = 0; r < 2; ++r) {
    std::vector<float> rounded = {rows[3 * r], rows[3 * r + 1]};
    RoundRow(Precision::kInt8, rounded);
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_EQ(static_cast<float>(steps[2 * r + c]) * scales[r], rounded[c]);
    }
  }
  EXPECT_THAT(read(*table.last, std::vector<float>{}), testing::ElementsAre(7, 9));
}

TEST_F(FormatsTest, ANumberThatNoHalfCanBeIsRefused) {
  const std::vector<float> large = {1, -70000};
  const ModelArray array = {
      .name = "large", .shape = {2}, .visit = [&large](const TakeElements& take) {
        return take(large.data(), large.size() * sizeof(float));
      }};
  const absl::Status visited = AtPrecision({array}, Precision::kFloat16)[0].visit(
      [](const void*, std::size_t) { return absl::OkStatus(); });
  EXPECT_EQ(visited.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(visited.message()),
              HasSubstr("large has -70000, and fp16 ends at 65504"));
}

}  // namespace
}  // namespace cf::formats_test
