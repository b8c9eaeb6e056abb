#include "serving/mapped_export.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "common/base/partition.h"
#include "common/base/status.h"
#include "common/kernels/kernels.h"
#include "common/snapshot/checksum.h"
#include "serving/exports/description.pb.h"
#include "serving/exports/export.pb.h"
#include "serving/exports/model_file.h"
#include "serving/exports/npy_header.h"
#include "serving/exports/npy_names.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// As a snapshot's manifest: a bound keeps hostile text from exhausting the stack.
constexpr int kNestingMax = 32;

// The magic, the version and the length of the header's text, which the header of an array begins with.
constexpr std::size_t kHeadPrefix = 10;

// "<i4" is 4 bytes.
std::uint64_t WidthOf(const std::string& descr) {
  return static_cast<std::uint64_t>(descr.back() - '0');
}

// Nothing where no file could have so many.
std::optional<std::uint64_t> BytesOf(const std::string& descr,
                                     const std::vector<std::uint64_t>& shape) {
  std::uint64_t bytes = WidthOf(descr);
  for (const std::uint64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

// Says nothing: a description whose checksum holds is what some program wrote on purpose, so that a
// line of it would help nobody.
class NoErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
  void AddWarning(int, int, const std::string&) override {}
};

std::string HexOf(const std::string& text) {
  Checksum checksum;
  checksum.Update(text.data(), text.size());
  return checksum.Hex();
}

absl::Status CheckServed(const ExportedModel& model, const std::string& path) {
  if (!model.format().empty() && model.format() != "npy") {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": an export of the format ", model.format(),
                     ", which other programs load; cfsnapshot export --format npy makes one that "
                     "is served from"));
  }
  if (model.index_version() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": an export from before exports were served from; export the snapshot ",
                     model.source().snapshot(), " of the run ", model.source().run(),
                     " again (cfsnapshot export --format npy)"));
  }
  if (model.index_version() == kIndexVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path, ": an export with version ",
                                                    model.index_version(),
                                                    " of what is served from, this program reads ",
                                                    kIndexVersion, "; export the snapshot again"));
}

}  // namespace

MappedExport::MappedExport()
    : model_(std::make_unique<ExportedModel>()),
      description_(std::make_unique<ModelDescription>()) {
}
MappedExport::MappedExport(MappedExport&&) noexcept = default;
MappedExport& MappedExport::operator=(MappedExport&&) noexcept = default;
MappedExport::~MappedExport() = default;

const Manifest& MappedExport::manifest() const {
  return description_->manifest();
}

const std::string& MappedExport::digest() const {
  return model_->source().digest();
}

bool MappedExport::IsAt(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::exists(fs::path(path) / kModelFile, error);
}

absl::StatusOr<MappedExport> MappedExport::Open(const std::string& path) {
  MappedExport opened;
  opened.path_ = path;
  std::error_code error;
  opened.folder_ = fs::canonical(path, error).string();
  if (error) return ErrnoError(error.value(), path);
  absl::StatusOr<std::string> text = ReadFile(opened.FileOf(kModelFile));
  if (!text.ok()) return text.status();
  opened.model_text_ = *std::move(text);
  absl::StatusOr<ExportedModel> model =
      ParseModelJson(opened.model_text_, absl::StrCat(path, "/", kModelFile));
  if (!model.ok()) return model.status();
  *opened.model_ = *std::move(model);
  if (absl::Status served = CheckServed(*opened.model_, path); !served.ok()) return served;
  if (absl::Status read = opened.ReadDescription(); !read.ok()) return read;
  return opened;
}

absl::Status MappedExport::ReadDescription() {
  const absl::StatusOr<std::string> text = ReadFile(FileOf(npy::kDescription));
  if (!text.ok()) return Damaged(npy::kDescription, "the export lacks this file");
  const auto entry = std::ranges::find_if(
      model_->files(), [](const ExportedFile& file) { return file.name() == npy::kDescription; });
  if (entry == model_->files().end() || entry->checksum() != HexOf(*text)) {
    return Damaged(npy::kDescription, "its checksum is not the one in model.json");
  }
  NoErrors errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kNestingMax);
  if (!parser.ParseFromString(*text, description_.get())) {
    return Damaged(npy::kDescription, "is not a description of a model");
  }
  // What nothing behind it looks at again.
  const std::uint32_t partitions = manifest().partitions();
  if (!std::has_single_bit(partitions) || partitions > kPartitionsMax ||
      manifest().tables_size() < 2 || description_->data_set().users() == 0 ||
      description_->data_set().items() == 0 || description_->data_set().samples() == 0 ||
      manifest().statistics().training_samples() > description_->data_set().samples()) {
    return Damaged(npy::kDescription, "describes a model that there cannot be");
  }
  return absl::OkStatus();
}

std::string MappedExport::FileOf(const std::string& name) const {
  return absl::StrCat(folder_, "/", name);
}

absl::Status MappedExport::Damaged(const std::string& file, const std::string& what) const {
  return absl::DataLossError(absl::StrCat(path_, "/", file, ": ", what));
}

absl::StatusOr<MappedFile> MappedExport::Array(const std::string& name, const std::string& descr,
                                               const std::vector<std::uint64_t>& shape) const {
  const std::string file = name + ".npy";
  absl::StatusOr<MappedFile> mapped = MappedFile::Open(FileOf(file));
  if (!mapped.ok()) return Damaged(file, "the export lacks this array");
  const std::string head = NpyHeader(descr, shape);
  const std::span<const char> bytes = mapped->As<char>();
  const std::optional<std::uint64_t> expected = BytesOf(descr, shape);
  if (!expected.has_value() || bytes.size() < head.size() ||
      bytes.size() - head.size() != *expected ||
      !std::equal(head.begin(), head.end(), bytes.begin())) {
    return Damaged(file, absl::StrCat("is not the array that is expected, ",
                                      absl::StripAsciiWhitespace(head.substr(kHeadPrefix))));
  }
  mapped->DropFront(head.size());
  return mapped;
}

absl::StatusOr<MappedFile> MappedExport::List(const std::string& name,
                                              const std::string& descr) const {
  const std::string file = name + ".npy";
  const absl::StatusOr<MappedFile> mapped = MappedFile::Open(FileOf(file));
  if (!mapped.ok()) return Damaged(file, "the export lacks this array");
  const std::span<const std::uint8_t> bytes = mapped->As<std::uint8_t>();
  if (bytes.size() < kHeadPrefix) return Damaged(file, "is not an array");
  const std::uint64_t head =
      kHeadPrefix + bytes[kHeadPrefix - 2] + std::uint64_t{256} * bytes[kHeadPrefix - 1];
  return Array(name, descr, {bytes.size() < head ? 0 : (bytes.size() - head) / WidthOf(descr)});
}

absl::StatusOr<WeightTable> MappedExport::Table(const std::string& name, std::uint32_t rows,
                                                std::uint32_t dim,
                                                const std::string& biases) const {
  const std::uint64_t padded = PaddedDim(dim);
  absl::StatusOr<MappedFile> vectors =
      Array(padded == dim ? name : name + npy::kPadded, "<f4", {rows, padded});
  if (!vectors.ok()) return vectors.status();
  MappedFile own_biases;
  if (!biases.empty()) {
    absl::StatusOr<MappedFile> mapped = Array(biases, "<f4", {rows});
    if (!mapped.ok()) return mapped.status();
    own_biases = *std::move(mapped);
  }
  return WeightTable::Mapped(rows, dim, *std::move(vectors), std::move(own_biases));
}

absl::StatusOr<RowId> MappedExport::NewestOf(const std::string& feature, std::uint32_t rows) const {
  for (const ExportedFeature& exported : model_->features()) {
    if (exported.name() == feature && exported.newest() < rows) return RowId{exported.newest()};
  }
  return Damaged(kModelFile, absl::StrCat("lacks the feature ", feature));
}

std::vector<std::string> MappedExport::NamesOf(const std::string& feature) const {
  for (const ExportedFeature& exported : model_->features()) {
    if (exported.name() == feature) return {exported.names().begin(), exported.names().end()};
  }
  return {};
}

absl::Status MappedExport::MapText(const std::string& name, std::uint64_t rows,
                                   TextColumn& text) const {
  absl::StatusOr<MappedFile> offsets = Array(name + npy::kOffsets, "<i8", {rows + 1});
  if (!offsets.ok()) return offsets.status();
  text.offsets = *std::move(offsets);
  absl::StatusOr<MappedFile> bytes = List(name + npy::kBytes, "|u1");
  if (!bytes.ok()) return bytes.status();
  text.bytes = *std::move(bytes);
  return absl::OkStatus();
}

absl::Status MappedExport::MapRawIds(const std::string& name, std::uint64_t rows, bool numeric,
                                     RawIdColumn& ids) const {
  ids.numeric = numeric;
  absl::StatusOr<MappedFile> order = Array(name + npy::kOrder, "<i4", {rows});
  if (!order.ok()) return order.status();
  ids.order = *std::move(order);
  if (!numeric) return MapText(name, rows, ids.strings);
  absl::StatusOr<MappedFile> numbers = Array(name, "<i8", {rows});
  if (!numbers.ok()) return numbers.status();
  ids.numbers = *std::move(numbers);
  return absl::OkStatus();
}

absl::StatusOr<DatasetColumns> MappedExport::MapColumns() const {
  const DatasetManifest& data = description_->data_set();
  DatasetColumns columns;
  struct Column {
    const char* name;
    const char* descr;
    std::uint64_t rows;
    MappedFile* file;
  };
  for (const Column& column :
       {Column{npy::kSeenOffsets, "<i8", std::uint64_t{data.users()} + 1, &columns.user_offsets},
        Column{npy::kSeenItems, "<i4", data.samples(), &columns.items},
        Column{npy::kSeenRatings, "<f4", data.samples(), &columns.ratings}}) {
    absl::StatusOr<MappedFile> mapped = Array(column.name, column.descr, {column.rows});
    if (!mapped.ok()) return mapped.status();
    *column.file = *std::move(mapped);
  }
  absl::Status mapped =
      MapRawIds(npy::kUserIds, data.users(), data.numeric_user_ids(), columns.user_ids);
  mapped.Update(MapRawIds(npy::kItemIds, data.items(), data.numeric_item_ids(), columns.item_ids));
  if (mapped.ok() && data.has_titles()) {
    mapped.Update(MapText(npy::kItemTitles, data.items(), columns.titles));
    mapped.Update(MapText(npy::kItemGenres, data.items(), columns.genres));
  }
  if (mapped.ok() && data.has_titles() && data.unrated_titles() > 0) {
    mapped.Update(MapText(npy::kUnratedIds, data.unrated_titles(), columns.unrated_ids));
    mapped.Update(MapText(npy::kUnratedTitles, data.unrated_titles(), columns.unrated_titles));
    mapped.Update(MapText(npy::kUnratedGenres, data.unrated_titles(), columns.unrated_genres));
  }
  if (!mapped.ok()) return mapped;
  return columns;
}

absl::StatusOr<Catalogue> MappedExport::MakeCatalogue() const {
  const DatasetManifest& data = description_->data_set();
  absl::StatusOr<DatasetColumns> columns = MapColumns();
  if (!columns.ok()) return columns.status();
  Catalogue::Parts parts = {.data = Dataset::Of(path_, data, *std::move(columns)),
                            .training_samples = manifest().statistics().training_samples()};
  absl::Status mapped;
  const auto take = [&mapped]<class T>(absl::StatusOr<MappedFile> file, MappedArray<T>& array) {
    mapped.Update(file.status());
    if (file.ok()) array = MappedArray<T>(*std::move(file));
  };
  take(Array(npy::kSeenInTraining, "|b1", {data.samples()}), parts.in_training);
  take(Array(npy::kUserTraining, "<i4", {data.users()}), parts.user_training);
  take(Array(npy::kItemTraining, "<i4", {data.items()}), parts.item_training);
  take(List(npy::kPopularItems, "<i4"), parts.popular_items);
  take(Array(npy::kUserLearned, "|b1", {data.users()}), parts.user_learned);
  take(Array(npy::kItemLearned, "|b1", {data.items()}), parts.item_learned);
  if (!mapped.ok()) return mapped;
  return Catalogue::Of(std::move(parts));
}

absl::Status MappedExport::CheckUnchanged() const {
  const absl::StatusOr<std::string> text = ReadFile(FileOf(kModelFile));
  if (text.ok() && *text == model_text_) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(path_, ": another export took its place while it was opened; open it again"));
}

std::uint64_t MappedExport::files() const {
  return static_cast<std::uint64_t>(model_->files_size());
}

std::uint64_t MappedExport::bytes() const {
  double bytes = 0;
  for (const ExportedFile& file : model_->files()) bytes += file.bytes();
  return static_cast<std::uint64_t>(bytes);
}

absl::Status MappedExport::Verify() const {
  for (const ExportedFile& file : model_->files()) {
    // A name never leads out of the folder.
    if (file.name().find('/') != std::string::npos) return Damaged(kModelFile, "names no file");
    const absl::StatusOr<std::string> found = ChecksumOfFile(FileOf(file.name()));
    if (!found.ok()) return Damaged(file.name(), std::string(found.status().message()));
    if (*found == file.checksum()) continue;
    return Damaged(file.name(),
                   absl::StrCat("its checksum is ", *found, ", model.json says ", file.checksum()));
  }
  return absl::OkStatus();
}

}  // namespace cf
