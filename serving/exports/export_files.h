#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/output_file.h"
#include "common/snapshot/checksum.h"
#include "serving/exports/export.pb.h"

namespace cf {

class ExportFiles;

/// A file of an export, written from one end to the other and noted in its list when it is closed.
///
/// Owner:   the function that writes it; the ExportFiles outlive it.
/// Threads: one.
/// Bounds:  those of OutputFile.
class ExportFile {
 public:
  /// Errors are kept, and come out of Close() and status().
  void Write(const void* bytes, std::size_t size);
  void Write(std::string_view text) { Write(text.data(), text.size()); }
  absl::Status status() const { return file_.status(); }
  /// So far.
  std::uint64_t bytes() const { return bytes_; }

  /// Syncs the file, gives it its name and notes it. The first error of all.
  absl::Status Close();

 private:
  friend class ExportFiles;
  ExportFile(OutputFile file, std::string name, ExportFiles* files);

  OutputFile file_;
  std::string name_;
  ExportFiles* files_;
  std::unique_ptr<Checksum> checksum_;
  std::uint64_t bytes_ = 0;
};

/// The files of an export while it is written, in a folder that gets its name when all is there,
/// and the list of them that goes into model.json.
///
/// Owner:   WriteExport().
/// Threads: one.
class ExportFiles {
 public:
  /// `folder` exists.
  explicit ExportFiles(std::string folder) : folder_(std::move(folder)) {}
  ExportFiles(const ExportFiles&) = delete;
  ExportFiles& operator=(const ExportFiles&) = delete;

  /// Where files are now, without a slash at its end.
  const std::string& folder() const { return folder_; }

  /// A new file. Errors are OutputFile's.
  absl::StatusOr<ExportFile> Create(const std::string& name);

  /// Syncs and notes a file that a library wrote to folder()/name, and which is complete. What errno
  /// says, if it cannot be read.
  absl::Status AddWritten(const std::string& name);

  /// What was noted so far: name, bytes and checksum of each file.
  const google::protobuf::RepeatedPtrField<ExportedFile>& written() const { return written_; }

 private:
  friend class ExportFile;
  void Note(const std::string& name, std::uint64_t bytes, const std::string& checksum);

  std::string folder_;
  google::protobuf::RepeatedPtrField<ExportedFile> written_;
};

/// Makes `folder` by means of `write`, which fills a folder beside it: it appears whole or not at
/// all. AlreadyExists if there is something in its place that may not be replaced: what is no
/// export never is, an earlier one is where `overwrite` is set and nothing else lies in it.
absl::Status MakeExportFolder(const std::string& folder, bool overwrite,
                              const std::function<absl::Status(ExportFiles& files)>& write);

}  // namespace cf
