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

// Calls `take(first, scores)` with each tile of `rows` rows, ascending, whose scores `score(first,
// scores)` has filled in.
template <class Score, class Take>
void ForTiles(std::uint32_t rows, Score score, Take take) {
  Tile tile;
  for (std::uint32_t first = 0; first < rows; first += kTile) {
    const std::span<float> scores = std::span(tile).first(std::min(kTile, rows - first));
    score(RowId{first}, scores);
    take(first, std::span<const float>(scores));
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

// Offers to `list` what may be in it of one tile of items with these raw sums.
void Recommender::OfferItems(RowId user, std::uint32_t first_item, std::span<const float> raw,
                             std::uint32_t min_ratings, TopList& list) const {
  list.OfferRows(RowId{first_item}, raw, [&](RowId item) {
    return catalogue_->ItemTrainingRatings(item) >= min_ratings && !catalogue_->HasSeen(user, item);
  });
}

std::vector<ScoredRow> Recommender::TopItems(RowId user, const ListOptions& options) const {
  SetFloatMode();
  std::vector<ScoredRow> list;
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  ListUsers(static_cast<std::uint32_t>(user), std::span(&list, 1), options, workspace);
  return list;
}

std::vector<ScoredRow> Recommender::TopUsers(RowId item, std::size_t top) const {
  SetFloatMode();
  TopList list(top);
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  ForTiles(
      model_->users().rows(),
      [&](RowId first, std::span<float> raw) { model_->ScoreUsers(item, first, workspace, raw); },
      [&](std::uint32_t first, std::span<const float> raw) {
        list.OfferRows(RowId{first}, raw,
                       [&](RowId user) { return !catalogue_->HasSeen(user, item); });
      });
  return list.Take();
}

std::vector<ScoredRow> Recommender::SimilarItems(RowId item, const ListOptions& options) const {
  SetFloatMode();
  const WeightTable& items = model_->items();
  const std::size_t n = items.padded_dim();
  const KernelSet& kernels = model_->kernels();
  const auto norm = [&](RowId id) {
    return std::sqrt(kernels.dot(items.vector(id), items.vector(id), n));
  };
  const float own_norm = norm(item);
  TopList list(options.top);
  ForTiles(
      items.rows(),
      [&](RowId first, std::span<float> dots) {
        kernels.score_rows(items.vector(item), items.vector(first), n, dots.size(), n, dots.data());
      },
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
                            const ListOptions& options, ServedModel::Workspace& workspace) const {
  const std::uint32_t items = model_->items().rows();
  std::vector<TopList> tops(lists.size(), TopList(options.top));
  Tile tile;
  for (std::uint32_t first = 0; first < items; first += kTile) {
    const std::span<float> raw = std::span(tile).first(std::min(kTile, items - first));
    for (std::uint32_t k = 0; k < lists.size(); ++k) {
      const RowId user{first_user + k};
      model_->ScoreItems(user, RowId{first}, workspace, raw);
      OfferItems(user, first, raw, options.min_ratings, tops[k]);
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
      ServedModel::Workspace workspace = model_->MakeWorkspace();
      for (;;) {
        const std::uint32_t first = next.fetch_add(kGroup, std::memory_order_relaxed);
        if (first >= in_wave) return;
        const std::uint32_t group = std::min(kGroup, in_wave - first);
        ListUsers(wave + first, std::span(lists).subspan(first, group), options.list, workspace);
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
