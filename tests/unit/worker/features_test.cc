// Goal: the gradients of models with features are those of their losses. Method: one step of SGD
// over all training samples, on three threads; each weight has moved by the derivative of the loss,
// which is found by differences of a slow, obvious model in double (for a sanitizer one weight in
// eight, since it looks at the trainer, and the slow model is what takes the time).

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/features/feature_lists.h"
#include "common/model/ranker.h"
#include "tests/support/sanitizers.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"
#include "worker/trainer.h"

namespace cf::features_test {
namespace {

using Vector = std::vector<double>;

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kSeats = 3;

/// A model with features as the definition has it.
class SlowModel {
 public:
  SlowModel(const Job& job, const Dataset& data, const DataSplit& split, double mean,
            const std::vector<FeatureLists>& features, const std::vector<TableSpec>& tables,
            LocalRows& local)
      : data_(data),
        split_(split),
        mean_(mean),
        features_(features),
        first_feature_(Index(ModelSpec::Make(job)->first_feature())),
        ranker_(RankerOf(job)) {
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      for (std::uint32_t id = 0; id < tables[t].shape.rows; ++id) {
        const std::vector<float> record = local.Record(TableId{t}, RowId{id});
        rows[t].emplace_back(record.begin(), record.end());
      }
    }
  }

  /// The mean squared error of the training samples.
  double Loss() const {
    double sum = 0;
    for (std::uint32_t user = 0; user < data_.users(); ++user) {
      for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
        if (split_.is_validation(s)) continue;
        const double error =
            Predict(RowId{user}, data_.item_column()[s]) - static_cast<double>(data_.ratings()[s]);
        sum += error * error;
      }
    }
    return sum / static_cast<double>(split_.training_count());
  }

  std::vector<Vector> rows[8];  // By table and id: the vector, then the bias where there is one.

 private:
  double Predict(RowId user, RowId item) const {
    Vector p = rows[0][Index(user)];
    Vector q = rows[1][Index(item)];
    Vector input;
    if (ranker_.has_value()) {
      input = q;  // The item comes first.
      input.insert(input.end(), p.begin(), p.end());
    }
    for (std::size_t k = 0; k < features_.size(); ++k) {
      const Vector sum = SumOf(features_[k], rows[first_feature_ + k], user, item);
      if (ranker_.has_value()) {
        input.insert(input.end(), sum.begin(), sum.end());
        continue;
      }
      Vector& to = features_[k].side() == FeatureSide::kUser ? p : q;
      for (std::size_t d = 0; d < to.size(); ++d) to[d] += sum[d];
    }
    if (ranker_.has_value()) return Layers(input);
    double x = mean_ + p.back() + q.back();
    for (std::size_t d = 0; d + 1 < p.size(); ++d) x += p[d] * q[d];
    return x;
  }

  static Vector SumOf(const FeatureLists& lists, const std::vector<Vector>& table, RowId user,
                      RowId item) {
    std::vector<RowId> has;
    double weight = 1;
    if (lists.side() == FeatureSide::kSample) {
      has.push_back(*lists.RowOfSample(user, item));
    } else {
      const std::span<const RowId> of =
          lists.RowsOf(lists.side() == FeatureSide::kUser ? user : item);
      has.assign(of.begin(), of.end());
      const auto n = static_cast<double>(std::max<std::size_t>(has.size(), 1));
      weight = lists.side() == FeatureSide::kUser ? 1 / std::sqrt(n) : 1 / n;
    }
    Vector sum(table[0].size());
    for (const RowId row : has) {
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * table[Index(row)][d];
    }
    return sum;
  }

  double Layers(Vector h) const {
    const std::vector<LayerShape>& layers = ranker_->network.layers;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const LayerShape& layer = layers[l];
      const Vector& weights = rows[Index(kFirstLayer) + l][0];
      Vector out(layer.units);
      for (std::size_t u = 0; u < layer.units; ++u) {
        out[u] = weights[std::size_t{layer.inputs} * layer.units + u];
        for (std::size_t i = 0; i < layer.inputs; ++i)
          out[u] += h[i] * weights[i * layer.units + u];
        if (layer.relu) out[u] = std::max(out[u], 0.0);
      }
      h = out;
    }
    return h[0];
  }

  const Dataset& data_;
  const DataSplit& split_;
  const double mean_;
  const std::vector<FeatureLists>& features_;
  const std::size_t first_feature_;
  const std::optional<RankerShape> ranker_;  // Where the model is one.
};

void ExpectMovesByTheGradient(const std::string& model) {
  const TinyData tiny;
  const Dataset data = Dataset::Open(tiny.path()).value();
  Job job = ParseJob("model {" + model +
                         "} split { random { fraction: 0.2 } }"
                         "optimizer { sgd { learning_rate: 1 } }",
                     "test")
                .value();
  const DataSplit split = DataSplit::Make(data, job.split()).value();
  job.mutable_train()->set_batch_size(static_cast<std::uint32_t>(split.training_count()));
  FillDefaults(job);
  ASSERT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  const std::vector<FeatureLists> features = MakeFeatureLists(job, data, split).value();
  std::vector<std::uint32_t> rows;
  for (const FeatureLists& lists : features) rows.push_back(lists.rows());
  const std::unique_ptr<const ModelSpec> model_spec = ModelSpec::Make(job);
  const std::vector<TableSpec> tables =
      model_spec->Tables({.users = data.users(), .items = data.items(), .features = rows});
  LocalRows local({.partitions = kPartitions,
                   .seats = kSeats,
                   .tables = tables,
                   .optimizer = job.optimizer(),
                   .steps_per_epoch = 1});
  local.Initialize();
  const TrainingStatistics statistics = ComputeTrainingStatistics(data, split, kPartitions).value();
  SlowModel slow(job, data, split, statistics.mean, features, tables, local);

  std::vector<ObjectiveSums> sums(kPartitions);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t seat = 0; seat < kSeats; ++seat) {
      threads.emplace_back([&, seat] {
        SetFloatMode();
        const SeatRange range = local.placement().workers().range(seat);
        Trainer trainer(
            {.rows = &local.client(seat),
             .kernels = KernelsFor(KernelTarget::kBest).value(),
             .objective = model_spec->ObjectiveFor({.mean = statistics.mean, .min = 1, .max = 5}),
             .model = model_spec.get(),
             .features = features,
             .shuffle_seed = 7},
            data, split);
        const absl::Status done = trainer.Train({.last = 1, .steps_per_epoch = 1},
                                                std::span(sums).subspan(range.first, range.size()));
        EXPECT_TRUE(done.ok()) << done;
      });
    }
  }
  double loss = 0;
  for (const ObjectiveSums& of_partition : sums) loss += of_partition.loss;
  EXPECT_NEAR(loss / static_cast<double>(split.training_count()), slow.Loss(), 1e-4);

  constexpr double kStep = 1e-5;
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    double largest = 0;
    for (std::uint32_t id = 0; id < tables[t].shape.rows; ++id) {
      const std::vector<float> moved = local.Record(TableId{t}, RowId{id});
      Vector& row = slow.rows[t][id];
      for (std::size_t k = 0; k < row.size(); ++k) {
        if (kSanitized && (id + k) % 8 != 0) continue;
        const double was = row[k];
        row[k] = was + kStep;
        const double above = slow.Loss();
        row[k] = was - kStep;
        const double derivative = (above - slow.Loss()) / (2 * kStep);
        row[k] = was;
        EXPECT_NEAR(was - static_cast<double>(moved[k]), derivative, 2e-6)
            << tables[t].shape.name << " " << id << ", weight " << k;
        largest = std::max(largest, std::fabs(derivative));
      }
    }
    EXPECT_GT(largest, 1e-4) << tables[t].shape.name;
  }
}

TEST(Features, AFactorisationMovesByItsGradient) {
  ExpectMovesByTheGradient(
      "matrix_factorization { dim: 3 vectors { normal { deviation: 0.5 } }"
      "  feature { source: USER_HISTORY vectors { normal { deviation: 0.3 } } }"
      "  feature { source: ITEM_GENRES vectors { normal { deviation: 0.3 } } } }");
}

TEST(Features, ARankerMovesByItsGradient) {
  ExpectMovesByTheGradient(
      "ranker { user { dim: 2 } item { dim: 3 } item_first: true"
      "  dense { units: 4 activation: RELU } dense {}"
      "  feature { source: TIMESTAMP_WEEKDAY dim: 2 vectors { normal { deviation: 0.5 } } }"
      "  feature { source: ITEM_GENRES dim: 3 vectors { normal { deviation: 0.5 } } }"
      "  feature { source: USER_HISTORY dim: 2 vectors { normal { deviation: 0.5 } } }"
      "  feature { source: TIMESTAMP_YEAR dim: 1 vectors { normal { deviation: 0.5 } } } }");
}

}  // namespace
}  // namespace cf::features_test
