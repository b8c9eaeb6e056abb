#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "serving/catalogue.h"

namespace cf {

/// Users and items by what people call them. Nothing is guessed: what is only near to a name is
/// offered in the error, not taken.
///
/// Owner:   whoever made it; the catalogue outlives it.
/// Threads: any; constant.
/// Bounds:  where a raw id is not found, a call reads all raw ids or titles.
class Lookup {
 public:
  explicit Lookup(const Catalogue& catalogue) : catalogue_(&catalogue) {}

  /// The user of a raw id. NotFound, in one line, with raw ids that are written alike.
  absl::StatusOr<RowId> User(const std::string& raw) const;

  /// The item of a raw id or, where none has it, of a title. NotFound, in one line, with titles and
  /// raw ids that are near; InvalidArgument: several items have the title.
  absl::StatusOr<RowId> Item(const std::string& name) const;

  /// The same, but all items that have the title.
  absl::StatusOr<std::vector<RowId>> Items(const std::string& name) const;

  /// The title of an item; its raw id where there is none.
  std::string NameOf(RowId item) const;

 private:
  absl::Status NoItem(const std::string& name) const;

  const Catalogue* catalogue_;
};

/// The genre of the data set that is written so, or in other upper and lower case. NotFound, in one
/// line, names those that there are; FailedPrecondition: the data set has none.
absl::StatusOr<std::string> FindGenre(const Dataset& data, const std::string& name);

/// Whether an item has a genre, as FindGenre returns it.
bool HasGenre(const Dataset& data, RowId item, std::string_view genre);

}  // namespace cf
