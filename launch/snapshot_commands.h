#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "launch/record_flags.h"
#include "launch/snapshot_output.h"
#include "serving/catalogue.h"
#include "serving/diversity.h"
#include "serving/exports/format.h"
#include "serving/fold_in.h"
#include "serving/open_model.h"

namespace cf {

// The verbs of cfsnapshot. Each delivers its answer as its flags say and returns why it failed.

absl::Status ListSnapshots(const std::string& run, const OutputFlags& output);
absl::Status VerifySnapshot(const std::string& snapshot, const OutputFlags& output);
absl::Status PrintDigest(const std::string& snapshot, const OutputFlags& output);
/// Aborted says where they differ first, unless they are identical.
absl::Status CompareSnapshots(const std::string& a, const std::string& b,
                              const OutputFlags& output);

inline constexpr std::uint32_t kLargestChangesShown = 10;

struct DiffFlags {
  std::string a;
  std::string b;
  std::string data;                  ///< Folder of the data set; empty: where the job had it.
  std::optional<std::uint32_t> top;  ///< Changes of each table; as CSV they replace the sums.
  OutputFlags output;
};
/// How much two snapshots differ, by table, and where most. InvalidArgument: of different shapes.
absl::Status PrintDifference(const DiffFlags& flags);

struct PruneFlags {
  std::string path;        ///< A run, or a folder of snapshots.
  std::uint32_t keep = 1;  ///< The newest so many; at least 1.
  bool dry_run = false;    ///< Says what would go, and removes nothing.
  OutputFlags output;
};
/// Removes all snapshots but the newest and the best, and the files that only they need. One that is
/// whole stays, whatever `keep`. FailedPrecondition: a job is alive in the run.
absl::Status PruneSnapshots(const PruneFlags& flags);

/// What is known of a snapshot from its manifest, and what its files take.
absl::Status PrintInfo(const std::string& snapshot, const OutputFlags& output);

/// What the model is made of, from the manifest alone.
absl::Status Summarise(const std::string& snapshot, const OutputFlags& output);

struct EvaluateFlags {
  OpenModel::Options model;
  OutputFlags output;
  bool training_samples = false;  ///< The training samples instead of the validation samples.
  std::vector<std::string> metrics;
  std::string samples;       ///< File of pairs or ratings, instead of either.
  RecordFlags records;       ///< How that is written.
  Mask mask = Mask::kTrain;  ///< What figures of ranking leave out of its candidates.
};
absl::Status Evaluate(const EvaluateFlags& flags);

struct PredictFlags {
  OpenModel::Options model;
  OutputFlags output;
  std::string pairs;                ///< File of pairs, or ratings; or else
  RecordFlags records;              ///< (how that is written)
  std::string split;                ///< "val" or "train": samples of the data set; or else
  std::string user;                 ///< a raw user id with
  std::vector<std::string> titles;  ///< raw ids or titles of items.
  std::string given;                ///< File of ratings of whom `pairs` asks about.
  FoldIn::Pull pull = FoldIn::Pull::kSpread;
  std::uint64_t limit = 0;        ///< So many of the samples; 0: all.
  bool fallback_popular = false;  ///< Whether means stand in for what the model cannot know.
};
absl::Status Predict(const PredictFlags& flags);

struct RecommendFlags {
  OpenModel::Options model;
  OutputFlags output;
  std::string user;        ///< Raw user id: items for one user; or else
  bool all_users = false;  ///< items for each user (or for those of `candidates`); or else
  std::string item;        ///< raw id or title of an item: users for it.
  std::uint32_t top = 10;
  std::uint32_t top_users = 100;
  std::optional<std::uint32_t> min_ratings;
  Mask mask = Mask::kAll;
  std::vector<std::string> genres;
  std::string given;  ///< File of ratings: lists for whose they are.
  FoldIn::Pull pull = FoldIn::Pull::kSpread;
  DiversityOptions diversity;
  std::string exclude;            ///< File of items or pairs that no list holds.
  std::string candidates;         ///< File of those that lists are made of.
  RecordFlags records;            ///< How both are written.
  bool fallback_popular = false;  ///< Whether unknown users get the most rated items.
  unsigned threads = 0;           ///< 0: as many as the machine has.
};
absl::Status Recommend(const RecommendFlags& flags);

struct SimilarFlags {
  OpenModel::Options model;
  OutputFlags output;
  std::string item;  ///< Raw id or title.
  std::uint32_t top = 10;
  std::optional<std::uint32_t> min_ratings;
  std::vector<std::string> genres;
};
absl::Status PrintSimilar(const SimilarFlags& flags);

struct FindFlags {
  OpenModel::Options model;
  OutputFlags output;
  std::string text;    ///< Of items: what titles hold; of users: a part of the raw id.
  bool users = false;  ///< Users instead of items.
  std::vector<std::string> genres;
  std::uint32_t top = 20;
  bool random = false;     ///< Drawn from what is found, instead of the first of it.
  std::uint64_t seed = 1;  ///< Of the draw.
};
absl::Status Find(const FindFlags& flags);

struct ExportFlags {
  OpenModel::Options model;
  ExportOptions options;
};
absl::Status Export(const ExportFlags& flags);

}  // namespace cf
