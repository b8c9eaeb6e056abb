#include "serving/recommender.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <string>
#include <thread>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

// Rows scored at once. With vectors of 64 floats they take 32 KiB and stay in the first-level cache
// (in the second, where that is smaller) while every user of a group is scored against them.
constexpr std::uint32_t kTile = ItemSieve::kTile;
using Tile = std::array<float, kTile>;

// Where a sieve lets more rows of a tile through than this, all are scored at once.
constexpr int kSievedMax = 24;

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

float NormOf(const WeightTable& table, const KernelSet& kernels, RowId row) {
  return std::sqrt(kernels.dot(table.vector(row), table.vector(row), table.padded_dim()));
}

// A vector of zeros has the cosine 0 with every other.
float CosineOf(float dot, float a_norm, float b_norm) {
  const float product = a_norm * b_norm;
  return product > 0 ? dot / product : 0.0F;
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

Recommender::Recommender(const ServedModel& model, const Catalogue& catalogue)
    : model_(&model), catalogue_(&catalogue), substance_(model, catalogue) {
  if (model.compares_vectors() && model.items().dim() > 0) {
    sieve_ = std::make_unique<ItemSieve>(model.items(), model.objective().mean, model.kernels());
  }
}

bool Recommender::Allows(RowId item, const ListOptions& options) const {
  const bool known = options.min_ratings.has_value()
                         ? catalogue_->ItemTrainingRatings(item) >= *options.min_ratings
                         : substance_.OfItem(item);
  return known && (options.choice == nullptr || options.choice->Allows(item));
}

bool Recommender::Allows(RowId user, RowId item, const ListOptions& options) const {
  return Allows(item, options) && !catalogue_->IsMasked(user, item, options.mask) &&
         (options.choice == nullptr || options.choice->Allows(user, item));
}

ItemList Recommender::TopItems(RowId user, const ListOptions& options) const {
  SetFloatMode();
  ItemList list;
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  ListUsers(std::span(&user, 1), std::span(&list, 1), options, workspace);
  return list;
}

ItemList Recommender::TopItems(const UserRow& user, std::span<const RowId> left_out,
                               const ListOptions& options) const {
  SetFloatMode();
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  TopList top(CandidatesFor(options.top, options.diversity));
  const std::optional<ItemSieve::Query> query = QueryOf(user.vector.data(), user.bias);
  for (std::uint32_t first = 0; first < model_->items().rows(); first += kTile) {
    OfferTile(
        first, query, top,
        [&](RowId item, std::span<float> raw) { model_->ScoreItems(user, item, workspace, raw); },
        [&](RowId item) {
          return Allows(item, options) &&
                 !std::binary_search(left_out.begin(), left_out.end(), item);
        });
    AddTile(first);
  }
  return ListOf(top, FoldInSource(), options);
}

std::optional<ItemSieve::Query> Recommender::QueryOf(const float* vector, float bias) const {
  return sieve_ == nullptr ? std::nullopt : sieve_->QueryOf(vector, bias);
}

void Recommender::AddTile(std::uint32_t first) const {
  if (sieve_ != nullptr && !sieve_->Has(first)) sieve_->Add(first);
}

// Offers a tile of items to a list: those that the sieve lets through, or all where it cannot say or
// where most of them would come through. `score` fills in the raw sums from an item on.
template <class Score, class Allowed>
void Recommender::OfferTile(std::uint32_t first, const std::optional<ItemSieve::Query>& query,
                            TopList& top, const Score& score, const Allowed& allowed) const {
  if (query.has_value() && std::isfinite(top.threshold()) && sieve_->Has(first)) {
    const ItemSieve::Rows rows = sieve_->Above(*query, first, top.threshold());
    int count = 0;
    for (const std::uint64_t word : rows) count += std::popcount(word);
    if (count <= kSievedMax) {
      for (std::uint32_t w = 0; w < rows.size(); ++w) {
        for (std::uint64_t left = rows[w]; left != 0; left &= left - 1) {
          const RowId item{first + 64 * w + static_cast<std::uint32_t>(std::countr_zero(left))};
          float raw = 0;
          score(item, std::span(&raw, 1));
          top.OfferRows(item, std::span<const float>(&raw, 1), allowed);
        }
      }
      return;
    }
  }
  Tile tile;
  const std::span<float> raw =
      std::span(tile).first(std::min(kTile, model_->items().rows() - first));
  score(RowId{first}, raw);
  top.OfferRows(RowId{first}, raw, allowed);
}

ItemList Recommender::BestOf(const UserRow& user, std::span<const RowId> candidates,
                             const ListOptions& options) const {
  SetFloatMode();
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  TopList top(CandidatesFor(options.top, options.diversity));
  for (const RowId item : candidates) {
    float raw = 0;
    model_->ScoreItems(user, item, workspace, std::span(&raw, 1));
    top.Offer(item, raw);
  }
  return ListOf(top, FoldInSource(), options);
}

Source Recommender::FoldInSource() const {
  return substance_.lists() == Source::kPopular ? Source::kPopular : Source::kFoldIn;
}

// What lists are made of comes out of `candidates`.
ItemList Recommender::ListOf(TopList& candidates, Source source, const ListOptions& options) const {
  ItemList list{.source = source, .items = candidates.Take()};
  if (options.diversity.active()) {
    list.items = Diversify(*model_, *catalogue_, list.items, options.top, options.diversity);
  }
  return list;
}

template <class Allowed>
ItemList Recommender::MostRated(std::size_t top, const Allowed& allowed) const {
  ItemList list{.source = Source::kPopular, .items = {}};
  for (const RowId item : catalogue_->popular_items()) {
    if (list.items.size() == top) break;
    // An export that is damaged may name any.
    if (Index(item) >= catalogue_->data().items() || !allowed(item)) continue;
    list.items.push_back({item, static_cast<float>(catalogue_->ItemTrainingRatings(item))});
  }
  return list;
}

ItemList Recommender::PopularItems(const ListOptions& options) const {
  return MostRated(options.top, [&](RowId item) { return Allows(item, options); });
}

ItemList Recommender::PopularFor(RowId user, const ListOptions& options) const {
  const bool chosen = options.choice != nullptr && options.choice->names_users();
  const std::span<const UserItem> own =
      chosen ? options.choice->CandidatesOf(user) : std::span<const UserItem>();
  return MostRated(options.top, [&](RowId item) {
    return Allows(user, item, options) &&
           (!chosen || std::binary_search(own.begin(), own.end(), UserItem{user, item}));
  });
}

std::vector<ScoredRow> Recommender::TopUsers(RowId item, const ListOptions& options) const {
  SetFloatMode();
  TopList list(options.top);
  if (!substance_.OfItem(item)) return list.Take();
  ServedModel::Workspace workspace = model_->MakeWorkspace();
  ForTiles(
      model_->users().rows(),
      [&](RowId first, std::span<float> raw) { model_->ScoreUsers(item, first, workspace, raw); },
      [&](std::uint32_t first, std::span<const float> raw) {
        list.OfferRows(RowId{first}, raw, [&](RowId user) {
          return substance_.OfUser(user) && Allows(user, item, options);
        });
      });
  return list.Take();
}

// The rows whose vectors have the highest cosine with that of `row`, itself left out.
template <class Allowed>
std::vector<ScoredRow> Recommender::MostAlike(const WeightTable& table, RowId row, std::size_t top,
                                              const Allowed& allowed) const {
  const std::size_t n = table.padded_dim();
  const KernelSet& kernels = model_->kernels();
  const auto norm = [&](RowId id) { return NormOf(table, kernels, id); };
  const float own_norm = norm(row);
  TopList list(top);
  ForTiles(
      table.rows(),
      [&](RowId first, std::span<float> dots) {
        kernels.score_rows(table.vector(row), table.vector(first), n, dots.size(), n, dots.data());
      },
      [&](std::uint32_t first, std::span<const float> dots) {
        for (std::uint32_t k = 0; k < dots.size(); ++k) {
          const RowId other{first + k};
          if (other == row || !allowed(other)) continue;
          list.Offer(other, CosineOf(dots[k], own_norm, norm(other)));
        }
      });
  return list.Take();
}

absl::StatusOr<std::vector<ScoredRow>> Recommender::SimilarItems(RowId item,
                                                                 const ListOptions& options) const {
  SetFloatMode();
  if (model_->items().dim() == 0) {
    return absl::FailedPreconditionError(
        "the model has no vectors of items, so none is similar to another");
  }
  if (!substance_.OfItem(item)) {
    return absl::FailedPreconditionError(
        absl::StrCat("item ", catalogue_->data().item_raw_id(item),
                     " has no training sample, so the model has learned nothing of it"));
  }
  return MostAlike(model_->items(), item, options.top,
                   [&](RowId other) { return Allows(other, options); });
}

std::vector<ScoredRow> Recommender::NearestAmong(RowId item, std::span<const RowId> among,
                                                 std::size_t top) const {
  SetFloatMode();
  TopList list(top);
  const WeightTable& table = model_->items();
  if (table.dim() == 0 || !substance_.OfItem(item)) return list.Take();
  const KernelSet& kernels = model_->kernels();
  const float own_norm = NormOf(table, kernels, item);
  for (const RowId other : among) {
    if (other == item || !substance_.OfItem(other)) continue;
    const float dot = kernels.dot(table.vector(item), table.vector(other), table.padded_dim());
    const float cosine = CosineOf(dot, own_norm, NormOf(table, kernels, other));
    if (cosine > 0) list.Offer(other, cosine);
  }
  return list.Take();
}

absl::StatusOr<std::vector<ScoredRow>> Recommender::SimilarUsers(RowId user,
                                                                 std::size_t top) const {
  SetFloatMode();
  if (model_->users().dim() == 0) {
    return absl::FailedPreconditionError(
        "the model has no vectors of users, so none is similar to another");
  }
  if (!substance_.OfUser(user)) {
    return absl::FailedPreconditionError(
        absl::StrCat("user ", catalogue_->data().user_raw_id(user),
                     " has no training sample, so the model has learned nothing of them"));
  }
  return MostAlike(model_->users(), user, top,
                   [&](RowId other) { return substance_.OfUser(other); });
}

ItemList Recommender::TopCandidates(RowId user, const ListOptions& options,
                                    ServedModel::Workspace& workspace) const {
  TopList top(CandidatesFor(options.top, options.diversity));
  for (const UserItem& pair : options.choice->CandidatesOf(user)) {
    if (!Allows(user, pair.item, options)) continue;
    float raw = 0;
    model_->ScoreItems(user, pair.item, workspace, std::span(&raw, 1));
    top.Offer(pair.item, raw);
  }
  return ListOf(top, substance_.lists(), options);
}

// Makes the lists of some users, tile by tile, so that the items stay in the cache.
void Recommender::ListUsers(std::span<const RowId> users, std::span<ItemList> lists,
                            const ListOptions& options, ServedModel::Workspace& workspace) const {
  const bool chosen = options.choice != nullptr && options.choice->names_users();
  std::vector<std::uint32_t> scored;  // Whose lists are made of all items.
  for (std::uint32_t k = 0; k < users.size(); ++k) {
    if (!substance_.OfUser(users[k])) {
      lists[k] = options.fallback_popular ? PopularFor(users[k], options) : ItemList();
    } else if (chosen) {
      lists[k] = TopCandidates(users[k], options, workspace);
    } else {
      scored.push_back(k);
    }
  }
  if (scored.empty()) return;
  std::vector<TopList> tops(scored.size(), TopList(CandidatesFor(options.top, options.diversity)));
  std::vector<std::optional<ItemSieve::Query>> queries;
  for (const std::uint32_t k : scored) {
    queries.push_back(QueryOf(model_->users().vector(users[k]), model_->users().bias(users[k])));
  }
  for (std::uint32_t first = 0; first < model_->items().rows(); first += kTile) {
    for (std::size_t k = 0; k < scored.size(); ++k) {
      const RowId user = users[scored[k]];
      OfferTile(
          first, queries[k], tops[k],
          [&](RowId item, std::span<float> raw) { model_->ScoreItems(user, item, workspace, raw); },
          [&](RowId item) { return Allows(user, item, options); });
    }
    AddTile(first);
  }
  for (std::size_t k = 0; k < scored.size(); ++k) {
    lists[scored[k]] = ListOf(tops[k], substance_.lists(), options);
  }
}

absl::Status Recommender::ForAllUsers(const ManyUsersOptions& options,
                                      const ListVisitor& visit) const {
  std::vector<RowId> users(model_->users().rows());
  for (std::uint32_t k = 0; k < users.size(); ++k) users[k] = RowId{k};
  return ForUsers(users, options, visit);
}

absl::Status Recommender::ForUsers(std::span<const RowId> users, const ManyUsersOptions& options,
                                   const ListVisitor& visit) const {
  const unsigned threads =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  std::vector<ItemList> lists(std::min<std::size_t>(kWave, users.size()));
  for (std::size_t wave = 0; wave < users.size(); wave += kWave) {
    const std::size_t in_wave = std::min<std::size_t>(kWave, users.size() - wave);
    std::atomic<std::size_t> next = 0;  // The first user of the wave that nobody has taken.
    const auto work = [&] {
      SetFloatMode();
      ServedModel::Workspace workspace = model_->MakeWorkspace();
      for (;;) {
        const std::size_t first = next.fetch_add(kGroup, std::memory_order_relaxed);
        if (first >= in_wave) return;
        const std::size_t group = std::min<std::size_t>(kGroup, in_wave - first);
        ListUsers(users.subspan(wave + first, group), std::span(lists).subspan(first, group),
                  options.list, workspace);
      }
    };
    {
      std::vector<std::jthread> helpers;
      for (unsigned k = 1; k < threads; ++k) helpers.emplace_back(work);
      work();
    }  // Joined here.
    for (std::size_t k = 0; k < in_wave; ++k) {
      if (absl::Status visited = visit(users[wave + k], lists[k]); !visited.ok()) return visited;
    }
  }
  return absl::OkStatus();
}

}  // namespace cf
