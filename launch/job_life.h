#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "run/run_folder.h"
#include "run/verdict.h"

namespace cf {

/// One life of a job under cfrun: the ranks of one mpirun, and what they leave in the run folder.
/// Theirs is what carries the name of this start; another job may hold the folder meanwhile, or
/// have just ended.
///
/// Owner:   the call that runs the life, which makes it before the ranks start.
/// Threads: one.
class JobLife {
 public:
  /// Of a job of so many ranks in the run folder `run`, which need not be there yet.
  JobLife(std::string run, int ranks);

  int ranks() const { return ranks_; }

  /// What the ranks are to call this start (MpirunCommand).
  const std::string& name() const { return name_; }

  /// How the job ended, once its ranks have said so.
  std::optional<Verdict> verdict() const;

  /// How far its beginning has come.
  LifeStage stage() const;

  /// Makes `verdict` say how the life ended, as that of its ranks, where it has claimed the run and
  /// nobody has it now or had it since.
  void Settle(Verdict verdict) const;

 private:
  std::string run_;
  int ranks_;
  std::string name_;
  std::uint64_t generation_before_ = 0;
};

}  // namespace cf
