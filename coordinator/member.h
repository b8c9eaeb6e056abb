#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/activity.h"
#include "common/base/profile.h"
#include "common/base/scratch_folder.h"
#include "common/model/block_schedule.h"
#include "common/rows/exchange.h"
#include "common/rows/row_client.h"
#include "common/rows/turns.h"
#include "common/snapshot/snapshot.h"
#include "coordinator/control.pb.h"
#include "coordinator/kept_partitions.h"
#include "coordinator/snapshot_writer.h"
#include "coordinator/training_data.h"
#include "paramserver/block_host.h"
#include "paramserver/initial_values.h"
#include "paramserver/item_places.h"
#include "paramserver/row_scan.h"
#include "paramserver/row_service.h"
#include "paramserver/row_store.h"
#include "worker/block_samples.h"
#include "worker/block_trainer.h"
#include "worker/evaluator.h"
#include "worker/moving_samples.h"
#include "worker/trainer.h"
#include "worker/wave.h"

namespace cf {

/// Makes the store of a rank's rows; the default keeps all of them in memory.
using MakeRowStore = std::function<absl::StatusOr<std::unique_ptr<RowStore>>(
    std::span<const RowStore::Table> tables, Partitioning partitioning, SeatRange range)>;
absl::StatusOr<std::unique_ptr<RowStore>> MakeSlabStore(std::span<const RowStore::Table> tables,
                                                        Partitioning partitioning, SeatRange range);

/// What a store is told of the model's tables.
std::vector<RowStore::Table> StoredTables(std::span<const TableSpec> tables, const Job& job);

/// One rank's part of a generation: the store of its rows, the services and trainers of its compute
/// threads, and what they do at the coordinator's command.
///
/// Owner:   Participant.
/// Threads: Execute on one thread, which is the first compute thread; the others live as long as a
///          command.
/// Bounds:  the rank's partitions.
class Member {
 public:
  struct Options {
    Job job;
    int rank = 0;
    std::uint64_t generation = 0;
    std::string snapshots_folder;  ///< Where Write writes.
    const Snapshot* snapshot =
        nullptr;  ///< To go on from; null for a new model. Borrowed for Open only.
    const TrainingData* data = nullptr;  ///< Borrowed, as are the others.
    const Placement* placement = nullptr;
    Mesh* mesh = nullptr;                     ///< Null in a job of one rank.
    MakeRowStore make_store = MakeSlabStore;  ///< The rank's.
    /// Rows of the same job that this process has had, where they are to stay in memory: taken, and
    /// put back where Open fails. Borrowed for Open only; null: none.
    KeptPartitions* kept = nullptr;
    /// Of the folder for samples on disk.
    std::string scratch_directory = {};
    /// Whether they are there with any schedule but BLOCKS, where they go with their users.
    bool samples_on_disk = false;
    bool trains = true;  ///< Whether Train may come.
    /// By compute thread: where each says how it gets on; empty where nobody watches.
    std::span<Activity> activities = {};
    const RankedPairs* pairs =
        nullptr;  ///< What MeasureLists looks at instead of the validation samples.
    /// Bytes for copies of rows, so that their files can be written behind; 0: at the cut.
    std::uint64_t snapshot_copies = 0;
    Activity* writer_activity = nullptr;  ///< Of the thread that writes them; null: not watched.
  };

  /// Opens the rows and reads the samples. FailedPrecondition: a kernel target that the machine
  /// lacks; errors of the store and of LoadRows.
  static absl::StatusOr<std::unique_ptr<Member>> Open(Options options);

  /// Train, Validate, MeasureLists, Penalty, FindNotFinite, Write, FinishWrite, DropWrite or Committed.
  /// An error of one thread ends the others' waiting. What keeps a snapshot from being written is no
  /// error, but a part of the answer (SnapshotTrouble).
  absl::StatusOr<Reply> Execute(const Command& command);

  /// The rows, for another member; none where they do not stay in memory. Nothing may be asked of this
  /// one afterwards.
  KeptPartitions Keep();

  Exchange& exchange() { return *exchange_; }
  /// How Open has come by the rows of a snapshot.
  struct OpenedRows {
    std::atomic<std::uint64_t> kept = 0;      ///< They were there,
    std::atomic<std::uint64_t> put_back = 0;  ///< or had changed since,
    std::atomic<std::uint64_t> loaded = 0;    ///< or their partition came anew.
  };
  const OpenedRows& opened_rows() const { return opened_rows_; }

  bool has_users_on_disk() const { return store_ != nullptr && !store_->keeps_all(); }
  bool has_samples_on_disk() const {
    return blocks_.has_value() ? has_users_on_disk() : options_.samples_on_disk;
  }

 private:
  // One compute thread: it serves, works, or both.
  struct Seat {
    std::unique_ptr<Profile> profile = std::make_unique<Profile>();  // Of training.
    std::unique_ptr<RowService> service;          // Null on a rank that only works.
    std::unique_ptr<RowClient> rows;              // Null on a rank that only serves,
    std::unique_ptr<Trainer> trainer;             // as is this.
    std::unique_ptr<BlockHost> block_host;        // With BLOCKS, where Train may come,
    std::unique_ptr<BlockTrainer> block_trainer;  // as is this.
    SeatRange served;
    SeatRange worked;
  };

  Member(Options options, const KernelSet& kernels);
  absl::Status OpenSeats();
  absl::Status OpenStore();
  absl::StatusOr<std::unique_ptr<RowStore>> MakeStore(SeatRange range);
  absl::Status BeginRows();
  absl::Status OpenRows(const Seat& seat);
  absl::Status OpenPartition(PartitionId partition);
  std::vector<const RowHost*> HostsInPlace() const;  // By server seat, for RowClient.
  // Runs `work` for each seat on a thread of its own; no rows are pinned when it returns.
  absl::Status OnSeats(const std::function<absl::Status(Seat&)>& work);
  absl::Status OpenSamplesFolder();
  // Writes the samples of users that do not stay in memory to the disk.
  absl::Status OpenMovingSamples();
  absl::Status OpenBlocks();
  absl::StatusOr<std::unique_ptr<RankSamples>> MakeBlockSamples();
  absl::Status Train(const TrainSteps& steps, Reply& reply);
  absl::Status TrainBlocks(const TrainSteps& steps);
  // Has the items at home, wherever training is.
  absl::Status BringItemsHome(const Command& command);
  // What a command says of how far partitions are, where they are not equally far.
  absl::Status HearNextLegs(const google::protobuf::RepeatedField<std::uint64_t>& legs);
  // By partition, of all epochs.
  std::vector<std::uint64_t> NextSubEpochs() const;
  absl::Status TrainBatches(const TrainSteps& steps);
  absl::Status Validate(const cf::Validate& command, Reply& reply);
  absl::Status MeasureLists(const cf::MeasureLists& command, Reply& reply);
  std::unique_ptr<Evaluator> MakeEvaluator(const Seat& seat,
                                           const std::vector<RankingMetric>& metrics,
                                           std::uint64_t turn);
  // What a seat does that only serves: a run of steps, or turns without any.
  absl::Status ServeSteps(RowService& service, const Trainer::Segment& run) const;
  static absl::Status ServeReads(RowService& service, std::uint64_t first, std::uint64_t turns);
  ScannedRows RowsOf(const Seat& seat) const;  // Requires: a seat that serves.
  // Has the store read ahead where the partition is not in memory.
  void AnnouncePartition(std::uint32_t partition);
  absl::Status FindPenalties(Reply& reply);
  // Of users that have come to the end of the epoch and are in memory.
  absl::Status NoteUserPenalty(const Seat& seat, PartitionId partition);
  absl::Status FindNotFinite(Reply& reply);
  // Of one partition, by table.
  absl::Status FindNotFinite(const Seat& seat, std::uint32_t partition, RowStore::Which which,
                             std::vector<std::optional<RowId>>& found);
  // What a snapshot takes of one seat.
  struct Taken {
    std::vector<FileEntry> files;  // On the disk.
    std::vector<SnapshotWriter::Copy> copies;
    NotFiniteRows not_finite;
    bool full = false;     // There is no memory for more copies.
    absl::Status trouble;  // The disk took no more.
  };
  absl::Status Write(const cf::Write& command, Reply& reply);
  absl::Status TakePartition(const Seat& seat, const RowFileId& file, Taken& taken);
  absl::StatusOr<FileEntry> WritePartition(const RowFileId& file);
  void MarkWritten(const RowFileId& file);
  // Tells the files of the snapshot that is written behind, if they are there, or what keeps them.
  static void TellFiles(SnapshotWriter::Progress progress, Reply& reply);
  void Commit();
  void AddFigures(const std::vector<ObjectiveSums>& sums, Reply& reply) const;
  void AddProfile(Reply& reply);
  void AddRefusals(Reply& reply);

  const Options options_;
  const KernelSet& kernels_;
  OptimizerRule optimizer_;
  const std::optional<BlockSchedule> blocks_;  // Nothing with SYNC.
  const std::vector<TableSpec> tables_;
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<RowStore> store_;    // Null on a rank that only works.
  std::vector<RowHistory> histories_;  // By partition of the job, of those that it hosts.
  OpenedRows opened_rows_;
  // What rows begin as. Null once nobody asks: only a store that makes rows keeps it.
  std::unique_ptr<InitialRows> initial_;
  bool store_makes_rows_ = false;
  std::optional<ScratchFolder> samples_folder_;    // Where samples are on disk.
  std::unique_ptr<MovingSamples> moving_samples_;  // Until they are the next one's.
  std::unique_ptr<RankSamples> block_samples_;     // With BLOCKS, where Train may come.
  std::unique_ptr<ItemPlaces> item_places_;        // With BLOCKS,
  std::unique_ptr<Wave> wave_;                     // as are these.
  std::uint64_t epoch_ = 0;                        // Of the last Train.
  std::vector<std::uint64_t> next_legs_;           // By partition, of that epoch; empty before.
  std::vector<Seat> seats_;
  Exchange::Stats reported_{};         // Of the traffic, what replies have told.
  std::uint64_t turn_ = 0;             // Of the next exchange; the same on every rank.
  std::vector<ObjectiveSums> sums_;    // By partition: of the current epoch so far.
  std::uint64_t steps_per_epoch_ = 0;  // Of the last Train.
  // By partition: the penalty of users that are at the end of an epoch, where it is known by now.
  std::vector<std::optional<double>> user_penalties_;
  std::vector<std::uint32_t> training_samples_;  // By item; empty before the first MeasureLists.
  // Whether a committed manifest of the run names files of every partition, which deltas can follow.
  bool has_bases_ = false;
  std::unique_ptr<FrozenMemory> copies_;    // Null where there is none for copies.
  std::unique_ptr<SnapshotWriter> writer_;  // Its copies are in the memory above.
};

}  // namespace cf
