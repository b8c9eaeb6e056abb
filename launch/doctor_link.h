#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/mesh.h"
#include "launch/doctor.pb.h"

namespace cf {

/// What a rank of `cfrun doctor` says to the others over a mesh such as a job has: it measures the
/// ways between them, and tells rank 0 what it has found.
///
/// Owner:   the rank's part of the examination.
/// Threads: the main thread; handlers of the mesh answer on its I/O thread.
/// Bounds:  no answer is waited for for longer than the mesh's `timeout`, nor of a rank that is lost.
class DoctorLink {
 public:
  static absl::StatusOr<std::unique_ptr<DoctorLink>> Connect(Listener listener,
                                                             Mesh::Options options);
  DoctorLink(const DoctorLink&) = delete;
  DoctorLink& operator=(const DoctorLink&) = delete;

  /// Measures the ways from this rank to others of `ranks`, each pair once by one of its two, and
  /// no more than one way of a rank at a time, as long as all ways work. What cannot be measured
  /// says why. Every one of `ranks` has to call it.
  std::vector<PairSpeed> MeasureWays(const std::vector<int>& ranks);

  /// Tells rank 0. Requires: this is another.
  void Tell(const RankReport& report);

  /// The reports of all others, by rank; those that are missing are of ranks that are lost or did
  /// not tell within `limit`.
  std::map<int, RankReport> AwaitReports(std::chrono::milliseconds limit);

  /// Ends in good order, which waits until the others have.
  void Close() { mesh_->Close(); }

 private:
  struct Question {
    int from = 0;
    std::size_t answer_bytes = 0;
  };

  explicit DoctorLink(std::chrono::milliseconds patience) : patience_(patience) {}

  Mesh::Handlers Handlers();
  void Hear(int from, const Message& message);
  void Answer(const Question& question);
  void Send(int to, const DoctorMessage& message, std::size_t payload_bytes = 0);
  /// Seconds until the answer to a message of so many bytes, which has so many.
  absl::StatusOr<double> Ask(int peer, std::size_t bytes, std::size_t answer_bytes);
  absl::StatusOr<double> BytesPerSecond(int peer, bool back, double round_trip);
  absl::Status Measure(int peer, PairSpeed& speed);
  template <class Predicate>
  absl::Status Await(int peer, Predicate holds);

  const std::chrono::milliseconds patience_;

  // What has come on the I/O thread and is waited for on the main one.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Question>
      early_;  // Before the mesh was whole. Guarded by mutex_, as all that follows.
  std::uint64_t answers_ = 0;
  std::set<int> done_;
  std::map<int, RankReport> reports_;
  std::set<int> gone_;

  std::unique_ptr<Mesh> mesh_;  // Set under mutex_ once, before the main thread uses it.
};

/// Whom each of `count` meets in each round, so that all meet once: partner[round][k] is k itself
/// where it rests.
std::vector<std::vector<int>> RoundsOf(int count);

}  // namespace cf
