#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cf {

/// Dense id of a user or an item: its place in the order of falling frequency (ties by raw id),
/// from 0.
enum class RowId : std::uint32_t {};

/// A user and an item. In the order of users.
struct UserItem {
  RowId user{};
  RowId item{};
  auto operator<=>(const UserItem&) const = default;
};

/// A table's number within a model; `kUsers` and `kItems` are the first two.
enum class TableId : std::uint32_t {};
inline constexpr TableId kUsers{0};
inline constexpr TableId kItems{1};

/// A partition of the job, below the configured number P.
enum class PartitionId : std::uint32_t {};

/// The number behind an identity, for indexing.
template <class Id>
requires std::is_enum_v<Id>
constexpr std::size_t Index(Id id) {
  return static_cast<std::size_t>(id);
}

}  // namespace cf
