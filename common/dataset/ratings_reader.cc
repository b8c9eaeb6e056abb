#include "common/dataset/ratings_reader.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/dataset/parallel.h"
#include "common/dataset/plain_lines.h"

namespace cf {
namespace {

/// Enough for its own cost to vanish; few enough bytes to stay in the last-level cache.
constexpr std::uint64_t kChunkBytes = 2 << 20;
constexpr std::uint64_t kLineBytesMax = 1 << 20;
constexpr std::uint64_t kExtensionBytes = 1 << 12;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view WithoutCarriageReturn(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

std::uint32_t CodeBook::NewCode() {
  Check(size_ < kNoCode, "a thread meets fewer than 2^32 raw ids");
  return size_++;
}

std::uint32_t CodeBook::CodeOf(const RawId& id) {
  if (id.number.has_value()) return CodeOf(*id.number);
  const auto [place, added] = strings_.try_emplace(id.text, kNoCode);
  if (added) place->second = NewCode();
  return place->second;
}

std::uint32_t CodeBook::CodeOfNew(std::int64_t number) {
  const auto index = static_cast<std::uint64_t>(number);
  if (index >= kSmallNumbers) {
    const auto [place, added] = large_.try_emplace(number, kNoCode);
    if (added) place->second = NewCode();
    return place->second;
  }
  if (index >= small_.size()) small_.resize(std::bit_ceil(index + 1), kNoCode);
  return small_[index] = NewCode();
}

template <class Visit>
void CodeBook::ForEachNumber(const Visit& visit) const {
  for (std::size_t number = 0; number < small_.size(); ++number) {
    if (small_[number] != kNoCode) visit(static_cast<std::int64_t>(number), small_[number]);
  }
  for (const auto& [number, code] : large_) visit(number, code);
}

Vocabulary CodeBook::Merge(const std::vector<CodeBook>& books,
                           std::vector<std::vector<std::uint32_t>>* codes) {
  const bool numeric = std::all_of(books.begin(), books.end(),
                                   [](const CodeBook& book) { return book.strings_.empty(); });
  codes->clear();
  for (const CodeBook& book : books) codes->emplace_back(book.size());
  const auto merge = [&]<class Raw>(const auto& for_each) {
    absl::flat_hash_map<Raw, std::uint32_t> known;
    std::vector<Raw> raw_ids;
    for (std::size_t book = 0; book < books.size(); ++book) {
      for_each(books[book], [&](const Raw& raw, std::uint32_t code) {
        const auto [place, added] =
            known.try_emplace(raw, static_cast<std::uint32_t>(known.size()));
        if (added) raw_ids.push_back(raw);
        (*codes)[book][code] = place->second;
      });
    }
    return Vocabulary(std::move(raw_ids));
  };
  if (numeric) {
    return merge.template operator()<std::int64_t>(
        [](const CodeBook& book, const auto& visit) { book.ForEachNumber(visit); });
  }
  return merge.template operator()<std::string>([](const CodeBook& book, const auto& visit) {
    book.ForEachNumber(
        [&visit](std::int64_t number, std::uint32_t code) { visit(std::to_string(number), code); });
    for (const auto& [text, code] : book.strings_) visit(text, code);
  });
}

void BadLines::Add(const std::string& line) {
  if (count++ == 0) first = line;
}

void BadLines::Join(const BadLines& others) {
  if (count == 0) first = others.first;
  count += others.count;
}

/// An open file and how its lines are read. It is read rather than mapped: a page of a mapping
/// counts as memory until it is given back, and a file cut short meanwhile would be a signal, not
/// an error.
class RatingsReader::Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() {
    if (file_ >= 0) ::close(file_);
  }

  absl::Status Open(const std::string& path, const RatingsReaderOptions& options) {
    path_ = path;
    file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) return ErrnoError(errno, path);
    struct stat info = {};
    if (::fstat(file_, &info) != 0) return ErrnoError(errno, path);
    if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + ": not a file");
    size_ = static_cast<std::uint64_t>(info.st_size);
    if (size_ == 0) return At(1, "the file is empty");
    std::string text(std::min(size_, kLineBytesMax), '\0');
    absl::StatusOr<std::size_t> got = ReadAt(0, text.size(), text.data());
    if (!got.ok()) return got.status();
    text.resize(*got);
    const std::size_t mark = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    const std::size_t end = std::min(text.find('\n'), text.size());
    absl::StatusOr<LineFormat> format =
        DetectLineFormat(WithoutCarriageReturn(std::string_view(text).substr(mark, end - mark)),
                         options.format, options.columns, options.encoding);
    if (!format.ok()) return At(1, format.status().message());
    format_ = *std::move(format);
    begin_ = format_.header ? std::min<std::uint64_t>(end + 1, size_) : mark;
    return absl::OkStatus();
  }

  absl::Status At(std::uint64_t line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", line, ": ", what));
  }

  /// The lines that begin in chunk `index`, whole, in memory that `buffer` keeps from chunk to
  /// chunk.
  absl::StatusOr<std::string_view> ReadLines(std::size_t index, std::vector<char>* buffer) const {
    const std::uint64_t begin = begin_ + index * kChunkBytes;
    const std::uint64_t end = std::min(begin + kChunkBytes, size_);
    // With the byte before, which tells whether a line begins right at the chunk.
    const std::uint64_t from = index == 0 ? begin : begin - 1;
    absl::StatusOr<std::size_t> bytes = Extend(from, end - from, 0, buffer);
    if (!bytes.ok()) return bytes.status();
    std::size_t first = 0;
    if (index > 0) {
      const std::size_t newline = std::string_view(buffer->data(), *bytes).find('\n');
      if (newline == std::string_view::npos) return std::string_view();
      first = newline + 1;
    }
    for (std::uint64_t next = end; next<size_&& * bytes> first && (*buffer)[*bytes - 1] != '\n';) {
      const std::size_t before = *bytes;
      bytes = Extend(next, kExtensionBytes, before, buffer);
      if (!bytes.ok()) return bytes.status();
      if (*bytes == before) break;
      next += *bytes - before;
      const std::size_t newline = std::string_view(buffer->data(), *bytes).find('\n', before);
      if (newline != std::string_view::npos) *bytes = newline + 1;
      if (next - end > kLineBytesMax) break;  // ReadChunk refuses so long a line.
    }
    std::fill_n(buffer->begin() + static_cast<std::ptrdiff_t>(*bytes), PlainLines::kPadding, '\0');
    return std::string_view(buffer->data() + first, *bytes - first);
  }

  std::size_t chunks() const { return (size_ - begin_ + kChunkBytes - 1) / kChunkBytes; }
  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  const LineFormat& format() const { return format_; }

 private:
  /// Reads bytes of the file from `place` on; fewer only at its end. Returns how many.
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t place, std::size_t bytes, char* into) const {
    std::size_t got = 0;
    while (got < bytes) {
      const ssize_t more = ::pread(file_, into + got, bytes - got, static_cast<off_t>(place + got));
      if (more < 0 && errno == EINTR) continue;
      if (more < 0) return ErrnoError(errno, path_);
      if (more == 0) break;
      got += static_cast<std::size_t>(more);
    }
    return got;
  }

  /// The same behind the first `before` bytes of the buffer; returns how many it has then.
  absl::StatusOr<std::size_t> Extend(std::uint64_t place, std::size_t bytes, std::size_t before,
                                     std::vector<char>* buffer) const {
    buffer->resize(std::max(buffer->size(), before + bytes + PlainLines::kPadding));
    absl::StatusOr<std::size_t> got = ReadAt(place, bytes, buffer->data() + before);
    if (!got.ok()) return got;
    return before + *got;
  }

  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t begin_ = 0;  ///< Where the first line of ratings begins.
  LineFormat format_;
};

/// What a chunk of the file held.
struct RatingsReader::Chunk {
  SampleBlock block;
  unsigned thread = 0;  ///< Whose code books the block's codes are from.
  std::uint64_t lines = 0;
  absl::Status failed;  ///< Of reading, not of a line.
  std::uint64_t bad_lines = 0;
  std::uint64_t first_bad_line = 0;  ///< From 0 within the chunk.
  std::string first_bad;             ///< What is wrong with it.
};

void RatingsReader::Scratch::Grow() {
  const std::size_t rows = std::max<std::size_t>(1 << 16, 2 * users.size());
  users.resize(rows);
  items.resize(rows);
  ratings.resize(rows);
  timestamps.resize(rows);
}

RatingsReader::RatingsReader(RatingsReaderOptions options) : options_(std::move(options)) {
  options_.threads = std::max(options_.threads, 1U);
  users_.resize(options_.threads);
  scratches_.resize(options_.threads);
  items_.resize(options_.threads);
}

absl::Status RatingsReader::Read(const std::string& path, bool validation) {
  Source source;
  absl::Status opened = source.Open(path, options_);
  if (!opened.ok()) return opened;
  const bool has_ratings = source.format().rating >= 0;
  const bool has_timestamps = source.format().timestamp >= 0;
  if (any_file_ && (has_ratings != has_ratings_ || has_timestamps != has_timestamps_)) {
    return source.At(1, "expected the same columns (rating, timestamp) as in the other file");
  }
  any_file_ = true;
  has_ratings_ = has_ratings;
  has_timestamps_ = has_timestamps;

  std::vector<Chunk> chunks(source.chunks());
  // Chunks are taken in order, so all before the first bad one are read to their end.
  std::atomic<std::size_t> stop_after = chunks.size();
  std::atomic<std::size_t> done = 0;
  RunParallel(options_.threads, chunks.size(), [&](std::size_t index, unsigned thread) {
    if (index > stop_after.load(std::memory_order_relaxed)) return;
    Chunk& chunk = chunks[index];
    chunk.thread = thread;
    ReadChunk(source, index, thread, &chunk);
    if (!chunk.failed.ok() || (chunk.bad_lines > 0 && !options_.skip_bad_lines)) {
      std::size_t current = stop_after;
      while (index < current && !stop_after.compare_exchange_weak(current, index)) {
      }
    }
    ++done;
    if (thread == 0 && options_.progress) {
      options_.progress("reading " + path, std::min(done * kChunkBytes, source.size()),
                        source.size());
    }
  });
  return Collect(source, validation, &chunks);
}

void RatingsReader::ReadChunk(const Source& source, std::size_t index, unsigned thread,
                              Chunk* chunk) {
  const LineFormat& format = source.format();
  const absl::StatusOr<std::string_view> text = source.ReadLines(index, &scratches_[thread].text);
  chunk->failed = text.status();
  if (!chunk->failed.ok()) return;
  CodeBook& users = users_[thread];
  CodeBook& items = items_[thread];
  Scratch& scratch = scratches_[thread];
  std::size_t rows = 0;
  const auto add = [&](std::uint32_t user, std::uint32_t item, float rating,
                       std::int64_t timestamp) {
    if (rows == scratch.users.size()) scratch.Grow();
    scratch.users[rows] = user;
    scratch.items[rows] = item;
    scratch.ratings[rows] = rating;
    scratch.timestamps[rows++] = timestamp;
  };
  const PlainLines plain_lines(format);
  PlainLine plain;
  ParsedLine parsed;
  const char* const end = text->data() + text->size();
  for (const char* at = text->data(); at != end; ++chunk->lines) {
    if (const char* const next = plain_lines.Read(at, end, &plain); next != nullptr) {
      add(users.CodeOf(plain.user), items.CodeOf(plain.item), plain.rating, plain.timestamp);
      at = next;
      continue;
    }
    const std::string_view rest(at, static_cast<std::size_t>(end - at));
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    const std::string_view line = WithoutCarriageReturn(rest.substr(0, length));
    at += std::min(length + 1, rest.size());
    if (line.empty()) continue;
    const absl::Status status =
        line.size() < kLineBytesMax
            ? ParseLine(format, line, &parsed)
            : absl::InvalidArgumentError("the line is longer than a mebibyte");
    if (status.ok()) {
      add(users.CodeOf(parsed.user), items.CodeOf(parsed.item), parsed.rating, parsed.timestamp);
      continue;
    }
    if (chunk->bad_lines++ == 0) {
      chunk->first_bad_line = chunk->lines;
      chunk->first_bad = std::string(status.message());
    }
    if (!options_.skip_bad_lines) return;
  }
  // Exactly as much memory as is needed: there are many blocks.
  const auto copy = [rows](const auto& from, auto& into) {
    into.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(rows));
  };
  copy(scratch.users, chunk->block.users);
  copy(scratch.items, chunk->block.items);
  if (format.rating >= 0) copy(scratch.ratings, chunk->block.ratings);
  if (format.timestamp >= 0) copy(scratch.timestamps, chunk->block.timestamps);
}

absl::Status RatingsReader::Collect(const Source& source, bool validation,
                                    std::vector<Chunk>* chunks) {
  std::uint64_t line = source.format().header ? 2 : 1;
  std::uint64_t samples = 0;
  for (Chunk& chunk : *chunks) {
    if (!chunk.failed.ok()) return chunk.failed;
    if (chunk.bad_lines > 0) {
      const absl::Status bad = source.At(line + chunk.first_bad_line, chunk.first_bad);
      if (!options_.skip_bad_lines) return bad;
      bad_lines_.Join({.count = chunk.bad_lines, .first = std::string(bad.message())});
    }
    line += chunk.lines;
    samples += chunk.block.users.size();
    chunk.block.validation = validation;
    blocks_.push_back(std::move(chunk.block));
    thread_of_block_.push_back(chunk.thread);
  }
  lines_ += line - 1;
  if (samples > 0) return absl::OkStatus();
  return bad_lines_.count > 0 ? source.At(line, "every line was malformed, as " + bad_lines_.first)
                              : source.At(line, "expected ratings, the file ends");
}

Vocabulary RatingsReader::MoveInto(DatasetWriter* writer) {
  std::vector<std::vector<std::uint32_t>> user_codes;
  std::vector<std::vector<std::uint32_t>> item_codes;
  writer->SetUsers(CodeBook::Merge(users_, &user_codes));
  Vocabulary items = CodeBook::Merge(items_, &item_codes);
  writer->SetItems(items);
  users_.clear();
  items_.clear();
  RunParallel(options_.threads, blocks_.size(), [&](std::size_t k, unsigned) {
    const unsigned thread = thread_of_block_[k];
    for (std::uint32_t& user : blocks_[k].users) user = user_codes[thread][user];
    for (std::uint32_t& item : blocks_[k].items) item = item_codes[thread][item];
  });
  for (SampleBlock& block : blocks_) writer->Append(std::move(block));
  blocks_.clear();
  return items;
}

}  // namespace cf
