// The main program of tests: PROGRAM [FILE] [GoogleTest's flags]. FILE, such as `mesh_test`, runs the tests of tests/.../mesh_test.cc alone, or
// those of the parameter FILE (the targets of fuzz/ are parameters of one file's tests).

#include <cstdio>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

// GoogleTest's filter for the tests of a file, or a parameter: their names with colons between them.
std::string NamesOf(std::string_view file) {
  const std::string parameter = "/" + std::string(file);
  const std::string path = parameter + ".cc";
  std::string names;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int k = 0; k < all.total_test_suite_count(); ++k) {
    const testing::TestSuite& suite = *all.GetTestSuite(k);
    for (int n = 0; n < suite.total_test_count(); ++n) {
      const testing::TestInfo& test = *suite.GetTestInfo(n);
      if (std::string_view(test.file()).ends_with(path) ||
          std::string_view(test.name()).ends_with(parameter))
        names += std::string(suite.name()) + "." + test.name() + ":";
    }
  }
  return names;
}

}  // namespace

int main(int count, char** words) {
  testing::InitGoogleMock(&count, words);
  // A filter is there already where somebody asks for single tests, and in the process that a death test starts.
  if (count > 1 && testing::GTEST_FLAG(filter) == "*") {
    testing::GTEST_FLAG(filter) = NamesOf(words[1]);
    if (testing::GTEST_FLAG(filter).empty()) {
      std::fprintf(stderr, "%s: it has no tests of %s\n", words[0], words[1]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
