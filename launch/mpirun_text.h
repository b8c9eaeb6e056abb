#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/output_relay.h"

namespace cf {

/// Parts what mpirun itself prints from what its ranks do, which comes through the same pipes: the
/// map of ranks in its output, and among its errors its explanations, each of them
/// between two lines of dashes. What mpirun says is worth reading where no rank could start, and is
/// a page of text below a rank's own line elsewhere.
///
/// Owner:   an OutputRelay.
/// Threads: one.
/// Bounds:  what is kept is cut off at kKeptMax; a line may be as long as it likes. A frame without
///          an end ends after kFrameLinesMax lines, so that what ranks say comes through.
class MpirunSieve {
 public:
  enum class Stream { kOutput, kErrors };
  static constexpr std::size_t kKeptMax = std::size_t{1} << 20;
  static constexpr int kFrameLinesMax = 60;

  explicit MpirunSieve(Stream stream) : stream_(stream) {}

  /// Takes the next bytes; after the `last` ones nothing is held back any more.
  Sifted operator()(std::string_view bytes, bool last);

 private:
  enum class Place { kInside, kOutside };

  void TakeByte(char byte, Sifted& sifted);
  bool MayBeKept() const;
  bool EndLine();
  void Put(std::string text, bool keep, Sifted& sifted);

  Stream stream_;
  Place place_ = Place::kOutside;
  std::string line_;      // Held back until it is known whose it is.
  bool passing_ = false;  // The rest of the line, whose beginning was passed on.
  std::size_t kept_bytes_ = 0;
  int lines_inside_ = 0;
};

/// The host of each rank, as mpirun's map of a job has them (--display-map); empty where there is no
/// such map.
std::vector<std::string> HostsByRank(std::string_view map);

/// A rank that a signal has killed.
struct RankDeath {
  int rank = 0;
  std::string host;
  int signal = 0;
};

/// The first such rank that mpirun's `errors` tell of.
std::optional<RankDeath> FindDeath(std::string_view errors);

/// Whether mpirun's `errors` tell that it has lost a host, or its own daemon there.
bool HasLostHost(std::string_view errors);

/// Whether a rank has said that it lost another one.
bool HasLostRank(std::string_view errors);

/// The exit code of the first process that mpirun's `errors` say did not end well by itself, so that mpirun
/// ended the others; nothing where they do not.
std::optional<int> FindFailure(std::string_view errors);

/// The last line in which a rank said why it ends, "cfworker: ..." without that name; a copy of such
/// lines is kept. Empty where none did.
std::string LastLineOfRanks(std::string_view errors);

/// What mpirun's `errors` say of why it could not start a job, each explanation once, indented by
/// two spaces, with a line end; empty where they say nothing.
std::string ExplanationIn(std::string_view errors);

}  // namespace cf
