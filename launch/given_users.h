#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "launch/record_flags.h"
#include "serving/fold_in.h"
#include "serving/given_user.h"
#include "serving/open_model.h"

namespace cf {

/// Whose ratings a file has, in the order in which it names them. Items are raw ids, or else titles
/// that one item has; others are passed over, which is said on standard error.
///
/// Owner:      the verb that reads it.
/// Threads:    one.
/// Bounds:     all ratings in memory.
/// Invariants: there is somebody in it.
class GivenUsers {
 public:
  /// With `only`, a raw user id, the file is that user's where it names no users, and else only
  /// their lines count. InvalidArgument, in one line with the file's name: it cannot be read, has no
  /// ratings where the model learns from these, or nothing of the data set or of the user.
  static absl::StatusOr<GivenUsers> Read(const std::string& path, const RecordFlags& records,
                                         const std::string& only, const OpenModel& open);

  const std::vector<GivenUser>& users() const { return users_; }
  bool names_users() const { return names_users_; }

 private:
  std::vector<GivenUser> users_;
  bool names_users_ = false;
};

/// What folding in took, of the time of one thread, for standard error.
class FoldInTimes {
 public:
  void Add(double seconds) { seconds_.push_back(seconds); }
  /// "500 users folded in, 0.31 ms of one thread each (median; ...)".
  std::string Summary() const;

 private:
  std::vector<double> seconds_;
};

/// The user of all that somebody gave; the time goes to `times`. Errors are FoldIn's, with the user's
/// name.
absl::StatusOr<UserRow> FoldInUser(const OpenModel& open, const FoldIn& fold_in,
                                   const GivenUser& user, FoldInTimes& times);

}  // namespace cf
