// Goal: ranks that mpirun started learn the same of each other, a failure of one is told once and
// is everybody's, and no rank outlives its mpirun. Method: real ranks
// (tests/support/rendezvous_probe).

#include "launch/rendezvous.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace cf::rendezvous_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kProbe[] = CF_BIN_DIR "/../tests/rendezvous_probe";

std::vector<std::string> Command(int ranks, const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> command = {"mpirun", "--quiet", "-n", std::to_string(ranks), kProbe};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(Rendezvous, TellsEveryRankTheSame) {
  const Process::Result result = Process(Command(3), OpenMpiEnvironment()).Wait();
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const std::vector<std::string> lines = Lines(result.output);
  ASSERT_EQ(lines.size(), 3U) << result.output;
  std::set<std::string> shared;
  for (std::size_t rank = 0; rank < 3; ++rank) {
    const std::string place = "met " + std::to_string(rank) + "/3 ";
    ASSERT_EQ(lines[rank].substr(0, place.size()), place);
    shared.insert(lines[rank].substr(place.size()));
  }
  ASSERT_EQ(shared.size(), 1U) << result.output;
  // One host: nothing listens wider than loopback.
  EXPECT_THAT(*shared.begin(),
              AllOf(HasSubstr("hosts 1 note note of 0 key "), HasSubstr("listening 127.0.0.1:"),
                    HasSubstr(" own"), Not(HasSubstr("key 0.0.0.0.0.0.0.0."))));
}

TEST(Rendezvous, IsOfOneWithoutMpirun) {
  const Process::Result result = Process({kProbe}).Wait();
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("met 0/1 hosts 1 note note of 0"), HasSubstr(" own")));
  EXPECT_EQ(Process({kProbe, "ready", "0"}).Wait().exit_code, kExitUserInput);
}

TEST(Rendezvous, OneRanksFailureIsEverybodysAndToldOnce) {
  for (const std::string what : {"ready", "check"}) {
    const Process::Result result = Process(Command(3, {what, "1"}), OpenMpiEnvironment()).Wait();
    EXPECT_EQ(result.exit_code, kExitUserInput) << what;
    EXPECT_EQ(result.output, "") << what;
    EXPECT_EQ(result.errors, "probe: rank 1 fails\n") << what;
  }
}

TEST(Rendezvous, NoRankOutlivesAKilledMpirun) {
  const TemporaryFolder folder;  // And of what a killed mpirun leaves.
  const std::string locks = folder.At("lock");
  // Free as soon as the rank is gone, whatever became of its process number.
  const auto is_free = [&locks](int rank) {
    const int file = ::open((locks + std::to_string(rank)).c_str(), O_RDWR | O_CLOEXEC);
    const bool free = file >= 0 && ::lockf(file, F_TEST, 0) == 0;
    ::close(file);
    return free;
  };
  const auto is_locked = [&](int rank) {
    const std::string path = locks + std::to_string(rank);
    return std::filesystem::exists(path) && std::filesystem::file_size(path) > 0;
  };
  std::map<std::string, std::string> environment = OpenMpiEnvironment();
  environment["OMPI_MCA_orte_tmpdir_base"] = folder.path();
  Process mpirun(Command(2, {"wait", locks}), environment);
  ASSERT_TRUE(Eventually([&] { return is_locked(0) && is_locked(1); }));
  ASSERT_FALSE(is_free(0) || is_free(1));
  mpirun.Signal(SIGKILL);
  EXPECT_EQ(mpirun.Wait().exit_code, 128 + SIGKILL);
  EXPECT_TRUE(Eventually([&] { return is_free(0) && is_free(1); }, std::chrono::seconds(10)));
}

}  // namespace
}  // namespace cf::rendezvous_test
