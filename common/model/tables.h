#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/ids.h"
#include "common/config/job.pb.h"
#include "common/kernels/network.h"
#include "common/model/layout.h"

namespace cf {

/// The first dense layer's table; the others follow, and then those of features. A layer is a table
/// of its own with one row, so that layers of different sizes are stored, sent and written with no
/// padding between them.
inline constexpr TableId kFirstLayer{2};

/// A table of the model with what decides its rows besides gradients.
struct TableSpec {
  TableShape shape;
  /// Where the row is a dense layer: its kernel and biases, which are all in the row's vector.
  std::optional<LayerShape> layer;
  Initial vectors;        ///< Initial values of the vectors (of a layer: the kernel),
  Initial biases;         ///< and of the biases.
  double l2_vectors = 0;  ///< lambda: adds lambda * sum(w^2) over the touched rows to the loss.
  double l2_biases = 0;
  double bias_rate = 1;  ///< The biases' learning rate over the vectors'.
};

/// What goes through a network: the vectors of a pair side by side, a user's vector (the user
/// tower), or an item's.
enum class NetworkRole : std::uint8_t { kPair, kUser, kItem };

/// A network of the model. Its layers are the tables `name`_0, `name`_1 and so on.
struct NetworkSpec {
  NetworkRole role = NetworkRole::kPair;
  const char* name = "";
  NetworkShape shape;
  google::protobuf::RepeatedPtrField<Dense> layers;  ///< As the job has them.
};

/// The name of the table of a feature: "genres".
const char* FeatureTableName(Feature::Source source);

/// Dense layers on `inputs` numbers, of which a share is dropped in training.
NetworkShape LayersOn(std::uint32_t inputs, double dropout,
                      const google::protobuf::RepeatedPtrField<Dense>& layers);

/// A table without biases. `Options` is an Embedding or a Tower.
template <class Options>
TableSpec EmbeddingTable(const char* name, std::uint32_t rows, const Options& options,
                         std::uint32_t moments) {
  return TableSpec{.shape = {.name = name,
                             .rows = rows,
                             .dim = options.dim(),
                             .biases = false,
                             .moments = moments},
                   .layer = {},
                   .vectors = options.vectors(),
                   .biases = {},
                   .l2_vectors = options.l2()};
}

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables);

}  // namespace cf
