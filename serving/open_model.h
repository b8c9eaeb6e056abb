#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/lookup.h"
#include "serving/recommender.h"
#include "serving/served_model.h"

namespace cf {

/// A snapshot opened for serving: its model, its data set and the search over both. Whoever answers
/// questions about a model has one of these, whatever way they come in by.
///
/// Owner:   whoever opened it.
/// Threads: any; constant.
/// Bounds:  those of its parts.
class OpenModel {
 public:
  struct Options {
    std::string snapshot;   ///< RUN/snapshots/best, latest or a manifest.
    std::string data = {};  ///< The data set's folder; empty: where the job had it.
    /// Bytes that may be taken, of which the mapped data set is no part; 0: any.
    std::uint64_t memory = 0;
    /// Whether users may stay in the snapshot where there is no room for them: nothing is scored.
    bool streams_users = false;
  };
  /// Sets the float mode of the calling thread, which may score from then on. FailedPrecondition:
  /// the memory is not enough, with the number that would do. Else errors are Snapshot's,
  /// Catalogue's, ServedModel's and Recommender's.
  static absl::StatusOr<std::unique_ptr<OpenModel>> Open(const Options& options);

  const Snapshot& snapshot() const { return snapshot_; }
  const ServedModel& model() const { return model_; }
  const Catalogue& catalogue() const { return catalogue_; }
  const Dataset& data() const { return catalogue_.data(); }
  const Recommender& recommender() const { return *recommender_; }
  const Substance& substance() const { return recommender_->substance(); }
  const Lookup& lookup() const { return lookup_; }

 private:
  OpenModel(Snapshot snapshot, ServedModel model, Catalogue catalogue);

  Snapshot snapshot_;
  ServedModel model_;
  Catalogue catalogue_;
  Lookup lookup_;
  std::optional<Recommender>
      recommender_;  // Set once the model and the catalogue have their place.
};

}  // namespace cf
