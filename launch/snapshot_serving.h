#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/snapshot/snapshot.h"
#include "launch/snapshot_commands.h"
#include "serving/catalogue.h"
#include "serving/recommender.h"
#include "serving/served_model.h"

namespace cf {

/// A snapshot opened for serving: its model, its data set and the search over both.
///
/// Owner:   the command.
/// Threads: any.
/// Bounds:  those of its parts.
class OpenModel {
 public:
  /// Sets the float mode of the calling thread, which may score from then on.
  static absl::StatusOr<std::unique_ptr<OpenModel>> Open(const ModelFlags& flags);

  const Snapshot& snapshot() const { return snapshot_; }
  const ServedModel& model() const { return model_; }
  const Catalogue& catalogue() const { return catalogue_; }
  const Dataset& data() const { return catalogue_.data(); }
  const Recommender& recommender() const { return *recommender_; }

  /// NotFound, in one line: no sample has the raw id.
  absl::StatusOr<RowId> FindUser(const std::string& raw) const;
  absl::StatusOr<RowId> FindItem(const std::string& raw) const;

  /// The items of a title as people write it: the data set's own way to find it, and where nothing
  /// has it, without what stands in brackets before the year ("M*A*S*H (1970)" finds "M*A*S*H
  /// (a.k.a. MASH) (1970)"). NotFound, in one line.
  absl::StatusOr<std::vector<RowId>> FindTitle(const std::string& title) const;

  /// The title of an item; its raw id where there is none.
  std::string NameOf(RowId item) const;

 private:
  OpenModel(Snapshot snapshot, ServedModel model, Catalogue catalogue);

  Snapshot snapshot_;
  ServedModel model_;
  Catalogue catalogue_;
  std::optional<Recommender> recommender_;  // Set once the two above have their place.
};

}  // namespace cf
