#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

struct OutputOptions {
  bool overwrite = false;  ///< Whether a file with something in it may be replaced.
  const char* way_out = "--overwrite replaces it";  ///< What a refusal says behind the name.
};

/// A file that somebody asked for by its name, written from one end to the other. What is, or
/// becomes, a plain file is written without a name, or under another one beside it where there is no
/// such file, and gets its own at the end, so that nobody sees half of it and what was there stays until
/// then. What a name stands for besides
/// is written to as it is: a pipe, a terminal or another device, an open descriptor such as
/// /dev/stdout. Symbolic links are followed. A file that is replaced keeps its mode and its owner;
/// one with several names, or in a folder where nothing can be made, is written in place.
///
/// Owner:      the call that writes it.
/// Threads:    one at a time.
/// Bounds:     one buffer of 1 MiB.
/// Invariants: a file that had something in it is never touched without `overwrite`. After Close
///   returned OK a plain file is on the disk. Without it nothing of a new file is left.
class OutputFile {
 public:
  /// Finds out what `path` is and whether it may be written, before any work is done for it.
  /// AlreadyExists: a file with something in it, or a disk, without `overwrite`. InvalidArgument: a
  /// folder, or no name at all. Otherwise what errno says, with the path.
  static absl::StatusOr<OutputFile> Create(const std::string& path, OutputOptions options = {});

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  /// Errors are kept and come out of Finish and Close, and of status() before these.
  void Write(const void* bytes, std::size_t size);
  void Write(std::string_view text) { Write(text.data(), text.size()); }

  /// As it was asked for.
  const std::string& path() const { return path_; }

  /// Whether it is, or will be, a file of that name, rather than a pipe, a device or standard output,
  /// where whoever reads it wants to read nothing else.
  bool is_plain() const { return plain_; }

  /// The first error so far: whoever has long to go on need not.
  absl::Status status() const;

  /// Flushes and syncs what was written; a new file has no name of its own yet. Several files that
  /// belong together are all finished before the first is closed. The first error of all.
  absl::Status Finish();

  /// Finishes, and gives the file its name. The first error of all.
  absl::Status Close();

 private:
  explicit OutputFile(std::string path) : path_(std::move(path)) {}
  absl::Status Open(const OutputOptions& options);
  absl::Status OpenDescriptor(int descriptor);
  absl::Status OpenInPlace(int flags);
  absl::Status Refusal(const std::string& what) const;
  absl::Status OpenBeside(const struct stat* replaced);
  static std::string NextName(const std::string& folder);
  void NameTemporary();
  void Flush();

  std::string way_out_ = {};
  std::string path_;            ///< As the user wrote it.
  std::string target_ = {};     ///< Where its links lead.
  std::string temporary_ = {};  ///< The name until Close; empty: written in place.
  bool unnamed_ = false;        ///< It has that name from Finish on.
  std::string buffer_ = {};
  int file_ = -1;
  int error_ = 0;          ///< errno of the first failure.
  bool plain_ = false;     ///< Whether there is something to sync.
  bool replace_ = false;   ///< Whether `target_` may be there when the file gets its name.
  bool truncate_ = false;  ///< A plain file written in place is cut at its first byte or its end.
};

/// Writes all of `contents` to `path`, as an OutputFile.
absl::Status WriteOutput(const std::string& path, std::string_view contents,
                         OutputOptions options = {});

}  // namespace cf
