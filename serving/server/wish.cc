#include "serving/server/wish.h"

#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

constexpr std::size_t kReasonsMax = 5;
constexpr std::size_t kGenreCapMax = 1'000'000;

DiversityOptions TakeDiversity(Arguments& arguments) {
  DiversityOptions options;
  const std::optional<double> strength = arguments.Share("diversity");
  options.strength = strength.value_or(0);
  const std::optional<std::string> alike_by = arguments.Word("alike_by", {"vectors", "genres"});
  if (!strength.has_value()) arguments.Refuse("alike_by", "says nothing without 'diversity'");
  if (alike_by == "genres") options.likeness = LikenessOf::kGenres;
  if (alike_by == "vectors") options.likeness = LikenessOf::kVectors;
  if (const std::size_t cap = arguments.Count("genre_cap", 0, kGenreCapMax); cap > 0) {
    options.genre_cap = static_cast<std::uint32_t>(cap);
  }
  return options;
}

}  // namespace

Wish TakeWish(Arguments& arguments, const EndpointLimits& limits) {
  Wish wish;
  wish.top = arguments.Count("k", kItemsOfUser, limits.list_max);
  wish.mask = TakeMask(arguments);
  wish.fallback = arguments.Word("fallback", {"popular"}).has_value();
  wish.diversity = TakeDiversity(arguments);
  wish.because = arguments.Count("because", 0, kReasonsMax, 0);
  if (wish.varied() && wish.top > limits.varied_max) {
    arguments.Refuse("k", absl::StrCat("is at most ", limits.varied_max,
                                       " with diversity, genre_cap or because"));
  }
  return wish;
}

absl::Status ChooseGenres(const LiveModel& model, const std::vector<std::string>& genres,
                          Wish& wish) {
  absl::StatusOr<std::shared_ptr<const ItemChoice>> choice = model.OfGenres(genres);
  // A genre that there is not is a mistake in the request, wherever the error comes from.
  if (!choice.ok()) return absl::InvalidArgumentError(std::string(choice.status().message()));
  wish.choice = *std::move(choice);
  return absl::OkStatus();
}

std::vector<ArgumentNote> WishNotes(const EndpointLimits& limits, Place place,
                                    const std::string& fallback) {
  return {CountNote(kItemsOfUser, limits.list_max, place),
          MaskNote(place),
          GenreNote(place),
          FallbackNote(place, fallback),
          {.name = "diversity",
           .place = place,
           .type = Type::kShare,
           .what = absl::StrCat("How much of its scores a list by the model gives up so that its "
                                "items differ (0). With it, genre_cap or because, k is at most ",
                                limits.varied_max, ".")},
          {.name = "alike_by",
           .place = place,
           .type = Type::kWord,
           .what = "With diversity: what makes two items alike (genres where items have them, else "
                   "vectors).",
           .words = {"vectors", "genres"}},
          {.name = "genre_cap",
           .place = place,
           .type = Type::kCount,
           .what = "How many items of a genre a list by the model holds at most.",
           .most = kGenreCapMax},
          {.name = "because",
           .place = place,
           .type = Type::kCount,
           .what = "How many of the items that the user likes each item of a list by the model "
                   "names: those nearest to it (0). Liked is what was given at least the user's "
                   "mean rating, or clicked.",
           .least = 0,
           .most = kReasonsMax}};
}

absl::Status UnknownUser(const std::string& user) {
  return absl::NotFoundError(
      absl::StrCat("no user '", user, "'; fallback=popular gives the most rated items"));
}

absl::Status NothingLearned(const std::string& user) {
  return absl::NotFoundError(absl::StrCat(
      "user '", user, "' has no training sample; fallback=popular gives the most rated items"));
}

}  // namespace cf
