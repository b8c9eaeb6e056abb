#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "common/base/check.h"
#include "common/config/config.h"
#include "coordinator/console.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf {

/// A model for a tiny job.
inline constexpr char kTinyFactorization[] =
    "matrix_factorization { dim: 5 l2_vectors: 0.001 l2_biases: 0.0005 }";
/// With all that a ranker can have: vectors of different lengths, layers that fill no register.
inline constexpr char kTinyRanker[] =
    "ranker { user { dim: 5 l2: 0.001 } item { dim: 19 vectors { he_normal {} } } item_first: true"
    "  dropout: 0.1 dense { units: 37 activation: RELU dropout: 0.3 kernel { he_normal {} } }"
    "  dense { units: 6 bias { uniform {} } } dense {} link: SCALED_SIGMOID }";

/// A factorisation of interactions, with negatives.
inline constexpr char kTinyImplicit[] =
    "matrix_factorization { negatives: 3 dim: 5 mean: false link: SIGMOID loss: BCE"
    "  reduction: SUM l2_vectors: 0.001 l2_biases: 0.001 }";

inline constexpr char kTinyRetrieval[] =
    "retrieval { user { dim: 5 l2: 0.001 } item { dim: 5 vectors { he_normal {} } }"
    "  temperature: 0.7 logq_correction: true remove_accidental_hits: true reduction: MEAN }";

/// With all that towers can have: layers on both, of different lengths, dropout.
inline constexpr char kTinyTowers[] =
    "retrieval { user { dim: 5 l2: 0.001 dense { units: 18 activation: RELU dropout: 0.2 }"
    "    dense { units: 7 } }"
    "  item { dim: 19 dense { units: 7 activation: RELU dropout: 0.3 bias { uniform {} } } } }";

inline constexpr char kTinyPopularity[] = "popularity { }";

/// A user with a history, an item with genres, as SVD++ and LightFM have them.
inline constexpr char kTinyFactorizationWithFeatures[] =
    "matrix_factorization { dim: 5 l2_vectors: 0.001"
    "  feature { source: USER_HISTORY vectors { normal { deviation: 0.1 } } l2: 0.001 }"
    "  feature { source: ITEM_GENRES l2_biases: 0.001 } }";
/// Every feature, in an order that is not that of the schema.
inline constexpr char kTinyRankerWithFeatures[] =
    "ranker { user { dim: 5 } item { dim: 19 } item_first: true dropout: 0.1"
    "  dense { units: 37 activation: RELU dropout: 0.3 } dense {}"
    "  feature { source: TIMESTAMP_WEEKDAY dim: 3 } feature { source: ITEM_GENRES dim: 17 l2: "
    "0.001 }"
    "  feature { source: USER_HISTORY dim: 2 } feature { source: TIMESTAMP_YEAR dim: 1 } }";

/// A job over a tiny data set with its defaults filled in: 7 steps an epoch, 8 partitions. Its
/// snapshots are written while training waits, so that each is where it is due, however long the
/// one before took.
inline Job MakeTinyJob(const TinyData& data, std::uint32_t epochs,
                       const std::string& model = kTinyFactorization) {
  absl::StatusOr<Job> job = ParseJob("model {" + model +
                                         "}"
                                         "split { random { fraction: 0.2 } }"
                                         "optimizer { adam { learning_rate: 0.02 } }"
                                         "train { batch_size: 64 partitions: 8 }"
                                         "snapshot { copies_mib: 0 }"
                                         "cluster { threads: 1 timeout_seconds: 60 }",
                                     "test");
  Check(job.ok(), "the test's job parses");
  job->mutable_data()->set_path(data.path());
  job->mutable_train()->set_epochs(epochs);
  FillDefaults(*job);
  Check(ValidateJob(*job).ok(), "the test's job is valid");
  return *std::move(job);
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A console whose lines nobody reads.
class QuietConsole {
 public:
  Console* get() { return console_.get(); }

 private:
  std::unique_ptr<std::FILE, CloseFile> output_{std::tmpfile()};
  std::unique_ptr<Console> console_ =
      Console::Open({.log_path = "", .output = output_.get()}).value();
};

}  // namespace cf
