#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/reading.h"
#include "common/dataset/record_parser.h"
#include "common/dataset/record_source.h"
#include "common/dataset/vocabulary.h"
#include "common/dataset/writer.h"

namespace cf {

/// Codes for the raw ids that one thread has met, in the order of meeting them.
///
/// Owner:   one thread of a RatingsReader.
/// Threads: not thread-safe.
class CodeBook {
 public:
  std::uint32_t CodeOf(const RawId& id);
  std::uint32_t CodeOf(std::int64_t number) {
    const auto index = static_cast<std::uint64_t>(number);
    if (index < small_.size() && small_[index] != kNoCode) return small_[index];
    return CodeOfNew(number);
  }
  std::uint32_t size() const { return size_; }

  /// One vocabulary of all books, in the order of the raw ids, and the code in it of each book's
  /// codes. All raw ids are numbers if they are in all books; else numbers count as the strings they
  /// were written as.
  static Vocabulary Merge(const std::vector<CodeBook>& books,
                          std::vector<std::vector<std::uint32_t>>* codes);

 private:
  static constexpr std::uint32_t kNoCode = ~0U;
  /// Raw ids are mostly counted from 1; those below are found without hashing, in 16 MiB at most.
  static constexpr std::uint64_t kSmallNumbers = 1 << 22;

  std::uint32_t NewCode();
  /// Of a number that small_ does not have.
  std::uint32_t CodeOfNew(std::int64_t number);
  template <class Visit>
  void ForEachNumber(const Visit& visit) const;
  /// Of raw ids of one kind; `for_each` visits those of a book with their codes.
  template <class Raw, class ForEach>
  static Vocabulary Merge(const std::vector<CodeBook>& books, const ForEach& for_each,
                          std::vector<std::vector<std::uint32_t>>* codes);

  std::uint32_t size_ = 0;
  std::vector<std::uint32_t> small_;  ///< By number.
  absl::flat_hash_map<std::int64_t, std::uint32_t> large_;
  absl::flat_hash_map<std::string, std::uint32_t> strings_;
};

struct RatingsReaderOptions {
  RecordOptions records = {};
  std::vector<float> drop_ratings = {};  ///< Ratings that mean that there is none.
  std::optional<float> min_rating = {};  ///< Lower ones are left out.
  bool skip_bad_lines = false;
  unsigned threads = 2;
  ProgressFunction progress = {};  ///< May be empty; counts bytes.
};

/// Which lines were left out with `skip_bad_lines`.
struct BadLines {
  std::uint64_t count = 0;
  std::string first = {};  ///< "FILE:LINE: what is wrong"; empty if there is none.

  void Add(const std::string& line);
  void Join(const BadLines& others);
};

/// Reads files of ratings into chunks of samples, in pieces that several threads take in turn.
///
/// Owner:   an import.
/// Threads: not thread-safe; Read runs `threads` of its own.
/// Bounds:  one piece of text and its samples for each thread; the samples read, at 8 to 20 bytes
///          each; raw ids.
class RatingsReader {
 public:
  explicit RatingsReader(RatingsReaderOptions options);

  /// Reads the whole file. The samples are marked as given validation samples if `validation` says
  /// so. InvalidArgument names file and line of the first line that is malformed (unless those are
  /// skipped), and refuses a file without ratings or with other columns than one before it.
  absl::Status Read(const std::string& path, bool validation);

  /// How each file was read, in their order.
  const std::vector<Reading>& readings() const { return readings_; }
  /// Samples left out for their ratings.
  std::uint64_t dropped() const { return dropped_; }
  /// Samples that are left, of all files.
  std::uint64_t samples() const { return samples_; }

  bool has_ratings() const { return has_ratings_; }
  bool has_timestamps() const { return has_timestamps_; }
  std::uint64_t lines() const { return lines_; }
  const BadLines& bad_lines() const { return bad_lines_; }

  /// Hands over all that was read: samples to the writer, the raw ids as vocabularies to the writer
  /// too; the reader is empty afterwards. Returns the items' vocabulary, for finding their titles.
  Vocabulary MoveInto(DatasetWriter* writer);

 private:
  struct Chunk;

  /// A thread's memory from piece to piece: text and the samples in it.
  struct Scratch {
    void Grow();

    std::vector<char> text;
    std::vector<std::uint32_t> users;
    std::vector<std::uint32_t> items;
    std::vector<float> ratings;
    std::vector<std::int64_t> timestamps;
  };

  bool IsDropped(float rating) const;
  void ReadChunk(const RecordFormat& format, std::string_view text, Chunk* chunk);
  absl::Status Collect(const RecordSource& source, const RecordFormat& format, bool validation,
                       std::deque<Chunk>* chunks);

  RatingsReaderOptions options_;
  std::vector<CodeBook> users_;  ///< One for each thread.
  std::vector<CodeBook> items_;
  std::vector<Scratch> scratches_;
  std::vector<SampleChunk> chunks_;
  std::vector<unsigned> thread_of_chunk_;
  bool has_ratings_ = false;
  bool has_timestamps_ = false;
  std::vector<Reading> readings_;
  std::uint64_t dropped_ = 0;
  std::uint64_t samples_ = 0;
  std::uint64_t lines_ = 0;
  BadLines bad_lines_;
};

}  // namespace cf
