// Goal: a container's or a batch job's memory limit is found. Method: control groups of both
// versions, laid out as the kernel shows them.

#include "launch/resources.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

namespace cf::resources_test {
namespace {

class ResourcesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ::testing::TempDir() + "cgroups_" + std::to_string(::getpid());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& group, const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(root_ + group);
    std::ofstream(root_ + group + "/" + name) << text << "\n";
  }

  std::string root_;
};

TEST_F(ResourcesTest, TheLeastLimitAroundAGroupCounts) {
  Write("/slurm/job_1", "memory.max", "4194304000");
  Write("/slurm/job_1/step_0", "memory.max", "max");
  EXPECT_EQ(CgroupMemoryLimit("0::/slurm/job_1/step_0\n", root_), 4194304000U);
  Write("/slurm", "memory.max", "1048576000");
  EXPECT_EQ(CgroupMemoryLimit("0::/slurm/job_1/step_0\n", root_), 1048576000U);
}

TEST_F(ResourcesTest, VersionOneIsReadToo) {
  Write("/memory/docker/c1", "memory.limit_in_bytes", "2097152000");
  Write("/memory", "memory.limit_in_bytes", "9223372036854771712");  // None.
  EXPECT_EQ(CgroupMemoryLimit("9:memory:/docker/c1\n1:cpu,cpuacct:/docker/c1\n", root_),
            2097152000U);
}

TEST_F(ResourcesTest, WithoutALimitThereIsNone) {
  EXPECT_EQ(CgroupMemoryLimit("0::/\n", root_), 0U);
  EXPECT_EQ(CgroupMemoryLimit("", root_), 0U);
}

TEST_F(ResourcesTest, ThoseWhoDiedForWantOfMemoryAreCounted) {
  Write("/slurm/job_1", "memory.max", "4194304000");
  Write("/slurm/job_1", "memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0");
  Write("/slurm/job_1/step_0", "memory.events", "oom 0\noom_kill 0");
  // Without a limit of its own it has other jobs' processes in it.
  Write("/slurm", "memory.events", "oom_kill 70");
  EXPECT_EQ(CgroupMemoryKills("0::/slurm/job_1/step_0\n", root_), 2U);
  Write("/memory/docker/c1", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4");
  EXPECT_EQ(CgroupMemoryKills("9:memory:/docker/c1\n", root_), 4U);
  EXPECT_EQ(CgroupMemoryKills("0::/nowhere\n", root_), 0U);
}

TEST_F(ResourcesTest, TheKernelsLogTellsOfOurRanksAlone) {
  const std::string log =
      "3,1234,5000000,-;Out of memory: Killed process 7 (cfworker) total-vm:9kB\n"
      "3,1235,6000000,-;Memory cgroup out of memory: Killed process 8 (cfworker) total-vm:9kB\n"
      " SUBSYSTEM=memory\n"
      "3,1236,7000000,-;Out of memory: Killed process 9 (firefox) total-vm:9kB\n";
  EXPECT_EQ(KernelMemoryKills(log, 0), 2U);
  EXPECT_EQ(KernelMemoryKills(log, 5.5), 1U) << "the other was before";
  EXPECT_EQ(KernelMemoryKills(log, 7), 0U);
}

TEST_F(ResourcesTest, ThisHostHasSome) {
  const HostResources host = ResourcesOfThisHost();
  EXPECT_GE(host.cores, 1U);
  EXPECT_GT(host.memory, std::uint64_t{1} << 26);
}

}  // namespace
}  // namespace cf::resources_test
