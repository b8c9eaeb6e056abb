#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "common/base/check.h"
#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/lookup.h"
#include "serving/mapped_export.h"
#include "serving/recommender.h"
#include "serving/served_model.h"

namespace cf {

/// A snapshot with its data set, or an export that was made of both, opened for serving: the model,
/// the catalogue and the search over both. Whoever answers questions about a model has one of these,
/// whatever way they come in by; answers are the same to the last bit, whichever it was opened from.
///
/// Owner:   whoever opened it.
/// Threads: any; constant.
/// Bounds:  those of its parts; of an export what is mapped.
class OpenModel {
 public:
  struct Options {
    std::string snapshot;  ///< RUN/snapshots/best, latest or a manifest; or an export's folder.
    std::string data =
        {};  ///< The data set's folder; empty: where the job had it, or of an export.
    /// Bytes that may be taken, of which what is mapped is no part: the data set, and an export. 0:
    /// any.
    std::uint64_t memory = 0;
    /// Whether users may stay in the snapshot where there is no room for them: nothing is scored.
    bool streams_users = false;
  };
  /// Sets the float mode of the calling thread, which may score from then on. FailedPrecondition:
  /// the memory is not enough, with the number that would do. InvalidArgument: a data set beside an
  /// export. Unavailable: an export took another's place meanwhile. Else errors are Snapshot's,
  /// MappedExport's, Catalogue's, ServedModel's and Recommender's.
  static absl::StatusOr<std::unique_ptr<OpenModel>> Open(const Options& options);

  /// The snapshot's; of an export without its row files and what tells of the machine.
  const Manifest& manifest() const {
    return snapshot_.has_value() ? snapshot_->manifest() : export_->manifest();
  }
  /// The snapshot's digest. Of a snapshot all of it is read; errors are then Snapshot::Digest's.
  absl::StatusOr<std::string> Digest() const;
  /// The snapshot that it was opened from; null of an export.
  const Snapshot* opened_snapshot() const { return snapshot_.has_value() ? &*snapshot_ : nullptr; }
  /// The same. Requires: it is not of an export.
  const Snapshot& snapshot() const {
    Check(snapshot_.has_value(), "an export has no snapshot to be asked for");
    return *snapshot_;
  }
  const ServedModel& model() const { return model_; }
  const Catalogue& catalogue() const { return catalogue_; }
  const Dataset& data() const { return catalogue_.data(); }
  const Recommender& recommender() const { return *recommender_; }
  const Substance& substance() const { return recommender_->substance(); }
  const Lookup& lookup() const { return lookup_; }

 private:
  OpenModel(ServedModel model, Catalogue catalogue);
  static absl::StatusOr<std::unique_ptr<OpenModel>> OpenSnapshot(const Options& options);
  static absl::StatusOr<std::unique_ptr<OpenModel>> OpenExport(const Options& options);
  absl::Status MakeRecommender();

  std::optional<Snapshot> snapshot_;  // One of both is there.
  std::optional<MappedExport> export_;
  ServedModel model_;
  Catalogue catalogue_;
  Lookup lookup_;
  std::optional<Recommender>
      recommender_;  // Set once the model and the catalogue have their place.
};

}  // namespace cf
