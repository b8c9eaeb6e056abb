#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/text/text_table.h"

namespace cf {

// The verbs of cfsnapshot. Each prints to standard output and returns why it failed.

absl::Status ListSnapshots(const std::string& run, TableFormat format);
absl::Status VerifySnapshot(const std::string& snapshot);
absl::Status PrintDigest(const std::string& snapshot);
/// Aborted says where they differ first, unless they are identical.
absl::Status CompareSnapshots(const std::string& a, const std::string& b);

/// What all verbs that need the data set take.
struct ModelFlags {
  std::string snapshot;  ///< RUN/snapshots/best, latest or a manifest.
  std::string data;      ///< The data set's folder; empty: where the job had it.
  TableFormat format = TableFormat::kText;
};

struct EvaluateFlags {
  ModelFlags model;
  bool training_samples = false;  ///< The training samples instead of the validation samples.
  std::vector<std::string> metrics;
};
absl::Status Evaluate(const EvaluateFlags& flags);

struct PredictFlags {
  ModelFlags model;
  std::string pairs;  ///< CSV file of raw user,item[,rating]; or else
  std::string user;   ///< a raw user id with
  std::vector<std::string> titles;
  std::string out;         ///< CSV file to write; empty: standard output.
  bool overwrite = false;  ///< Whether it may be there already.
};
absl::Status Predict(const PredictFlags& flags);

struct RecommendFlags {
  ModelFlags model;
  std::string user;        ///< Raw user id: items for one user; or else
  bool all_users = false;  ///< items for each user; or else
  std::string item;        ///< raw item id: users for an item.
  std::uint32_t top = 10;
  std::uint32_t top_users = 100;
  std::uint32_t min_ratings = 0;
  bool fallback_popular = false;  ///< Whether an unknown user gets the most rated items.
  std::string out;                ///< CSV file to write; only with all_users.
  bool overwrite = false;         ///< Whether it may be there already.
  unsigned threads = 0;           ///< 0: as many as the machine has.
};
absl::Status Recommend(const RecommendFlags& flags);

struct SimilarFlags {
  ModelFlags model;
  std::string item;
  std::uint32_t top = 10;
  std::uint32_t min_ratings = 0;
};
absl::Status PrintSimilar(const SimilarFlags& flags);

struct ExportFlags {
  ModelFlags model;
  std::string out;
  bool overwrite = false;
};
absl::Status Export(const ExportFlags& flags);

}  // namespace cf
