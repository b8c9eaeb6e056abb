#include "serving/recommender.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

// Rows scored at once. With vectors of 64 floats they take 128 KiB and stay in the second-level
// cache while every user of a group is scored against them; their scores take 2 KiB.
constexpr std::uint32_t kTile = 512;
using Tile = std::array<float, kTile>;

// Users that share a tile, and what a thread takes at once.
constexpr std::uint32_t kGroup = 64;

// Users whose lists are held until they are handed out: enough groups for many threads.
constexpr std::uint32_t kWave = 64 * kGroup;

// Calls `take(first, scores)` with the raw sums that a ranker makes of each tile of `rows` rows,
// ascending. `pair_of(row)` is the pair that a row is scored in.
template <class PairOf, class Take>
void ForRankedTiles(const ServedModel& model, std::uint32_t rows, PairOf pair_of, Take take) {
  std::array<UserItem, kTile> pairs;
  Tile scores;
  for (std::uint32_t first = 0; first < rows; first += kTile) {
    const std::uint32_t count = std::min(kTile, rows - first);
    for (std::uint32_t k = 0; k < count; ++k) pairs[k] = pair_of(RowId{first + k});
    model.RawScores(std::span(pairs).first(count), std::span(scores).first(count));
    take(first, std::span<const float>(scores).first(count));
  }
}

// Calls `take(first, dots)` with the dot products of `query` and each tile of `table`, ascending.
template <class Take>
void ForTiles(const KernelSet& kernels, const float* query, const WeightTable& table, Take take) {
  Tile dots;
  const std::size_t n = table.padded_dim();
  for (std::uint32_t first = 0; first < table.rows(); first += kTile) {
    const std::uint32_t rows = std::min(kTile, table.rows() - first);
    kernels.score_rows(query, table.vector(RowId{first}), n, rows, n, dots.data());
    take(first, std::span<const float>(dots).first(rows));
  }
}

}  // namespace

absl::StatusOr<Recommender> Recommender::Make(const ServedModel& model,
                                              const Catalogue& catalogue) {
  const Dataset& data = catalogue.data();
  if (model.users().rows() != data.users() || model.items().rows() != data.items()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model has ", model.users().rows(), " users and ", model.items().rows(),
                     " items, its data set ", data.users(), " and ", data.items()));
  }
  return Recommender(model, catalogue);
}

// Offers to `list` what one tile of items has for a user of a factorisation.
void Recommender::ListTile(RowId user, std::uint32_t first_item, std::span<const float> dots,
                           std::uint32_t min_ratings, TopList& list) const {
  const float user_bias = model_->users().bias(user);
  const float* item_biases = model_->items().biases() + first_item;
  Tile raw;
  for (std::size_t k = 0; k < dots.size(); ++k) {
    raw[k] = RawSum(model_->objective(), user_bias, item_biases[k], dots[k]);
  }
  OfferTile(user, first_item, std::span<const float>(raw).first(dots.size()), min_ratings, list);
}

// Offers to `list` what may be in it of one tile of items with these raw sums.
void Recommender::OfferTile(RowId user, std::uint32_t first_item, std::span<const float> raw,
                            std::uint32_t min_ratings, TopList& list) const {
  list.OfferRows(RowId{first_item}, raw, [&](RowId item) {
    return catalogue_->ItemTrainingRatings(item) >= min_ratings && !catalogue_->HasSeen(user, item);
  });
}

std::vector<ScoredRow> Recommender::TopItems(RowId user, const ListOptions& options) const {
  SetFloatMode();
  TopList list(options.top);
  if (model_->network() != nullptr) {
    ForRankedTiles(
        *model_, model_->items().rows(),
        [user](RowId item) { return UserItem{.user = user, .item = item}; },
        [&](std::uint32_t first, std::span<const float> raw) {
          OfferTile(user, first, raw, options.min_ratings, list);
        });
    return list.Take();
  }
  ForTiles(model_->kernels(), model_->users().vector(user), model_->items(),
           [&](std::uint32_t first, std::span<const float> dots) {
             ListTile(user, first, dots, options.min_ratings, list);
           });
  return list.Take();
}

std::vector<ScoredRow> Recommender::TopUsers(RowId item, std::size_t top) const {
  SetFloatMode();
  TopList list(top);
  const auto is_new = [&](RowId user) { return !catalogue_->HasSeen(user, item); };
  if (model_->network() != nullptr) {
    ForRankedTiles(
        *model_, model_->users().rows(),
        [item](RowId user) { return UserItem{.user = user, .item = item}; },
        [&](std::uint32_t first, std::span<const float> raw) {
          list.OfferRows(RowId{first}, raw, is_new);
        });
    return list.Take();
  }
  const float item_bias = model_->items().bias(item);
  ForTiles(model_->kernels(), model_->items().vector(item), model_->users(),
           [&](std::uint32_t first, std::span<const float> dots) {
             Tile raw;
             for (std::uint32_t k = 0; k < dots.size(); ++k) {
               const RowId user{first + k};
               raw[k] = RawSum(model_->objective(), model_->users().bias(user), item_bias, dots[k]);
             }
             list.OfferRows(RowId{first}, std::span<const float>(raw).first(dots.size()), is_new);
           });
  return list.Take();
}

std::vector<ScoredRow> Recommender::SimilarItems(RowId item, const ListOptions& options) const {
  SetFloatMode();
  const WeightTable& items = model_->items();
  const std::size_t n = items.padded_dim();
  const auto norm = [&](RowId id) {
    return std::sqrt(model_->kernels().dot(items.vector(id), items.vector(id), n));
  };
  const float own_norm = norm(item);
  TopList list(options.top);
  ForTiles(model_->kernels(), items.vector(item), items,
           [&](std::uint32_t first, std::span<const float> dots) {
             for (std::uint32_t k = 0; k < dots.size(); ++k) {
               const RowId other{first + k};
               if (other == item) continue;
               if (catalogue_->ItemTrainingRatings(other) < options.min_ratings) continue;
               const float product = own_norm * norm(other);
               list.Offer(other, product > 0 ? dots[k] / product : 0.0F);
             }
           });
  return list.Take();
}

std::vector<ScoredRow> Recommender::PopularItems(std::size_t top) const {
  TopList list(top);
  for (std::uint32_t k = 0; k < model_->items().rows(); ++k) {
    list.Offer(RowId{k}, static_cast<float>(catalogue_->ItemTrainingRatings(RowId{k})));
  }
  return list.Take();
}

// Makes the lists of some users, tile by tile, so that the items stay in the cache.
void Recommender::ListUsers(std::uint32_t first_user, std::span<std::vector<ScoredRow>> lists,
                            const ListOptions& options) const {
  if (model_->network() != nullptr) {
    // A tile's way through the layers costs far more than fetching its rows.
    for (std::uint32_t k = 0; k < lists.size(); ++k) {
      lists[k] = TopItems(RowId{first_user + k}, options);
    }
    return;
  }
  const WeightTable& items = model_->items();
  const std::size_t n = items.padded_dim();
  std::vector<TopList> tops(lists.size(), TopList(options.top));
  Tile dots;
  for (std::uint32_t first = 0; first < items.rows(); first += kTile) {
    const std::uint32_t rows = std::min(kTile, items.rows() - first);
    for (std::uint32_t k = 0; k < lists.size(); ++k) {
      const RowId user{first_user + k};
      model_->kernels().score_rows(model_->users().vector(user), items.vector(RowId{first}), n,
                                   rows, n, dots.data());
      ListTile(user, first, std::span<const float>(dots).first(rows), options.min_ratings, tops[k]);
    }
  }
  for (std::size_t k = 0; k < lists.size(); ++k) lists[k] = tops[k].Take();
}

absl::Status Recommender::ForAllUsers(const AllUsersOptions& options,
                                      const ListVisitor& visit) const {
  const unsigned threads =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  const std::uint32_t users = model_->users().rows();
  std::vector<std::vector<ScoredRow>> lists(std::min(kWave, users));
  for (std::uint32_t wave = 0; wave < users; wave += kWave) {
    const std::uint32_t in_wave = std::min(kWave, users - wave);
    std::atomic<std::uint32_t> next = 0;  // The first user of the wave that nobody has taken.
    const auto work = [&] {
      SetFloatMode();
      for (;;) {
        const std::uint32_t first = next.fetch_add(kGroup, std::memory_order_relaxed);
        if (first >= in_wave) return;
        const std::uint32_t group = std::min(kGroup, in_wave - first);
        ListUsers(wave + first, std::span(lists).subspan(first, group), options.list);
      }
    };
    {
      std::vector<std::jthread> helpers;
      for (unsigned k = 1; k < threads; ++k) helpers.emplace_back(work);
      work();
    }  // Joined here.
    for (std::uint32_t k = 0; k < in_wave; ++k) {
      if (absl::Status visited = visit(RowId{wave + k}, lists[k]); !visited.ok()) return visited;
    }
  }
  return absl::OkStatus();
}

}  // namespace cf
