#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cf::fuzz {

/// What a file in targets/ says of one reader of what others wrote. libfuzzer.cc makes a fuzzer of it
/// (preset fuzz), mutations_test.cc a test (all others).
struct FuzzTarget {
  const char* name;  ///< The file's, and the test's.

  /// Gives the bytes to the reader and, where it takes them, checks what it promises of what it has
  /// read; a broken promise stops the process. Returns whether it took them.
  bool (*run)(std::span<const std::byte> bytes);

  /// Sound inputs, all of which the reader takes.
  std::vector<std::string> (*seeds)();

  int rounds = 5000;  ///< Mutations of the seeds that the test makes.

  /// Of a hundred of them, how many must be taken, and as many refused, at least: a side that is starved
  /// proves nothing of itself.
  int share_min = 1;

  friend void PrintTo(const FuzzTarget& target, std::ostream* out) { *out << target.name; }
};

/// The targets of this program.
inline std::vector<FuzzTarget>& Targets() {
  static std::vector<FuzzTarget> targets;
  return targets;
}

/// For a target's last line; true.
inline bool AddTarget(const FuzzTarget& target) {
  Targets().push_back(target);
  return true;
}

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Inputs of several files are these one after another, each but the last ended by kEndOfPiece.
inline constexpr std::string_view kEndOfPiece = "\n--8<--\n";

/// The first `count` pieces of an input; those that are not there are empty.
inline std::vector<std::string_view> PiecesOf(std::string_view input, std::size_t count) {
  std::vector<std::string_view> pieces(count);
  for (std::string_view& piece : pieces) {
    const std::size_t end = std::min(input.find(kEndOfPiece), input.size());
    piece = input.substr(0, end);
    input.remove_prefix(std::min(end + kEndOfPiece.size(), input.size()));
  }
  return pieces;
}

/// An input with one to `changes_max` changes of a few bytes each: other values, bits, removals, and
/// pieces of `other` or bytes of `alphabet` (if there are any) put in.
inline std::string Mutated(std::string input, std::string_view other, std::string_view alphabet,
                           std::size_t changes_max, std::mt19937_64& random) {
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (std::size_t changes = 1 + below(changes_max); changes > 0; --changes) {
    if (input.empty()) input = " ";
    const std::size_t at = below(input.size());
    switch (below(6)) {
      case 0:
        input[at] = static_cast<char>(below(256));
        break;
      case 1:
        input[at] = static_cast<char>(static_cast<unsigned char>(input[at]) ^ (1U << below(8)));
        break;
      case 2:
        input.erase(at, 1 + below(20));
        break;
      case 3:
        if (!other.empty()) input.insert(at, other.substr(below(other.size()), 1 + below(40)));
        break;
      case 4:
        input.resize(below(4) == 0 ? at : input.size());
        break;
      default:
        if (!alphabet.empty()) input[at] = alphabet[below(alphabet.size())];
    }
  }
  return input;
}

}  // namespace cf::fuzz
