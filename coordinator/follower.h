#pragma once

#include "coordinator/control.pb.h"
#include "coordinator/participant.h"

namespace cf {

/// A member that another one leads: it executes one command after the other until it is told, or
/// notices, that the generation has ended.
///
/// Owner:   RunGeneration.
/// Threads: the rank's first.
/// Bounds:  one command under way.
class Follower {
 public:
  explicit Follower(Participant& participant) : participant_(participant) {}

  /// Plays its part; returns how the generation ended.
  GenerationEnd Run();

 private:
  // Until there is an end; the error is what ended it here, where nothing else has.
  absl::Status ExecuteCommands();

  Participant& participant_;
};

}  // namespace cf
