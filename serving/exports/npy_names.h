#pragma once

#include <cstdint>

// The names of what an npy export has beside the arrays of its model to be served from, which its
// writer and its reader share; docs/export_format.md describes them. Arrays end in .npy.
namespace cf {

/// Version of this layout.
inline constexpr std::uint32_t kIndexVersion = 1;

namespace npy {

inline constexpr char kDescription[] = "description.textproto";

/// Behind the name of an array of vectors whose rows are no multiple of 64 bytes.
inline constexpr char kPadded[] = "_padded";

/// Prefixes of what names rows, and endings behind them.
inline constexpr char kUserIds[] = "user_ids";
inline constexpr char kItemIds[] = "item_ids";
inline constexpr char kItemTitles[] = "item_titles";
inline constexpr char kItemGenres[] = "item_genres";
inline constexpr char kUnratedIds[] = "unrated_ids";
inline constexpr char kUnratedTitles[] = "unrated_titles";
inline constexpr char kUnratedGenres[] = "unrated_genres";
inline constexpr char kOrder[] = "_order";
inline constexpr char kOffsets[] = "_offsets";
inline constexpr char kBytes[] = "_bytes";

inline constexpr char kSeenOffsets[] = "seen_offsets";
inline constexpr char kSeenItems[] = "seen_items";
inline constexpr char kSeenRatings[] = "seen_ratings";
inline constexpr char kSeenInTraining[] = "seen_in_training";
/// Behind the name of a feature that every sample has a row of.
inline constexpr char kOfSamples[] = "_of_samples";

inline constexpr char kUserTraining[] = "user_training_ratings";
inline constexpr char kItemTraining[] = "item_training_ratings";
inline constexpr char kPopularItems[] = "popular_items";
inline constexpr char kUserLearned[] = "user_learned";
inline constexpr char kItemLearned[] = "item_learned";

}  // namespace npy
}  // namespace cf
