// Goal: the folders depend on each other as the architecture draws it, and each foreign library has
// its place. Method: read every #include of the tree; prove on made-up files that a breach is
// found.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/paths.h"

namespace cf::includes_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// From the top of the house to its ground: a folder includes itself and what stands below it.
const std::vector<std::string> kFolders = {
    "launch",         "report",          "coordinator",     "run",          "worker",
    "paramserver",    "serving",         "common/snapshot", "common/rows",  "common/rpc",
    "common/http",    "common/features", "common/dataset",  "common/model", "common/config",
    "common/metrics", "common/kernels",  "common/page",     "common/text",  "common/math",
    "common/base"};

// Who may include a foreign library's headers.
struct Place {
  std::string header;  ///< The beginning of the header's name.
  std::vector<std::string> folders;
};
const std::vector<Place> kPlaces = {
    {"mpi.h", {"launch/"}},
    {"rocksdb/", {"common/snapshot/"}},
    {"boost/asio", {"common/rpc/", "common/http/", "serving/"}},
    {"boost/beast", {"common/http/", "serving/"}},
    {"boost/json", {"serving/"}},
};

// "launch" of launch/start.h, "common/rows" of common/rows/parcel.h.
std::string FolderOf(const std::string& path) {
  const std::size_t top = path.find('/');
  return path.substr(0, path.starts_with("common/") ? path.find('/', top + 1) : top);
}

std::size_t HeightOf(const std::string& folder) {
  return static_cast<std::size_t>(std::find(kFolders.begin(), kFolders.end(), folder) -
                                  kFolders.begin());
}

// What is wrong with `file` including `header`; empty where nothing is.
std::string Complaint(const std::string& file, const std::string& header, bool ours) {
  if (ours) {
    const std::string from = FolderOf(file);
    const std::string to = FolderOf(header);
    if (HeightOf(to) == kFolders.size()) return "is not a path from the root of the tree";
    if (HeightOf(to) < HeightOf(from)) return "stands above it";
    if (from == "worker" && to == "paramserver") return "they meet in common only";
    return "";
  }
  for (const Place& place : kPlaces) {
    const bool allowed =
        std::any_of(place.folders.begin(), place.folders.end(),
                    [&file](const std::string& folder) { return file.starts_with(folder); });
    if (header.starts_with(place.header) && !allowed) return "has another place";
  }
  return "";
}

struct Include {
  std::string header;
  bool ours = false;  ///< In quotes.
};

std::vector<Include> IncludesOf(const std::string& text) {
  static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> includes;
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, include)) includes.push_back({match[2], match[1] == "\""});
  }
  return includes;
}

// "FILE includes HEADER: why not", for each breach in these files (path from the root -> text).
std::vector<std::string> Breaches(const std::map<std::string, std::string>& files) {
  std::vector<std::string> breaches;
  for (const auto& [path, text] : files) {
    for (const auto& [header, ours] : IncludesOf(text)) {
      const std::string complaint = Complaint(path, header, ours);
      if (complaint.empty()) continue;
      breaches.push_back(path + " includes " + header + ": " + complaint);
    }
  }
  return breaches;
}

// "a.h -> b.h -> a.h", for the first way back that is found from each file that has one.
std::vector<std::string> Circles(const std::map<std::string, std::string>& files) {
  std::map<std::string, std::vector<Include>> includes;
  for (const auto& [path, text] : files) includes[path] = IncludesOf(text);
  std::vector<std::string> circles;
  std::set<std::string> done;
  std::vector<std::string> way;
  const std::function<void(const std::string&)> follow = [&](const std::string& path) {
    if (const auto at = std::ranges::find(way, path); at != way.end()) {
      std::string circle;
      for (auto step = at; step != way.end(); ++step) circle += *step + " -> ";
      circles.push_back(circle + path);
      return;
    }
    if (done.contains(path) || !includes.contains(path)) return;
    way.push_back(path);
    for (const Include& include : includes[path]) {
      if (include.ours) follow(include.header);
    }
    way.pop_back();
    done.insert(path);
  };
  for (const auto& [path, text] : files) follow(path);
  return circles;
}

std::map<std::string, std::string> ReadTree() {
  static const std::set<std::string> endings = {".h", ".cc", ".inc"};
  std::map<std::string, std::string> files;
  const std::filesystem::path root = CF_SOURCE_DIR;
  std::set<std::string> tops;
  for (const std::string& folder : kFolders) tops.insert(folder.substr(0, folder.find('/')));
  for (const std::string& folder : tops) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!endings.contains(entry.path().extension())) continue;
      files[entry.path().lexically_relative(root)] = ReadFile(entry.path()).value();
    }
  }
  return files;
}

TEST(Includes, OfTheTreeFollowTheArchitecture) {
  const std::map<std::string, std::string> files = ReadTree();
  ASSERT_GT(files.size(), 10U);
  EXPECT_THAT(Breaches(files), IsEmpty());
  EXPECT_THAT(Circles(files), IsEmpty());
}

TEST(Includes, ACircleIsFound) {
  EXPECT_THAT(
      Circles({
          {"common/rows/a.h", "#include \"common/rows/b.h\"\n#include <vector>\n"},
          {"common/rows/b.h", "#include \"common/base/ids.h\"\n#include \"common/rows/c.h\"\n"},
          {"common/rows/c.h", "#include \"common/rows/a.h\"\n"},
          {"worker/d.h", "#include \"common/rows/a.h\"\n"},
      }),
      ElementsAre("common/rows/a.h -> common/rows/b.h -> common/rows/c.h -> common/rows/a.h"));
}

TEST(Includes, ABreachIsFound) {
  EXPECT_THAT(
      Breaches({
          {"common/rows/a.h", "#include \"worker/trainer.h\"\n"},
          {"common/kernels/a.h", "#include \"common/rows/rows.h\"\n"},
          {"common/new/a.h", "#include \"common/new/b.h\"\n"},
          {"coordinator/b.cc", "// first\n  #  include <mpi.h>\n#include \"launch/x.h\"\n"},
          {"paramserver/c.cc", "#include \"worker/model.h\"\n"},
          {"worker/d.cc", "#include \"paramserver/rows.h\"\n#include <rocksdb/db.h>\n"},
          {"worker/e.cc", "#include \"e.h\"\n#include <boost/asio/post.hpp>\n"},
      }),
      ElementsAre("common/kernels/a.h includes common/rows/rows.h: stands above it",
                  "common/new/a.h includes common/new/b.h: is not a path from the root of the tree",
                  "common/rows/a.h includes worker/trainer.h: stands above it",
                  "coordinator/b.cc includes mpi.h: has another place",
                  "coordinator/b.cc includes launch/x.h: stands above it",
                  "paramserver/c.cc includes worker/model.h: stands above it",
                  "worker/d.cc includes paramserver/rows.h: they meet in common only",
                  "worker/d.cc includes rocksdb/db.h: has another place",
                  "worker/e.cc includes e.h: is not a path from the root of the tree",
                  "worker/e.cc includes boost/asio/post.hpp: has another place"));
}

TEST(Includes, WhatTheArchitectureAllowsPasses) {
  EXPECT_THAT(
      Breaches({
          {"launch/a.cc", "#include <mpi.h>\n#include \"coordinator/job.h\"\n"},
          {"common/snapshot/b.cc", "#include <rocksdb/db.h>\n#include <vector>\n"},
          {"common/rpc/c.cc", "#include <boost/asio.hpp>\n#include \"common/base/ids.h\"\n"},
          {"worker/d.cc", "// #include <mpi.h> would be wrong here\n"},
      }),
      IsEmpty());
}

}  // namespace
}  // namespace cf::includes_test
