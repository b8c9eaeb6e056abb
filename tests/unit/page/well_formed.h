#pragma once

#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace cf {

/// Reads `markup` with Python's XML parser and gives the texts of all its `tag` elements; the test
/// fails where it is not well-formed.
inline std::vector<std::string> ElementsOf(const std::string& markup, const std::string& tag) {
  const std::string path =
      ::testing::TempDir() + "/well_formed_" + std::to_string(::getpid()) + ".xml";
  std::ofstream(path, std::ios::binary) << markup;
  constexpr char kScript[] =
      "import sys, xml.dom.minidom as x\n"
      "text = lambda n: n.data if n.nodeType == n.TEXT_NODE else ''.join(map(text, n.childNodes))\n"
      "for e in x.parse(sys.argv[1]).getElementsByTagName(sys.argv[2]):\n"
      "  print(text(e).replace('\\n', ' '))\n";
  Process python({"/usr/bin/python3", "-X", "utf8", "-c", kScript, path, tag});
  const Process::Result result = python.Wait();
  EXPECT_EQ(result.exit_code, 0) << result.errors << markup;
  ::unlink(path.c_str());
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < result.output.size();) {
    const std::size_t end = result.output.find('\n', begin);
    lines.push_back(result.output.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace cf
