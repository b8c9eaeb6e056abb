#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/records.h"

namespace cf {

/// The bytes of a file or of a pipe ("-" is standard input), in pieces that hold whole records. It
/// reads rather than maps: a page of a mapping counts as memory until it is given back, and a file
/// cut short meanwhile would be a signal, not an error.
///
/// Owner:   whoever reads the file.
/// Threads: Open and Sample by one; then Next by any, one at a time inside.
/// Bounds:  a piece for each thread, and one that begins the next.
/// Invariants: pieces are numbered from 0 in the order of the file, and leave nothing out.
class RecordSource {
 public:
  /// So many zero bytes are readable behind every piece.
  static constexpr std::size_t kPadding = 64;

  RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  ~RecordSource();

  /// Reads the first bytes. NotFound and the like as the system says; InvalidArgument if they are
  /// none, or tell that this is no table of text.
  absl::Status Open(const std::string& path);

  /// The first bytes of the file, of which detection has to do; all of them if whole().
  std::string_view sample() const { return {begun_.data(), begun_.size()}; }
  bool whole() const { return at_end_; }

  /// Where the records begin, and how they end. Called once, before the first Next.
  void Begin(std::size_t bytes, const RecordSyntax& syntax);

  struct Piece {
    std::size_t index = 0;
    /// In the buffer. A record of it that is not shorter than kRecordBytesMax is the last of all.
    std::string_view text;
  };

  /// The next piece, in memory that `buffer` keeps from piece to piece; nothing at the end.
  absl::StatusOr<std::optional<Piece>> Next(std::vector<char>* buffer);

  /// Ends the pieces early: Next has nothing more.
  void Stop();

  const std::string& name() const { return name_; }  ///< For messages.
  std::uint64_t size() const { return size_; }       ///< 0 for a pipe.
  std::uint64_t bytes_read();

 private:
  /// Appends up to so many bytes of the file to the buffer's first `*used`.
  absl::Status Extend(std::size_t bytes, std::vector<char>* buffer, std::size_t* used);

  std::string name_;
  int file_ = -1;
  bool owned_ = false;
  std::uint64_t size_ = 0;
  RecordSyntax syntax_;

  std::mutex mutex_;         // Threads take pieces in turn, each where the one before ended.
  std::vector<char> begun_;  // Read, and in no piece yet.
  bool at_end_ = false;
  bool stopped_ = false;
  std::size_t next_ = 0;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace cf
