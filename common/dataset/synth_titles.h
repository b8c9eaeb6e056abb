#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cf {

/// A film that does not exist.
struct SynthFilm {
  std::string title;                  ///< "Silent Harbor, The (1994)"; unique.
  std::vector<std::uint32_t> genres;  ///< One to three, rising, below kSynthGenres.
};

inline constexpr std::uint32_t kSynthGenres = 18;

/// The genres' names as "Action|Comedy".
std::string GenreNames(const std::vector<std::uint32_t>& genres);

/// `count` films of the years up to `last_year`, most of them from its last decades.
std::vector<SynthFilm> MakeFilms(std::uint32_t count, int last_year, std::uint64_t seed);

}  // namespace cf
