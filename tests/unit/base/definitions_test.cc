// Goal: a name means one thing in namespace cf: two classes of one name that no file includes
// together still link into one program, which then uses either for both. Method: read every
// definition of a class, struct, union and enum of the tree; prove on made-up files that a second
// one is found.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/paths.h"

namespace cf::definitions_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// The text with comments and preprocessor lines blank and literals empty: what braces are left are
// the language's.
std::string Bare(const std::string& text) {
  static const std::regex unread(
      R"re(R"(\w*)\([\s\S]*?\)\1")re"                   // Raw strings,
      R"re(|"(?:[^"\\\n]|\\.)*")re"                     // strings,
      R"re(|'(?:[^'\\\n]|\\.)'|'\\[^'\n]+')re"          // characters (not the commas of 1'000),
      R"re(|//[^\n]*|/\*[\s\S]*?\*/)re"                 // comments,
      R"re(|(?:^|\n)[ \t]*#(?:[^\n\\]|\\[\s\S])*)re");  // directives.
  return std::regex_replace(text, unread, " ");
}

// The name that the words before a '{' define; empty where they define no type.
std::string DefinedName(const std::string& words) {
  static const std::regex type(
      R"(^\s*(?:template\s*<[\s\S]*>\s*)?(?:class|struct|union|enum(?:\s+(?:class|struct))?)\s+)"
      R"((?:alignas\s*\([^)]*\)\s*|\[\[[^\]]*\]\]\s*)*(\w[\w:]*)(\s+final)?\s*(?::[^:][\s\S]*)?$)");
  std::smatch match;
  return std::regex_match(words, match, type) ? match[1].str() : "";
}

// The name of the namespace that the words before a '{' open, "" for one without a name; nullopt
// where they open none.
std::optional<std::string> OpenedNamespace(const std::string& words) {
  static const std::regex opened(R"(^\s*(?:inline\s+)?namespace\b\s*([\w:]*)\s*$)");
  std::smatch match;
  if (!std::regex_match(words, match, opened)) return std::nullopt;
  return match[1].str();
}

// The types that a file defines in namespaces that have names, by their full names. Types in types
// and in functions are their owners' affair.
std::vector<std::string> DefinitionsIn(const std::string& text) {
  std::vector<std::string> definitions;
  std::vector<std::string> scopes;  // "cf::" of each namespace around; "" of whatever else.
  std::size_t closed = 0;           // How many of `scopes` from the left are named namespaces.
  std::string words;                // Since the last ';', '{' or '}'.
  for (const char c : Bare(text)) {
    if (c == ';') {
      words.clear();
    } else if (c == '}') {
      if (!scopes.empty()) scopes.pop_back();
      closed = std::min(closed, scopes.size());
      words.clear();
    } else if (c == '{') {
      const std::optional<std::string> name = OpenedNamespace(words);
      const bool named_only = closed == scopes.size();
      if (const std::string type = DefinedName(words); named_only && !type.empty()) {
        std::string full;
        for (const std::string& scope : scopes) full += scope;
        definitions.push_back(full + type);
      }
      const bool named = name.has_value() && !name->empty();
      scopes.push_back(named ? *name + "::" : "");
      if (named_only && named) ++closed;
      words.clear();
    } else {
      words += c;
    }
  }
  return definitions;
}

// "NAME: in FILE and FILE", for each name of cf that is defined more than once.
std::vector<std::string> Repeated(const std::map<std::string, std::string>& files) {
  std::map<std::string, std::vector<std::string>> places;
  for (const auto& [path, text] : files) {
    for (const std::string& name : DefinitionsIn(text)) {
      if (name.starts_with("cf::")) places[name].push_back(path);
    }
  }
  std::vector<std::string> repeated;
  for (const auto& [name, paths] : places) {
    if (paths.size() == 1) continue;
    std::string line = name + ": in " + paths.front();
    for (std::size_t k = 1; k < paths.size(); ++k) line += " and " + paths[k];
    repeated.push_back(line);
  }
  return repeated;
}

std::map<std::string, std::string> ReadTree() {
  static const std::set<std::string> endings = {".h", ".cc", ".inc"};
  const std::filesystem::path root = CF_SOURCE_DIR;
  std::map<std::string, std::string> files;
  for (const char* const folder : {"common", "coordinator", "launch", "paramserver", "report",
                                   "run", "serving", "worker", "tests/support"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!endings.contains(entry.path().extension())) continue;
      files[entry.path().lexically_relative(root)] = ReadFile(entry.path()).value();
    }
  }
  return files;
}

TEST(Definitions, OfTheTreeHaveOneNameEach) {
  const std::map<std::string, std::string> files = ReadTree();
  std::size_t definitions = 0;
  for (const auto& [path, text] : files) definitions += DefinitionsIn(text).size();
  ASSERT_GT(definitions, 200U) << "the reading of the tree misses most of it";
  EXPECT_THAT(Repeated(files), IsEmpty());
}

TEST(Definitions, ASecondOneIsFound) {
  EXPECT_THAT(
      Repeated({
          {"common/a.h", "namespace cf {\nclass Reader {\n  int x = 1;\n};\nstruct Once {};\n}\n"},
          {"worker/b.h",
           "namespace cf {\nstruct Reader final : Base<int> {};\n"
           "enum class Kind : int { kOne };\n}"},
          {"worker/c.cc",
           "#include <a>\nnamespace cf {\nnamespace {\nint x{0};\n}\n"
           "template <class T, int N>\nclass Reader {};\nenum Kind {};\n}"},
          {"run/d.h", "namespace cf::run {\nclass Once {};\n}\n"},
          {"run/e.h", "namespace cf { namespace run {\nunion Once { int a; };\n} }\n"},
      }),
      ElementsAre("cf::Kind: in worker/b.h and worker/c.cc",
                  "cf::Reader: in common/a.h and worker/b.h and worker/c.cc",
                  "cf::run::Once: in run/d.h and run/e.h"));
}

TEST(Definitions, NestedNamelessAndForeignOnesPass) {
  EXPECT_THAT(
      Repeated({
          {"a.h",
           "namespace cf {\nclass A {\n  struct Options { int x; };\n  void F() { class L {};"
           " }\n};\nclass Later;\nenum class Id : int;\n}\n"},
          {"b.h",
           "namespace cf {\nclass B {\n  struct Options {};\n};\nclass Later {};\n"
           "enum class Id : int {};\nstruct Options F(class Later* x) { return {}; }\n}\n"},
          {"c.cc",
           "namespace cf {\nnamespace {\nclass Later {};\nnamespace deep { class Id {}; }\n"
           "}  // namespace\n// class Later {};\nconst char* x = \"class Later {\";\n"
           "char y = '{';\nint z = 1'000;\n/* class Later {} */\n}\n"},
          {"d.cc", "class Later {};\nnamespace other {\nclass Later {};\n}\n"},
      }),
      IsEmpty());
}

TEST(Definitions, AreReadByTheirWholeNames) {
  EXPECT_THAT(DefinitionsIn("namespace cf {\nclass alignas(64) A {};\nstruct [[nodiscard]] B\n"
                            "    : public A {};\nstruct A::Inner {};\n}\nenum class C {};\n"),
              UnorderedElementsAre("cf::A", "cf::B", "cf::A::Inner", "C"));
}

}  // namespace
}  // namespace cf::definitions_test
