#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/snapshot/snapshot.h"
#include "coordinator/generation.h"
#include "coordinator/generation_end.h"
#include "coordinator/preparation.h"
#include "tests/unit/coordinator/tiny_job.h"

namespace cf {

/// A generation whose ranks are threads of this process, with a mesh over loopback between them.
class LocalGeneration {
 public:
  LocalGeneration(const Job& job, const TinyData& data, const std::string& run, std::uint32_t ranks,
                  const std::string& snapshot = "")
      : folder_(RunFolder::Create(data.Beside(run)).value()), key_(MakeJobKey().value()) {
    *note_.mutable_job() = job;
    note_.set_run_folder(folder_.path());
    note_.set_generation(folder_.ClaimGeneration().value());
    note_.set_snapshot(snapshot);
    note_.set_dataset_digest(Dataset::Open(data.path()).value().digest());
    Listen(ranks);
  }

  /// One that was prepared, on its data set of `ranks` ranks.
  LocalGeneration(Preparation preparation, std::uint32_t ranks)
      : folder_(std::move(preparation.folder)),
        key_(MakeJobKey().value()),
        note_(std::move(preparation.note)) {
    Listen(ranks);
  }

  /// Has another rank than the first lead.
  void LedBy(int leader) { leader_ = leader; }

  /// The others do not know the rank by its key.
  void Estrange(std::uint32_t rank) { stranger_ = rank; }

  /// Called where a process would end itself; otherwise nobody may hang.
  void OnHang(std::function<void(const GenerationEnd& end)> on_hang) {
    on_hang_ = std::move(on_hang);
  }

  /// Runs the ranks below `ranks`, each on a thread, to their ends.
  std::vector<GenerationEnd> Run(std::uint32_t ranks) {
    std::vector<GenerationEnd> ends(ranks);
    {
      std::vector<std::jthread> threads;
      for (std::uint32_t rank = 0; rank < ranks; ++rank)
        threads.emplace_back([&, rank] { ends[rank] = RunGeneration(OptionsOf(rank)); });
    }
    return ends;
  }

  absl::StatusOr<Verdict> verdict() const { return folder_.ReadVerdict(); }

  /// The mesh of a rank that the test plays itself.
  std::unique_ptr<Mesh> Connect(std::uint32_t rank, Mesh::Handlers handlers) {
    return Mesh::Connect(std::move(listeners_[rank]),
                         {.rank = static_cast<int>(rank),
                          .endpoints = endpoints_,
                          .key = key_,
                          .generation = note_.generation(),
                          .timeout = std::chrono::seconds(60)},
                         std::move(handlers))
        .value();
  }

  void StopWhen(std::function<bool()> stop_requested) {
    stop_requested_ = std::move(stop_requested);
  }

  void KeepRowsIn(MakeRowStore make_store) { make_store_ = std::move(make_store); }

  std::string latest() const { return folder_.snapshots_path() + "/latest"; }
  std::string Digest() const { return Snapshot::Open(latest()).value().Digest().value(); }

 private:
  void Listen(std::uint32_t ranks) {
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      listeners_.push_back(Listener::Open("127.0.0.1").value());
      endpoints_.push_back(listeners_.back().endpoint());
    }
  }
  GenerationOptions OptionsOf(std::uint32_t rank) {
    std::vector<RosterMember> members;
    for (std::uint32_t member = 0; member < endpoints_.size(); ++member) {
      // Who is who does not follow from the rank.
      members.push_back({.id = MemberId{100 - member},
                         .host = "localhost",
                         .endpoint = endpoints_[member],
                         .threads = ThreadsOf(note_.job(), MemberResources())});
    }
    const MemberId leader = members[static_cast<std::size_t>(leader_)].id;
    return {.note = note_,
            .roster = Roster::Make(std::move(members), leader).value(),
            .rank = static_cast<int>(rank),
            .listener = std::move(listeners_[rank]),
            .key = rank == stranger_ ? MakeJobKey().value() : key_,
            .make_store = make_store_,
            .claim = static_cast<int>(rank) == leader_ ? &folder_ : nullptr,
            .on_hang = on_hang_,
            .console = {.log_path = "", .output = output_.get()},
            .stop_requested = stop_requested_};
  }

  RunFolder folder_;
  JobKey key_;
  GenerationNote note_;
  std::vector<Listener> listeners_;
  std::vector<Endpoint> endpoints_;
  int leader_ = 0;
  std::optional<std::uint32_t> stranger_;
  std::unique_ptr<std::FILE, CloseFile> output_{std::tmpfile()};  // Nobody reads it.
  std::function<void(const GenerationEnd& end)> on_hang_ = [](const GenerationEnd& end) {
    ADD_FAILURE() << TextOf(end);
  };
  std::function<bool()> stop_requested_ = [] { return false; };
  MakeRowStore make_store_;  // Empty: as the job says.
};

class GenerationTest : public ::testing::Test {
 protected:
  /// The digest of a job of `ranks` ranks that runs to its end.
  std::string DigestOf(const Job& job, std::uint32_t ranks, const std::string& run,
                       const std::string& snapshot = "") {
    LocalGeneration generation(job, tiny_, run, ranks, snapshot);
    for (const GenerationEnd& end : generation.Run(ranks)) {
      EXPECT_TRUE(end.has_finished()) << TextOf(end);
    }
    return generation.Digest();
  }

  TinyData tiny_;
};

}  // namespace cf
