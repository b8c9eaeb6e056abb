#include "common/dataset/ratings_reader.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/dataset/parallel.h"
#include "common/dataset/plain_lines.h"

namespace cf {
namespace {

static_assert(RecordSource::kPadding >= PlainLines::kPadding);

/// How many records a reading shows at most.
constexpr std::size_t kFirstRecords = 5;

absl::Status At(const RecordSource& source, std::uint64_t line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(source.name(), ":", line, ": ", what));
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

template <class Raw, class ForEach>
Vocabulary CodeBook::Merge(const std::vector<CodeBook>& books, const ForEach& for_each,
                           std::vector<std::vector<std::uint32_t>>* codes) {
  struct Entry {
    Raw raw;
    std::size_t book;
    std::uint32_t code;
  };
  const auto less = [](const Entry& a, const Entry& b) { return a.raw < b.raw; };
  std::vector<Entry> entries;
  for (std::size_t book = 0; book < books.size(); ++book) {
    const auto begin = static_cast<std::ptrdiff_t>(entries.size());
    for_each(books[book], [&](Raw raw, std::uint32_t code) {
      entries.push_back({std::move(raw), book, code});
    });
    // Small numbers have come in their order.
    const auto first = entries.begin() + begin;
    if (!std::is_sorted(first, entries.end(), less)) std::sort(first, entries.end(), less);
    std::inplace_merge(entries.begin(), first, entries.end(), less);
  }
  std::vector<Raw> raw_ids;
  for (Entry& entry : entries) {
    if (raw_ids.empty() || raw_ids.back() != entry.raw) raw_ids.push_back(std::move(entry.raw));
    (*codes)[entry.book][entry.code] = static_cast<std::uint32_t>(raw_ids.size() - 1);
  }
  return Vocabulary(std::move(raw_ids));
}

Vocabulary CodeBook::Merge(const std::vector<CodeBook>& books,
                           std::vector<std::vector<std::uint32_t>>* codes) {
  const bool numeric = std::all_of(books.begin(), books.end(),
                                   [](const CodeBook& book) { return book.strings_.empty(); });
  codes->clear();
  for (const CodeBook& book : books) codes->emplace_back(book.size());
  if (numeric) {
    return Merge<std::int64_t>(
        books, [](const CodeBook& book, const auto& visit) { book.ForEachNumber(visit); }, codes);
  }
  return Merge<std::string>(
      books,
      [](const CodeBook& book, const auto& visit) {
        book.ForEachNumber([&visit](std::int64_t number, std::uint32_t code) {
          visit(std::to_string(number), code);
        });
        for (const auto& [text, code] : book.strings_) visit(text, code);
      },
      codes);
}

void BadLines::Add(const std::string& line) {
  if (count++ == 0) first = line;
}

void BadLines::Join(const BadLines& others) {
  if (count == 0) first = others.first;
  count += others.count;
}

/// What a piece of the file held.
struct RatingsReader::Chunk {
  SampleChunk samples;
  unsigned thread = 0;  ///< Whose code books the samples' codes are from.
  std::uint64_t lines = 0;
  std::uint64_t bad_lines = 0;
  std::uint64_t first_bad_line = 0;  ///< From 0 within the chunk.
  std::string first_bad;             ///< What is wrong with it.
  std::uint64_t dropped = 0;
  bool stops = false;  ///< Whether nothing behind its last line is read.
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
  RecordSource source;
  absl::Status opened = source.Open(path);
  if (!opened.ok()) return opened;
  const absl::StatusOr<RecordFormat> format =
      DetectRecordFormat(source.sample(), source.whole(), options_.records);
  if (!format.ok()) return At(source, 1, format.status().message());
  const bool has_ratings = format->rating >= 0;
  const bool has_timestamps = format->timestamp >= 0;
  if (!readings_.empty() && (has_ratings != has_ratings_ || has_timestamps != has_timestamps_)) {
    return At(source, 1, "expected the same columns (rating, timestamp) as in the other file");
  }
  if (!has_ratings && (!options_.drop_ratings.empty() || options_.min_rating.has_value())) {
    return At(source, 1, "--drop-ratings and --min-rating need a rating, and no column is one");
  }
  readings_.push_back(
      ReadFirst(source.name(), source.sample(), source.whole(), *format, kFirstRecords));
  has_ratings_ = has_ratings;
  has_timestamps_ = has_timestamps;
  source.Begin(format->begin, format->syntax);

  // Pieces are taken in order, so all before the first bad one are read to their end.
  std::mutex mutex;
  std::deque<Chunk> chunks;
  absl::Status failed;
  RunParallel(options_.threads, options_.threads, [&](std::size_t, unsigned thread) {
    for (;;) {
      const absl::StatusOr<std::optional<RecordSource::Piece>> piece =
          source.Next(&scratches_[thread].text);
      if (piece.ok() && !piece->has_value()) return;
      Chunk* chunk = nullptr;
      {
        const std::scoped_lock lock(mutex);
        if (!piece.ok()) {
          failed = piece.status();
          source.Stop();
          return;
        }
        const std::size_t index = (*piece)->index;
        if (index >= chunks.size()) chunks.resize(index + 1);
        chunk = &chunks[index];
      }
      chunk->thread = thread;
      ReadChunk(*format, (*piece)->text, chunk);
      if (chunk->stops) source.Stop();
      if (thread == 0 && options_.progress) {
        options_.progress("reading " + source.name(), source.bytes_read(), source.size());
      }
    }
  });
  // What is malformed before the place that could not be read is said first.
  const bool malformed =
      std::any_of(chunks.begin(), chunks.end(), [](const Chunk& chunk) { return chunk.stops; });
  if (!failed.ok() && !malformed) return failed;
  return Collect(source, *format, validation, &chunks);
}

bool RatingsReader::IsDropped(float rating) const {
  return (options_.min_rating.has_value() && rating < *options_.min_rating) ||
         std::find(options_.drop_ratings.begin(), options_.drop_ratings.end(), rating) !=
             options_.drop_ratings.end();
}

void RatingsReader::ReadChunk(const RecordFormat& format, std::string_view text, Chunk* chunk) {
  CodeBook& users = users_[chunk->thread];
  CodeBook& items = items_[chunk->thread];
  Scratch& scratch = scratches_[chunk->thread];
  std::size_t rows = 0;
  const bool drops = options_.min_rating.has_value() || !options_.drop_ratings.empty();
  const auto add = [&](std::uint32_t user, std::uint32_t item, float rating,
                       std::int64_t timestamp) {
    if (drops && IsDropped(rating)) {
      ++chunk->dropped;
      return;
    }
    if (rows == scratch.users.size()) scratch.Grow();
    scratch.users[rows] = user;
    scratch.items[rows] = item;
    scratch.ratings[rows] = rating;
    scratch.timestamps[rows++] = timestamp;
  };
  const PlainLines plain_lines(format);
  PlainLine plain;
  ParsedRecord parsed;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    if (const char* const next = plain_lines.Read(at, end, &plain); next != nullptr) {
      add(users.CodeOf(plain.user), items.CodeOf(plain.item), plain.rating, plain.timestamp);
      at = next;
      ++chunk->lines;
      continue;
    }
    const std::string_view rest(at, static_cast<std::size_t>(end - at));
    const std::string_view whole = rest.substr(0, RecordBytes(rest, format.syntax, /*whole=*/true));
    const std::string_view record = WithoutEndOfLine(whole);
    const std::uint64_t line = chunk->lines;
    chunk->lines += LinesOf(whole);
    at += whole.size();
    if (IsBlank(record)) continue;
    const absl::Status status = ParseRecord(format, record, &parsed);
    if (status.ok()) {
      add(users.CodeOf(parsed.user), items.CodeOf(parsed.item), parsed.rating, parsed.timestamp);
      continue;
    }
    if (chunk->bad_lines++ == 0) {
      chunk->first_bad_line = line;
      chunk->first_bad = std::string(status.message());
    }
    // What follows a line without end is not known to be a record.
    chunk->stops = !options_.skip_bad_lines || record.size() >= kRecordBytesMax;
    if (!chunk->stops) continue;
    chunk->first_bad_line = line;
    chunk->first_bad = std::string(status.message());
    return;
  }
  // Exactly as much memory as is needed: there are many chunks.
  const auto copy = [rows](const auto& from, auto& into) {
    into.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(rows));
  };
  copy(scratch.users, chunk->samples.users);
  copy(scratch.items, chunk->samples.items);
  if (format.rating >= 0) copy(scratch.ratings, chunk->samples.ratings);
  if (format.timestamp >= 0) copy(scratch.timestamps, chunk->samples.timestamps);
}

absl::Status RatingsReader::Collect(const RecordSource& source, const RecordFormat& format,
                                    bool validation, std::deque<Chunk>* chunks) {
  std::uint64_t line = format.lines_before + 1;
  std::uint64_t samples = 0;
  std::uint64_t dropped = 0;
  std::uint64_t bad_lines = 0;
  for (Chunk& chunk : *chunks) {
    if (chunk.bad_lines > 0) {
      const absl::Status bad = At(source, line + chunk.first_bad_line, chunk.first_bad);
      if (chunk.stops) return bad;
      bad_lines_.Join({.count = chunk.bad_lines, .first = std::string(bad.message())});
    }
    line += chunk.lines;
    dropped += chunk.dropped;
    bad_lines += chunk.bad_lines;
    samples += chunk.samples.users.size();
    chunk.samples.validation = validation;
    chunks_.push_back(std::move(chunk.samples));
    thread_of_chunk_.push_back(chunk.thread);
  }
  lines_ += line - 1;
  dropped_ += dropped;
  samples_ += samples;
  if (samples > 0) return absl::OkStatus();
  if (dropped > 0) return At(source, line, "--drop-ratings and --min-rating leave no rating");
  return bad_lines > 0 ? At(source, line, "every line was malformed, as " + bad_lines_.first)
                       : At(source, line, "expected ratings, the file ends");
}

Vocabulary RatingsReader::MoveInto(DatasetWriter* writer) {
  std::vector<std::vector<std::uint32_t>> user_codes;
  std::vector<std::vector<std::uint32_t>> item_codes;
  Vocabulary users;
  Vocabulary items;
  RunParallel(options_.threads, 2, [&](std::size_t task, unsigned) {
    if (task == 0) {
      users = CodeBook::Merge(users_, &user_codes);
    } else {
      items = CodeBook::Merge(items_, &item_codes);
    }
  });
  writer->SetUsers(std::move(users));
  writer->SetItems(items);
  users_.clear();
  items_.clear();
  RunParallel(options_.threads, chunks_.size(), [&](std::size_t k, unsigned) {
    const unsigned thread = thread_of_chunk_[k];
    for (std::uint32_t& user : chunks_[k].users) user = user_codes[thread][user];
    for (std::uint32_t& item : chunks_[k].items) item = item_codes[thread][item];
  });
  for (SampleChunk& chunk : chunks_) writer->Append(std::move(chunk));
  chunks_.clear();
  return items;
}

}  // namespace cf
