#include "common/dataset/writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <numeric>
#include <span>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <google/protobuf/text_format.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/base/temporary_files.h"
#include "common/dataset/column_file.h"
#include "common/dataset/column_sums.h"
#include "common/dataset/layout.h"
#include "common/dataset/parallel.h"
#include "common/dataset/sample_sorter.h"

namespace cf {
namespace {

/// Writes the strings text_at(0) to text_at(rows - 1) as offsets and bytes.
template <class TextAt>
absl::Status WriteTexts(const std::string& path, std::uint32_t rows, const TextAt& text_at) {
  std::vector<std::uint64_t> offsets = {0};
  std::string bytes;
  for (std::uint32_t row = 0; row < rows; ++row) {
    bytes += text_at(row);
    offsets.push_back(bytes.size());
  }
  absl::Status status = WriteColumn<std::uint64_t>(path + layout::kTextOffsets, offsets);
  if (!status.ok()) return status;
  return WriteColumn<char>(path + layout::kTextBytes, bytes);
}

/// The contract: falling frequency, ties by raw id.
DenseIds OrderByFrequency(const Vocabulary& vocabulary, std::span<const std::uint64_t> frequency) {
  DenseIds ids;
  for (std::uint32_t code = 0; code < frequency.size(); ++code) {
    if (frequency[code] > 0) ids.code_of_id.push_back(code);
  }
  std::sort(ids.code_of_id.begin(), ids.code_of_id.end(), [&](std::uint32_t a, std::uint32_t b) {
    return frequency[a] != frequency[b] ? frequency[a] > frequency[b] : vocabulary.Less(a, b);
  });
  ids.id_of_code.assign(frequency.size(), kUnused);
  for (std::uint32_t id = 0; id < ids.size(); ++id) {
    ids.id_of_code[ids.code_of_id[id]] = id;
    ids.frequency_of_id.push_back(frequency[ids.code_of_id[id]]);
  }
  return ids;
}

absl::Status WriteRawIds(const std::string& path, const Vocabulary& vocabulary,
                         const DenseIds& ids) {
  std::vector<std::uint32_t> order(ids.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return vocabulary.Less(ids.code_of_id[a], ids.code_of_id[b]);
  });
  absl::Status status = WriteColumn<std::uint32_t>(path + layout::kOrder, order);
  if (!status.ok()) return status;
  if (!vocabulary.numeric()) {
    return WriteTexts(path, ids.size(), [&](std::uint32_t id) -> const std::string& {
      return vocabulary.string(ids.code_of_id[id]);
    });
  }
  std::vector<std::int64_t> numbers;
  for (const std::uint32_t code : ids.code_of_id) numbers.push_back(vocabulary.number(code));
  return WriteColumn<std::int64_t>(path + layout::kNumbers, numbers);
}

/// Describes the columns in a folder. Ratings of many different values are read back for that.
absl::StatusOr<DatasetStatistics> DescribeColumns(const std::string& folder,
                                                  const DatasetManifest& manifest,
                                                  const WrittenSamples& written,
                                                  const DenseIds& users, const DenseIds& items) {
  DatasetStatistics statistics = {.has_ratings = manifest.has_ratings()};
  if (manifest.has_timestamps()) statistics.timestamps = written.timestamps;
  if (manifest.items_keyed_by_title()) statistics.items_merged = manifest.items_merged();
  DescribeCounts(users.frequency_of_id, items.frequency_of_id, &statistics);
  if (written.ratings.complete()) {
    statistics.ratings = Describe(written.ratings);
    return statistics;
  }
  const absl::StatusOr<MappedFile> ratings =
      MappedFile::Open(absl::StrCat(folder, "/", layout::kRatings));
  if (!ratings.ok()) return ratings.status();
  statistics.ratings = Describe(ratings->As<float>());
  return statistics;
}

absl::Status SyncSamples(const std::string& folder, bool timestamps) {
  absl::Status status = SyncPath(absl::StrCat(folder, "/", layout::kItems));
  if (status.ok()) status = SyncPath(absl::StrCat(folder, "/", layout::kRatings));
  if (status.ok() && timestamps) status = SyncPath(absl::StrCat(folder, "/", layout::kTimestamps));
  return status;
}

/// Puts a finished folder in its place. On success nothing of a data set that was there remains.
absl::Status Publish(const std::string& temporary, const std::string& folder, bool overwrite) {
  if (std::rename(temporary.c_str(), folder.c_str()) != 0) {
    if (!overwrite || (errno != ENOTEMPTY && errno != EEXIST)) return ErrnoError(errno, folder);
    // Swapped in one step, so that a crash leaves the one or the other; what is then under the
    // temporary name is the old one, which the caller removes.
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) {
      if (errno != EINVAL && errno != ENOSYS) return ErrnoError(errno, folder);
      // This file system cannot swap. A crash between the two steps leaves both under other names.
      const std::string aside = temporary + ".old";
      if (std::rename(folder.c_str(), aside.c_str()) != 0 ||
          std::rename(temporary.c_str(), folder.c_str()) != 0) {
        return ErrnoError(errno, folder);
      }
      std::error_code ignored;
      std::filesystem::remove_all(aside, ignored);
    }
  }
  const std::string parent = std::filesystem::path(folder).parent_path().string();
  return SyncPath(parent.empty() ? "." : parent);
}

/// Whether all that is in the folder of a data set is the data set's: what is somebody else's would
/// go with it.
absl::Status CheckOnlyDataset(const std::string& folder) {
  constexpr const char* kEndings[] = {".u64", ".u32", ".f32", ".i64", ".bits", ".bytes"};
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path name = entry->path().filename();
    const bool known =
        name == layout::kManifest ||
        std::any_of(std::begin(kEndings), std::end(kEndings),
                    [&name](const char* ending) { return name.extension() == ending; });
    if (known) continue;
    return absl::AlreadyExistsError(absl::StrCat(folder, "/", name.string(),
                                                 " is not of a data set and would be lost: move "
                                                 "it, or choose another folder"));
  }
  return error ? ErrnoError(error.value(), folder) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<DatasetWriter> DatasetWriter::Create(DatasetWriterOptions options) {
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  const std::filesystem::path folder = options.folder;
  if (!folder.has_filename() || folder.filename() == "." || folder.filename() == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options.folder, "\": expected the name of a folder for the data set"));
  }
  if (options.name.empty()) options.name = folder.filename().string();
  options.threads = std::max(options.threads, 1U);
  std::error_code error;
  if (std::filesystem::exists(folder / layout::kManifest, error)) {
    if (options.overwrite) {
      absl::Status only = CheckOnlyDataset(options.folder);
      if (!only.ok()) return only;
      return DatasetWriter(std::move(options));
    }
    return absl::AlreadyExistsError(
        absl::StrCat(options.folder, " already has a data set; --overwrite replaces it"));
  }
  if (std::filesystem::exists(folder, error) &&
      !(std::filesystem::is_directory(folder, error) && std::filesystem::is_empty(folder, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(options.folder, " exists and is not a data set; choose another folder"));
  }
  return DatasetWriter(std::move(options));
}

void DatasetWriter::Append(SampleChunk chunk) {
  const std::size_t rows = chunk.users.size();
  Check(chunk.items.size() == rows, "a chunk has an item for each user");
  Check(chunk.ratings.size() == (options_.has_ratings ? rows : 0), "a chunk has what was said");
  Check(chunk.timestamps.size() == (options_.has_timestamps ? rows : 0),
        "a chunk has what was said");
  if (rows > 0) chunks_.push_back(std::move(chunk));
}

void DatasetWriter::KeyItemsByTitle(Vocabulary items, std::span<const std::uint32_t> code_of) {
  Check(code_of.size() == items_.size(), "a new code for each item");
  for (SampleChunk& chunk : chunks_) {
    for (std::uint32_t& item : chunk.items) item = code_of[item];
  }
  items_merged_ = static_cast<std::uint32_t>(items_.size() - items.size());
  items_ = std::move(items);
  items_keyed_by_title_ = true;
}

absl::StatusOr<WriteSummary> DatasetWriter::Finish() {
  if (chunks_.empty()) return absl::InvalidArgumentError("there is no sample to write");
  Check(users_.size() < kUnused && items_.size() < kUnused, "ids are 32 bits");
  // Where links lead: a link to a folder on a larger disk stays one.
  std::error_code error;
  const std::string place = std::filesystem::weakly_canonical(options_.folder, error).string();
  if (error) return ErrnoError(error.value(), options_.folder);
  RemoveLeftBeside(place, ".tmp.");
  const std::string temporary = absl::StrCat(place, ".tmp.", ::getpid());
  std::filesystem::create_directories(temporary, error);
  if (error) return ErrnoError(error.value(), options_.folder);
  const absl::Cleanup remove = [&temporary] {
    std::error_code ignored;
    std::filesystem::remove_all(temporary, ignored);
  };
  absl::StatusOr<WriteSummary> summary = WriteFolder(temporary);
  if (!summary.ok()) {
    // By the names that its files would have had.
    return absl::Status(
        summary.status().code(),
        absl::StrReplaceAll(summary.status().message(), {{temporary, options_.folder}}));
  }
  absl::Status published = Publish(temporary, place, options_.overwrite);
  if (!published.ok()) return published;
  return summary;
}

DatasetManifest DatasetWriter::MakeManifest(const WriteSummary& summary) const {
  DatasetManifest manifest;
  manifest.set_version(layout::kVersion);
  manifest.set_name(options_.name);
  for (const std::string& source : options_.sources) manifest.add_sources(source);
  manifest.set_samples(summary.samples);
  // Counting repeated interactions makes ratings of them.
  manifest.set_has_ratings(options_.has_ratings || options_.duplicates == Duplicates::kSum);
  manifest.set_has_timestamps(options_.has_timestamps);
  manifest.set_has_validation(options_.has_validation);
  manifest.set_validation_samples(summary.validation);
  manifest.set_numeric_user_ids(users_.numeric());
  manifest.set_numeric_item_ids(items_.numeric());
  manifest.set_has_titles(!texts_.empty());
  manifest.set_titles_without_ratings(unrated_.size());
  manifest.set_unrated_titles(static_cast<std::uint32_t>(unrated_.size()));
  manifest.set_duplicates(summary.duplicates);
  manifest.set_leaks(summary.leaks);
  if (items_keyed_by_title_) {
    manifest.set_items_keyed_by_title(true);
    manifest.set_items_merged(items_merged_);
  }
  return manifest;
}

absl::Status DatasetWriter::WriteUnrated(const std::string& folder) const {
  const auto rows = static_cast<std::uint32_t>(unrated_.size());
  const auto write = [&](const char* name, const auto& text_of) {
    return WriteTexts(
        absl::StrCat(folder, "/", name), rows,
        [&](std::uint32_t row) -> const std::string& { return text_of(unrated_[row]); });
  };
  using Item = const UnratedItem&;
  absl::Status status = write(
      layout::kUnratedIds, [](Item item) -> auto& { return item.raw_id; });
  if (status.ok()) {
    status = write(
        layout::kUnratedTitles, [](Item item) -> auto& { return item.text.title; });
  }
  if (!status.ok()) return status;
  return write(
      layout::kUnratedGenres, [](Item item) -> auto& { return item.text.genres; });
}

absl::Status DatasetWriter::WriteItemTexts(const std::string& folder, const DenseIds& items) const {
  Check(texts_.size() == items_.size(), "a text for each item");
  const auto write = [&](const char* name, std::string ItemText::*member) {
    return WriteTexts(absl::StrCat(folder, "/", name), items.size(),
                      [&](std::uint32_t id) -> const std::string& {
                        return texts_[items.code_of_id[id]].*member;
                      });
  };
  absl::Status status = write(layout::kTitles, &ItemText::title);
  if (!status.ok()) return status;
  return write(layout::kGenres, &ItemText::genres);
}

absl::Status DatasetWriter::WriteIds(const std::string& folder, const DenseIds& users,
                                     const DenseIds& items) const {
  absl::Status of_users;
  absl::Status of_items;
  RunParallel(std::min(options_.threads, 2U), 2, [&](std::size_t task, unsigned) {
    if (task == 0) {
      of_users = WriteRawIds(absl::StrCat(folder, "/", layout::kUserIds), users_, users);
    } else {
      of_items = WriteRawIds(absl::StrCat(folder, "/", layout::kItemIds), items_, items);
    }
  });
  return of_users.ok() ? of_items : of_users;
}

absl::StatusOr<WriteSummary> DatasetWriter::WriteFolder(const std::string& folder) {
  SampleSorter sorter(options_, chunks_, users_.size(), items_.size());
  const Frequencies frequencies = sorter.Count();
  DenseIds users;
  DenseIds items;
  RunParallel(std::min(options_.threads, 2U), 2, [&](std::size_t task, unsigned) {
    if (task == 0) {
      users = OrderByFrequency(users_, frequencies.users);
    } else {
      items = OrderByFrequency(items_, frequencies.items);
    }
  });
  sorter.Relabel(users, items);

  std::vector<std::uint64_t> user_offsets(users.size() + 1, 0);
  std::partial_sum(users.frequency_of_id.begin(), users.frequency_of_id.end(),
                   user_offsets.begin() + 1);
  absl::StatusOr<WrittenSamples> written = sorter.Write(folder, user_offsets);
  if (!written.ok()) return written.status();
  const auto path = [&folder](const char* name) { return absl::StrCat(folder, "/", name); };
  absl::Status status = WriteColumn<std::uint64_t>(path(layout::kUserOffsets), user_offsets);
  if (status.ok()) status = WriteIds(folder, users, items);
  if (status.ok() && !texts_.empty()) status = WriteItemTexts(folder, items);
  if (status.ok() && !unrated_.empty()) status = WriteUnrated(folder);
  if (!status.ok()) return status;

  DatasetManifest manifest = MakeManifest(written->summary);
  manifest.set_users(users.size());
  manifest.set_items(items.size());
  const DatasetManifest described = manifest;
  absl::Status summed;
  absl::StatusOr<DatasetStatistics> statistics;
  // The disk works through the samples while they are read back out of the page cache.
  RunParallel(3, 3, [&](std::size_t task, unsigned) {
    if (task == 0) {
      status = SyncSamples(folder, options_.has_timestamps);
    } else if (task == 1) {
      summed = SumColumns(folder, manifest);
    } else {
      chunks_.clear();
      statistics = DescribeColumns(folder, described, *written, users, items);
    }
  });
  if (!status.ok()) return status;
  if (!statistics.ok()) return statistics.status();
  if (!summed.ok()) return summed;
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseShortRepeatedPrimitives(true);  // The checksums of a column in a line.
  std::string text;
  if (!printer.PrintToString(manifest, &text)) {
    return absl::InternalError("the manifest cannot be printed");
  }
  status = WriteFileAtomically(path(layout::kManifest), text);
  if (!status.ok()) return status;
  written->summary.statistics = *std::move(statistics);
  return written->summary;
}

}  // namespace cf
