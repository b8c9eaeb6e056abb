#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/config/job.pb.h"
#include "common/kernels/kernels.h"
#include "common/kernels/objective.h"
#include "common/model/tables.h"

namespace cf {

class Scorer;

/// How many rows the tables have that are not layers.
struct RowCounts {
  std::uint32_t users = 0;
  std::uint32_t items = 0;
  std::span<const std::uint32_t> features = {};  ///< By feature of the model.
};

/// What an objective takes from the training ratings.
struct RatingStatistics {
  double mean = 0;
  double deviation = 1;
  float min = 0;
  float max = 0;
};

/// The model of a job: what it is made of, how it learns, and how it scores. Whoever needs to know
/// one of these asks it, and nobody asks for its kind.
///
/// A kind of model is a class that derives from this one, in files of its own, and an entry of the
/// list of kinds (kinds.h). What kinds have in common is data that the kind's constructor fills in
/// (Traits); what they do differently are the few virtual functions.
///
/// Owner:   whoever made it.
/// Threads: any; constant.
/// Bounds:  a copy of the job.
class ModelSpec {
 public:
  /// Requires: a validated job with its defaults filled in.
  static std::unique_ptr<const ModelSpec> Make(const Job& job);

  virtual ~ModelSpec() = default;
  ModelSpec(const ModelSpec&) = delete;
  ModelSpec& operator=(const ModelSpec&) = delete;

  /// For the list of a folder above this one that adds something to each kind.
  Model::KindCase kind() const { return job_.model().kind_case(); }
  /// What it was made of, for what a folder above this one adds to the kind.
  const Job& job() const { return job_; }
  /// The name that the kind has in the schema: "matrix_factorization".
  const std::string& kind_name() const;

  // What it is made of.

  /// By TableId: users, items, the layers of each network, features. Requires: the rows of every
  /// feature are given.
  std::vector<TableSpec> Tables(const RowCounts& rows) const;
  /// In the order of their tables.
  std::span<const NetworkSpec> networks() const { return traits_.networks; }
  /// Of all networks.
  std::size_t layers() const;
  std::span<const Feature> features() const { return traits_.features; }
  /// The table of the first feature, where there is one.
  TableId first_feature() const {
    return TableId{static_cast<std::uint32_t>(Index(kFirstLayer) + layers())};
  }
  /// Whether the vectors of features are added to those of users and items; else they stand beside
  /// them in the input of the network of pairs.
  bool adds_features() const { return traits_.adds_features; }
  /// Whether the item's vector comes first in that input.
  bool item_first() const { return traits_.item_first; }

  // How it learns.

  /// How many negatives follow each sample; 0 where ratings are learned.
  std::uint32_t negatives() const { return traits_.negatives; }
  /// Whether the items' biases are how often each is in the training samples, and steps change
  /// nothing.
  bool counts_items() const { return traits_.counts_items; }
  /// Whether the biases of users and items start as those of a mean and biases alone.
  bool starts_from_baseline() const { return traits_.starts_from_baseline; }
  /// Whether the items of a global batch are candidates against each other: every rank needs all of
  /// a batch's samples, and the size of batches decides the loss where samples are only scored, too.
  bool batch_is_candidates() const { return traits_.batch_is_candidates; }
  /// What the model makes of a raw sum.
  Objective ObjectiveFor(const RatingStatistics& ratings) const;

  // How it scores.

  /// Whether it predicts ratings, so that there are errors of predictions to measure.
  bool predicts_ratings() const;
  /// Whether evaluation can rank all items for a user: not where what stands in the input of a
  /// pair is only known of pairs in the data set.
  bool ranks() const { return traits_.features.empty() || traits_.adds_features; }
  /// How a prediction comes about, in the names of an export's arrays (docs/export_format.md).
  virtual std::string Prediction() const = 0;
  /// A scorer whose layers are yet to be set. Its raw sums have the mean of `objective` in them.
  /// `kernels` are borrowed.
  virtual std::unique_ptr<Scorer> MakeScorer(const Objective& objective,
                                             const KernelSet& kernels) const = 0;

 protected:
  struct Traits {
    std::vector<NetworkSpec> networks = {};
    std::vector<Feature> features = {};
    bool adds_features = false;
    bool feature_biases = false;   ///< Whether the tables of features have biases.
    double feature_bias_rate = 1;  ///< TableSpec::bias_rate of these.
    bool item_first = false;
    Fit::Link link = Fit::IDENTITY;
    Fit::Loss loss = Fit::MSE;
    bool adds_mean = false;       ///< Of the training ratings, to the raw sum.
    bool sums_gradients = false;  ///< Over a batch; else their mean is taken.
    std::uint32_t negatives = 0;
    bool counts_items = false;
    bool starts_from_baseline = false;
    bool batch_is_candidates = false;
  };

  ModelSpec(Job job, Traits traits);

  /// Optimizer state of a row: so many more floats for each weight.
  std::uint32_t moments() const;
  /// The table of users and that of items.
  virtual std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const = 0;
  /// What is predicted, where `raw` is how the raw sum is found.
  std::string RatingText(const std::string& raw) const;

 private:
  TableSpec FeatureTable(const Feature& feature, std::uint32_t rows) const;

  const Job job_;
  const Traits traits_;
};

}  // namespace cf
