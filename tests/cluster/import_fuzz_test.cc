// A short form of import_fuzz_long_test.

#include "tests/cluster/import_fuzz.h"

namespace cf::import_fuzz_test {
namespace {

TEST(ImportFuzz, ReadsSixtyRandomFilesAsPythonDoes) {
  ExpectImportsAsPython(60, 1);
}

}  // namespace
}  // namespace cf::import_fuzz_test
