#include "serving/exports/npy_index.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>
#include <google/protobuf/text_format.h>

#include "common/dataset/columns.h"
#include "common/kernels/kernels.h"
#include "common/model/tables.h"
#include "serving/exports/description.pb.h"
#include "serving/exports/npy_header.h"
#include "serving/exports/npy_names.h"

namespace cf {
namespace {

// Rows of samples that are made at once.
constexpr std::uint64_t kPiece = std::uint64_t{64} << 10;

/// Writes arrays of one extent until an error.
class Writer {
 public:
  explicit Writer(ExportFiles& files) : files_(files) {}

  template <class T>
  void Write(const std::string& name, const char* descr, std::span<const T> values) {
    if (!status_.ok()) return;
    absl::StatusOr<ExportFile> file = files_.Create(absl::StrCat(name, ".npy"));
    if (!file.ok()) {
      status_ = file.status();
      return;
    }
    file->Write(NpyHeader(descr, {values.size()}));
    file->Write(values.data(), values.size_bytes());
    status_ = file->Close();
  }

  // Offsets are far below 2^63 and ids below 2^31, so the signed numbers have the same bytes.
  void WriteIds(const std::string& name, std::span<const RowId> ids) { Write(name, "<i4", ids); }

  void WriteText(const std::string& name, const TextColumn& text) {
    Write(name + npy::kOffsets, "<i8", text.offsets.As<std::uint64_t>());
    Write(name + npy::kBytes, "|u1", text.bytes.As<std::uint8_t>());
  }

  void WriteRawIds(const std::string& name, const RawIdColumn& ids) {
    WriteIds(name + npy::kOrder, ids.order.As<RowId>());
    if (!ids.numeric) return WriteText(name, ids.strings);
    Write(name, "<i8", ids.numbers.As<std::int64_t>());
  }

  const absl::Status& status() const { return status_; }

 private:
  ExportFiles& files_;
  absl::Status status_;
};

// The row that each sample has of a feature.
absl::Status WriteRowsOfSamples(const FeatureLists& lists, std::uint64_t samples,
                                ExportFiles& files) {
  absl::StatusOr<ExportFile> file =
      files.Create(absl::StrCat(FeatureTableName(lists.source()), npy::kOfSamples, ".npy"));
  if (!file.ok()) return file.status();
  file->Write(NpyHeader("<i4", {samples}));
  std::vector<RowId> rows;
  for (std::uint64_t first = 0; first < samples; first += kPiece) {
    rows.clear();
    for (std::uint64_t s = first; s < std::min(first + kPiece, samples); ++s) {
      rows.push_back(lists.RowOfSample(s));
    }
    file->Write(rows.data(), rows.size() * sizeof(RowId));
  }
  return file->Close();
}

// The manifests without what others cannot use, or should not know.
ModelDescription Describe(const ExportSubject& subject) {
  ModelDescription description;
  Manifest& manifest = *description.mutable_manifest();
  manifest = subject.snapshot.manifest();
  manifest.clear_files();
  manifest.clear_sums();
  manifest.mutable_data()->clear_source_path();
  // What seen_in_training adds up to.
  manifest.mutable_statistics()->set_training_samples(subject.catalogue.training_samples());
  manifest.mutable_statistics()->set_validation_samples(subject.catalogue.validation_samples());
  const Job job = manifest.job();
  manifest.clear_job();
  *manifest.mutable_job()->mutable_split() = job.split();
  *manifest.mutable_job()->mutable_model() = job.model();
  *manifest.mutable_job()->mutable_optimizer() = job.optimizer();
  *manifest.mutable_job()->mutable_train() = job.train();
  DatasetManifest& data = *description.mutable_data_set();
  data = subject.catalogue.data().manifest();
  data.clear_sources();
  // An export has files of its own, and its own checksums.
  data.clear_checksums();
  data.clear_chunk_bytes();
  data.set_has_timestamps(false);
  data.set_has_validation(false);
  return description;
}

absl::Status WriteDescription(const ExportSubject& subject, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create(npy::kDescription);
  if (!file.ok()) return file.status();
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  printer.PrintToString(Describe(subject), &text);
  file->Write(text);
  return file->Close();
}

}  // namespace

bool PaddedRows::Need(const ModelArray& array) {
  // A layer is copied when it is opened.
  if (array.shape.size() != 2 || array.name.ends_with("_kernel")) return false;
  return PaddedDim(static_cast<std::uint32_t>(array.shape[1])) != array.shape[1];
}

absl::StatusOr<PaddedRows> PaddedRows::Create(const ModelArray& array, ExportFiles& files) {
  const auto dim = static_cast<std::uint32_t>(array.shape[1]);
  absl::StatusOr<ExportFile> file = files.Create(absl::StrCat(array.name, npy::kPadded, ".npy"));
  if (!file.ok()) return file.status();
  file->Write(NpyHeader("<f4", {array.shape[0], PaddedDim(dim)}));
  return PaddedRows(*std::move(file), dim, PaddedDim(dim));
}

PaddedRows::PaddedRows(ExportFile file, std::size_t dim, std::size_t padded_dim)
    : file_(std::move(file)), dim_(dim), row_(padded_dim, 0.0F) {
}

void PaddedRows::Write(const void* elements, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(elements);
  for (std::size_t left = bytes / sizeof(float); left > 0;) {
    const std::size_t taken = std::min(left, dim_ - filled_);
    std::memcpy(row_.data() + filled_, from, taken * sizeof(float));
    from += taken * sizeof(float);
    left -= taken;
    filled_ += taken;
    if (filled_ < dim_) continue;
    file_.Write(row_.data(), row_.size() * sizeof(float));
    filled_ = 0;
  }
}

absl::Status WriteNpyIndex(const ExportSubject& subject, ExportFiles& files) {
  const Catalogue& catalogue = subject.catalogue;
  const Dataset& data = catalogue.data();
  const DatasetColumns& columns = data.columns();
  Writer writer(files);
  writer.WriteRawIds(npy::kUserIds, columns.user_ids);
  writer.WriteRawIds(npy::kItemIds, columns.item_ids);
  if (data.has_titles()) {
    writer.WriteText(npy::kItemTitles, columns.titles);
    writer.WriteText(npy::kItemGenres, columns.genres);
  }
  if (data.has_titles() && data.unrated_items() > 0) {
    writer.WriteText(npy::kUnratedIds, columns.unrated_ids);
    writer.WriteText(npy::kUnratedTitles, columns.unrated_titles);
    writer.WriteText(npy::kUnratedGenres, columns.unrated_genres);
  }
  writer.Write(npy::kSeenRatings, "<f4", data.ratings());
  writer.Write(npy::kUserTraining, "<i4", catalogue.user_training_ratings());
  writer.Write(npy::kItemTraining, "<i4", catalogue.item_training_ratings());
  writer.WriteIds(npy::kPopularItems, catalogue.popular_items());
  if (!writer.status().ok()) return writer.status();
  for (const ServedFeature& feature : subject.model.features()) {
    if (feature.lists.side() != FeatureSide::kSample) continue;
    absl::Status written = WriteRowsOfSamples(feature.lists, data.samples(), files);
    if (!written.ok()) return written;
  }
  return WriteDescription(subject, files);
}

}  // namespace cf
