#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace cf {

/// What a column of a file of ratings holds.
enum class Role { kUser, kItem, kRating, kTimestamp };
inline constexpr std::array<Role, 4> kRoles = {Role::kUser, Role::kItem, Role::kRating,
                                               Role::kTimestamp};

/// The member of `columns` that is the role's.
template <class Columns>
auto& MemberOf(Columns& columns, Role role) {
  switch (role) {
    case Role::kUser:
      return columns.user;
    case Role::kItem:
      return columns.item;
    case Role::kRating:
      return columns.rating;
    case Role::kTimestamp:
      break;
  }
  return columns.timestamp;
}

/// "user", as --columns has it.
const char* NameOf(Role role);

/// The names that a header has for the role, normalised; earlier ones are preferred.
std::span<const std::string_view> UsualNames(Role role);

/// All of them, for people: "userid, user, uid".
std::string UsualNamesText(Role role);

/// Names are compared so: lower case, letters and digits only, without the type behind a colon that
/// some files have, so that "User_ID", "userId", "user id" and "user_id:token" are one.
std::string NormalizedName(std::string_view name);

/// The place of the column with the first of the names that the header has; -1 if it has none.
int PlaceOf(std::span<const std::string> header, std::span<const std::string_view> names);

/// Which columns hold what (--columns), by role: all by the header's names, or all by numbers from
/// 1, which mean that there is no header.
struct ColumnChoice {
  std::string user = {};
  std::string item = {};
  std::string rating = {};
  std::string timestamp = {};

  const std::string& of(Role role) const { return MemberOf(*this, role); }
  std::string& of(Role role) { return MemberOf(*this, role); }
  bool empty() const { return user.empty() && item.empty() && rating.empty() && timestamp.empty(); }
  bool by_number() const;
};

/// Parses "user=NAME,item=NAME,rating=NAME,timestamp=NAME" or some of these. InvalidArgument says
/// what is wrong; names and numbers do not mix.
absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text);

/// The number from 1 of a column, if the text is one.
std::optional<int> ColumnNumber(std::string_view text);

/// As it is typed in a shell, "user=User-ID,rating=My Rating" in quotes where it must be.
std::string ColumnsFlag(const ColumnChoice& columns);

}  // namespace cf
