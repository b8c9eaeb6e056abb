#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace cf {

/// Looks after a rank while it waits for the others to meet it, which Open MPI would do for ever.
/// From half of the limit on it leaves a mark in the run folder, again and again, so that those who
/// look know which ranks are there: what is stopped, hangs or was never started leaves none. Where
/// cfrun does not look, the first of the ranks that are there says who is missing once the limit is
/// over, and ends, which under mpirun is the end of all.
///
/// Owner:   the rank, from its beginning until the ranks have met.
/// Threads: the owner's, beside one of its own.
/// Bounds:  a small file in the run folder, in bad times alone; it goes with this object.
class MeetingWatch {
 public:
  struct Options {
    std::string run;   ///< The run folder; before rank 0 has made it there are no marks.
    std::string name;  ///< Of this start, the same for all of its ranks.
    int rank = 0;
    int ranks = 1;
    std::chrono::milliseconds limit = std::chrono::seconds(120);
    bool is_looked_after = false;  ///< By cfrun, which ends the job.
  };

  explicit MeetingWatch(Options options);
  MeetingWatch(const MeetingWatch&) = delete;
  MeetingWatch& operator=(const MeetingWatch&) = delete;
  ~MeetingWatch();

  /// The rank is ready to meet the others; until then it leaves no mark.
  void Arrive() { arrived_ = true; }

 private:
  void Watch();
  bool WaitFor(std::chrono::milliseconds time);
  void LeaveMark();
  void GiveUp() const;

  const Options options_;
  std::atomic<bool> arrived_ = false;
  bool left_mark_ = false;

  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

/// The ranks of the start `name` that have left no mark in the folder `run`, or none any more;
/// nothing where there is no such run. To be asked when the limit is over.
std::optional<std::vector<int>> MissingRanks(const std::string& run, const std::string& name,
                                             int ranks);

/// Removes the marks of all starts from the folder `run`.
void RemoveMeetingMarks(const std::string& run);

/// "rank 1 on n1 has", "ranks 1 on n1, 2 on n2 and 7 others have"; `hosts` by rank, as far as they
/// are known.
std::string NameMissing(const std::vector<int>& missing, const std::vector<std::string>& hosts);

}  // namespace cf
