// Goal: an import takes from a file what a reader with nothing in common takes from it.
// Method: random files over separators, quotes, ends of line, encodings, times and threads, against
// Python's standard library; at least 80 in a hundred are accepted, and all are equal.

#include "tests/cluster/import_fuzz.h"

namespace cf::import_fuzz_long_test {
namespace {

TEST(ImportFuzz, ReadsAThousandRandomFilesAsPythonDoes) {
  ExpectImportsAsPython(1000, 2026);
}

}  // namespace
}  // namespace cf::import_fuzz_long_test
