#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// The header of an .npy file, version 1.0, of an array in C order: `descr` is "<f4", "<i8", ...;
/// `shape` has one or two extents.
std::string NpyHeader(const std::string& descr, const std::vector<std::uint64_t>& shape);

/// A file written from one end to the other.
///
/// Owner:      the call that writes it.
/// Threads:    one at a time.
/// Bounds:     one buffer of 1 MiB.
/// Invariants: after Close returned OK everything is on the disk.
class OutputFile {
 public:
  /// What errno says, with the path.
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  /// Errors are kept and come out of Close.
  void Write(const void* bytes, std::size_t size);
  void Write(const std::string& text) { Write(text.data(), text.size()); }

  /// Flushes, syncs and closes. The first error of all.
  absl::Status Close();

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  OutputFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  int error_ = 0;  // errno of the first failure.
};

}  // namespace cf
