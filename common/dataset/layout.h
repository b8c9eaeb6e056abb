#pragma once

#include <cstdint>

// The names of a data set's files, which its writer and its reader share. docs/dataset_format.md
// describes them.
namespace cf::layout {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr char kManifest[] = "manifest.textproto";
inline constexpr char kUserOffsets[] = "user_offsets.u64";
inline constexpr char kItems[] = "items.u32";
inline constexpr char kRatings[] = "ratings.f32";
inline constexpr char kTimestamps[] = "timestamps.i64";
inline constexpr char kValidation[] = "validation.bits";

/// Prefixes of the files about users, items, titles and genres.
inline constexpr char kUserIds[] = "user_ids";
inline constexpr char kItemIds[] = "item_ids";
inline constexpr char kTitles[] = "titles";
inline constexpr char kGenres[] = "genres";
/// Of items without ratings; outside the digest.
inline constexpr char kUnratedIds[] = "unrated_ids";
inline constexpr char kUnratedTitles[] = "unrated_titles";
inline constexpr char kUnratedGenres[] = "unrated_genres";

/// Endings after the prefixes.
inline constexpr char kNumbers[] = ".i64";
inline constexpr char kOrder[] = ".order.u32";
inline constexpr char kTextOffsets[] = ".offsets.u64";
inline constexpr char kTextBytes[] = ".bytes";

}  // namespace cf::layout
