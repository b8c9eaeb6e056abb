#include "common/dataset/synth_titles.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include <absl/strings/str_cat.h>

#include "common/dataset/synth_streams.h"
#include "common/math/random.h"

namespace cf {
namespace {

struct Genre {
  const char* name;
  std::uint32_t films;  // Out of a thousand, about as in MovieLens.
};

constexpr std::array<Genre, kSynthGenres> kGenres = {{{"Action", 65},
                                                      {"Adventure", 43},
                                                      {"Animation", 20},
                                                      {"Children", 22},
                                                      {"Comedy", 155},
                                                      {"Crime", 55},
                                                      {"Documentary", 45},
                                                      {"Drama", 250},
                                                      {"Fantasy", 26},
                                                      {"Film-Noir", 8},
                                                      {"Horror", 50},
                                                      {"IMAX", 4},
                                                      {"Musical", 20},
                                                      {"Mystery", 30},
                                                      {"Romance", 77},
                                                      {"Sci-Fi", 33},
                                                      {"Thriller", 80},
                                                      {"Western", 17}}};

constexpr std::array<const char*, 64> kAdjectives = {
    "Amber",    "Ancient",  "Bitter",  "Black",     "Blue",      "Borrowed", "Broken",   "Burning",
    "Careless", "Clever",   "Cold",    "Crimson",   "Crooked",   "Dancing",  "Dark",     "Dear",
    "Distant",  "Double",   "Early",   "Electric",  "Empty",     "Endless",  "Faithful", "Fallen",
    "Final",    "First",    "Foreign", "Forgotten", "Frozen",    "Gentle",   "Gilded",   "Golden",
    "Great",    "Green",    "Hidden",  "Hollow",    "Invisible", "Iron",     "Last",     "Little",
    "Lonely",   "Long",     "Lost",    "Lucky",     "Midnight",  "Modern",   "Northern", "Paper",
    "Perfect",  "Quiet",    "Red",     "Restless",  "Royal",     "Secret",   "Seventh",  "Silent",
    "Silver",   "Southern", "Strange", "Summer",    "Velvet",    "White",    "Wild",     "Winter"};

constexpr std::array<const char*, 80> kNouns = {
    "Affair",   "Alibi",    "Angel",     "Anthem",     "Arrow",      "Avenue",   "Ballad",
    "Bargain",  "Battle",   "Bridge",    "Butterfly",  "Carnival",   "Castle",   "Chance",
    "City",     "Clock",    "Coast",     "Comet",      "Conspiracy", "Country",  "Crossing",
    "Crown",    "Daughter", "Detective", "Diary",      "Dinner",     "Dream",    "Echo",
    "Empire",   "Enemy",    "Escape",    "Evening",    "Express",    "Eye",      "Falcon",
    "Family",   "Fire",     "Forest",    "Friend",     "Game",       "Garden",   "Ghost",
    "Guest",    "Harbor",   "Heart",     "Highway",    "Holiday",    "Horizon",  "Hotel",
    "House",    "Hunter",   "Island",    "Journey",    "Judge",      "Key",      "King",
    "Kiss",     "Lantern",  "Letter",    "Lighthouse", "Machine",    "Mirror",   "Moon",
    "Mountain", "Orchard",  "Planet",    "Promise",    "Rain",       "River",    "Road",
    "Season",   "Shadow",   "Silence",   "Sister",     "Song",       "Stranger", "Train",
    "Valley",   "Witness",  "Wolf"};

/// Draws one after the other from a stream.
class Dice {
 public:
  explicit Dice(CounterRandom random) : random_(random) {}
  std::uint32_t Below(std::uint64_t bound) {
    return static_cast<std::uint32_t>(random_.Below(next_++, bound));
  }
  double Uniform() { return random_.UniformDouble(next_++); }

 private:
  CounterRandom random_;
  std::uint64_t next_ = 0;
};

std::string MakeName(Dice& dice) {
  const char* adjective = kAdjectives[dice.Below(kAdjectives.size())];
  const char* noun = kNouns[dice.Below(kNouns.size())];
  const char* other = kNouns[dice.Below(kNouns.size())];
  switch (dice.Below(6)) {
    case 0:
      return absl::StrCat(adjective, " ", noun, ", The");  // As MovieLens sorts articles.
    case 1:
      return absl::StrCat(noun, " of the ", other);
    case 2:
      return absl::StrCat(noun, " and the ", other, ", The");
    case 3:
      return absl::StrCat("My ", adjective, " ", noun);
    case 4:
      return absl::StrCat(noun, " in the ", adjective, " ", other);
    default:
      return absl::StrCat(adjective, " ", noun);
  }
}

std::uint32_t DrawGenre(Dice& dice) {
  std::uint32_t left = dice.Below(1000);
  std::uint32_t genre = 0;
  while (left >= kGenres[genre].films) left -= kGenres[genre++].films;
  return genre;
}

}  // namespace

std::string GenreNames(const std::vector<std::uint32_t>& genres) {
  std::string names;
  for (const std::uint32_t genre : genres) {
    absl::StrAppend(&names, names.empty() ? "" : "|", kGenres[genre].name);
  }
  return names;
}

std::vector<SynthFilm> MakeFilms(std::uint32_t count, int last_year, std::uint64_t seed) {
  std::vector<SynthFilm> films(count);
  std::unordered_set<std::string> taken;
  for (std::uint32_t i = 0; i < count; ++i) {
    Dice dice(SynthRandom(seed, SynthStream::kFilm, i));
    SynthFilm& film = films[i];
    const std::uint32_t genres = 1 + dice.Below(3);
    for (std::uint32_t g = 0; g < genres; ++g) film.genres.push_back(DrawGenre(dice));
    std::sort(film.genres.begin(), film.genres.end());
    film.genres.erase(std::unique(film.genres.begin(), film.genres.end()), film.genres.end());
    // The cube of a uniform: half of the films are from the last eleven years of ninety.
    const double age = dice.Uniform();
    const int year = last_year - static_cast<int>(90.0 * age * age * age);
    do {
      film.title = absl::StrCat(MakeName(dice), " (", year, ")");
    } while (!taken.insert(film.title).second);
  }
  return films;
}

}  // namespace cf
