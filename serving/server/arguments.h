#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/http/target.h"
#include "serving/catalogue.h"

namespace cf {

/// What a request says beside its path, in its query or as a JSON object: one or several texts by
/// name, numbers among them, and lists of small objects. It is taken argument by argument; what is
/// wrong first, or was taken by nobody, is the error of the whole.
///
/// Owner:   whoever answers the request.
/// Threads: one.
/// Bounds:  those of the request.
class Arguments {
 public:
  /// An object of a list, such as a pair: its texts by name.
  using Record = std::map<std::string, std::string>;

  static Arguments OfQuery(std::span<const QueryParameter> query);
  /// InvalidArgument: the text is no JSON object, or holds something else than texts, numbers, lists
  /// of these, and lists of objects of these.
  static absl::StatusOr<Arguments> OfBody(std::string_view json);

  bool Has(const std::string& name) const;

  /// A text that is given once. Nothing where it is not there.
  std::optional<std::string> Text(const std::string& name);
  /// All that are given, in their order.
  std::vector<std::string> Texts(const std::string& name);
  /// The objects of a list. Each has these members and no others.
  std::vector<Record> Records(const std::string& name, const std::set<std::string>& members);
  /// A whole number from `least` to `most`; `otherwise` where it is not there.
  std::size_t Count(const std::string& name, std::size_t otherwise, std::size_t most,
                    std::size_t least = 1);
  /// A number from 0 to 1; nothing where it is not there.
  std::optional<double> Share(const std::string& name);
  /// One of these words; nothing where it is not there.
  std::optional<std::string> Word(const std::string& name, const std::vector<std::string>& words);

  /// Refuses a name, if it is there, for a reason.
  void Refuse(const std::string& name, const std::string& reason);

  /// InvalidArgument: what is wrong with what was taken, or that nobody has taken something.
  absl::Status Finish() const;

 private:
  void Fail(const std::string& reason);

  std::map<std::string, std::vector<std::string>> texts_;
  std::map<std::string, std::vector<Record>> records_;
  std::set<std::string> taken_;
  absl::Status wrong_;
};

/// The number that a text is, in JSON's or a common other notation; nothing where it is none, or not
/// finite.
std::optional<float> FloatOf(const std::string& text);

/// The argument `mask`; all where it is not there.
Mask TakeMask(Arguments& arguments);

}  // namespace cf
