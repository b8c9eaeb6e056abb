#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/dataset/dataset.h"
#include "common/dataset/vocabulary.h"

namespace cf {

/// How many of the ids of one side the other side has.
struct JoinCount {
  std::uint64_t joined = 0;
  std::uint64_t all = 0;
  /// "1.0 is not 1" where an id that does not join is another way to write one that would; else
  /// empty.
  std::string hint = {};

  std::uint64_t missing() const { return all - joined; }
};

/// An id without what tables change on the way: blanks around it, upper case, zeros in front, ".0"
/// behind.
std::string CommonForm(std::string_view id);

/// "1.0 is not 1": the first of the ids that has the common form of a known one without being it;
/// empty if none has.
std::string NearMiss(std::span<const std::string> missing, std::span<const std::string> known);

/// Ids that are one in common form: how many there are beside the first of each, and two of them
/// ("1.0 is not 1"). None among numbers.
struct Twins {
  std::uint64_t count = 0;
  std::string hint = {};
};
Twins FindTwins(const Vocabulary& ids);

/// How many of the users and items of the given validation samples have training samples.
struct ValidationJoin {
  JoinCount users;
  JoinCount items;
};
/// Requires: the data set has given validation samples. Reads its samples once.
ValidationJoin JoinValidation(const Dataset& data);

/// "7 of 7 validation users have no training sample (1.0 is not 1)".
std::string MissingText(const JoinCount& count, const std::string& noun, const std::string& what);

}  // namespace cf
