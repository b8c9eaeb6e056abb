// model_opening PATH [TIMES]: how long a snapshot or an export takes to open, and then a first list
// of ten for a user, which is what makes it read the items.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serving/open_model.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void Print(const char* what, std::vector<double> milliseconds) {
  const double first = milliseconds.front();
  std::ranges::sort(milliseconds);
  std::printf("%s: %.2f ms the first time, median %.2f, %.2f to %.2f\n", what, first,
              milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back());
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "model_opening PATH [TIMES]\n");
    return EXIT_FAILURE;
  }
  const int times = argc > 2 ? std::max(1, std::atoi(argv[2])) : 20;
  std::vector<double> opening;
  std::vector<double> listing;
  for (int k = 0; k < times; ++k) {
    const Clock::time_point start = Clock::now();
    const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open({.snapshot = argv[1]});
    opening.push_back(MillisecondsSince(start));
    if (!open.ok()) {
      std::fprintf(stderr, "model_opening: %s\n", std::string(open.status().message()).c_str());
      return EXIT_FAILURE;
    }
    const Clock::time_point opened = Clock::now();
    const ItemList list = (*open)->recommender().TopItems(RowId{0}, {.top = 10});
    listing.push_back(MillisecondsSince(opened));
    if (k == 0) std::printf("%zu items in a list\n", list.items.size());
  }
  Print("opening", std::move(opening));
  Print("a list", std::move(listing));
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
