// Goal: cfrun gives people one command, one exit code and a clean end. Method: the real cfrun and
// mpirun around a worker that is a shell script, so that each way to end can be chosen.

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/devices.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf::cfrun_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// CONFIG says what the worker does; each rank leaves its process number in the test's folder.
constexpr char kWorker[] = R"sh(#!/bin/bash
cd "$(dirname "$0")"
rank=$OMPI_COMM_WORLD_RANK
trap 'exit 75' USR1
[[ $1 != stubborn ]] || trap '' USR1
write_verdict() {
  printf 'exit_code: %s\ncause: %s\nlaunch: %s\n' "$1" "$2" "${3-$CF_LAUNCH}" > run/verdict.part
  mv run/verdict.part run/verdict
}
# It has a verdict when it is asked to end, and does not end.
[[ $1 != lingers ]] || trap 'write_verdict 75 signal' USR1
echo "rank $rank of $OMPI_COMM_WORLD_SIZE: $*"
echo $$ > "pid.$rank.part"
mv "pid.$rank.part" "pid.$rank"
case $1 in
  exit*) exit "${1#exit}" ;;
  tells)
    echo "network ${OMPI_MCA_oob_tcp_if_include-any} ${OMPI_MCA_btl-any} preload ${LD_PRELOAD-none}" ;;
  talk*)  # More than a pipe holds.
    for ((k = 0; k < 20000; ++k)); do echo "line $k of rank $rank"; done
    echo "rank $rank complains" >&2
    exit "${1#talk}" ;;
  verdict*)
    write_verdict "${1#verdict}" finished
    kill -9 $$ ;;
  refused*)  # Another job has the run, and ends meanwhile.
    touch run/generation/1
    write_verdict "${1#refused}" lost other
    exit 2 ;;
  begins_and_fails)
    echo "launch: $CF_LAUNCH" > run/generation/1
    exit 3 ;;
  dies_once)
    if [[ -e died ]]; then write_verdict 0 finished; exit 0; fi
    touch died
    printf 'launch: %s\nbegun: now\n' "$CF_LAUNCH" > run/generation/1
    kill -9 $$ ;;
  meets)  # Rank 1 is not seen there.
    ((rank > 0)) || echo "launch: $CF_LAUNCH" > run/generation/1
    mkdir -p run/meeting
    ((rank == 1)) || touch "run/meeting/$CF_LAUNCH.rank$rank"
    while :; do sleep 0.05; done ;;
  eats) all=$(head -c 300M /dev/zero | tr '\0' x) ;;
  *) while :; do sleep 0.05; done ;;
esac
)sh";

class CfrunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "cfrun_" + std::to_string(::getpid()) + "_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/run/generation");
    std::filesystem::copy(CF_BIN_DIR "/cfrun", folder_ + "/cfrun");
    std::ofstream(folder_ + "/cfworker") << kWorker;
    std::filesystem::permissions(folder_ + "/cfworker", std::filesystem::perms::owner_all);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> Command(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {folder_ + "/cfrun"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }

  Process::Result Run(const std::vector<std::string>& arguments) const {
    return Process(Command(arguments)).Wait();
  }

  // The process number of a rank of the fake worker; 0 before it runs.
  pid_t RankPid(int rank) const {
    const std::string text = ReadFile(folder_ + "/pid." + std::to_string(rank)).value_or("0");
    return static_cast<pid_t>(std::stoi(text));
  }

  bool BothRanksRun() const {
    return Eventually([this] { return RankPid(0) > 0 && RankPid(1) > 0; });
  }
  bool BothRanksEnd() const {
    return Eventually([this] { return !IsAlive(RankPid(0)) && !IsAlive(RankPid(1)); },
                      std::chrono::seconds(15));
  }

  std::string folder_;
};

TEST_F(CfrunTest, StartsTheRanksAndPassesTheFlagsOn) {
  const Process::Result result =
      Run({"start", "-n", "3", "exit0", "--run", folder_ + "/run", "--set", "train.epochs=3"});
  EXPECT_EQ(result.exit_code, kExitFinished);
  EXPECT_EQ(result.errors, "");
  for (const std::string rank : {"0", "1", "2"}) {
    // The output is a file and no terminal, whatever a rank would believe.
    EXPECT_THAT(result.output, HasSubstr("rank " + rank + " of 3: exit0 --run " + folder_ +
                                         "/run --set train.epochs=3 --threads auto --progress "
                                         "lines --survive 3\n"));
  }
  for (const std::vector<std::string>& none :
       {std::vector<std::string>{"--no-survival"}, std::vector<std::string>{"--restarts", "0"}}) {
    std::vector<std::string> words = {"-n", "2", "exit0"};
    words.insert(words.end(), none.begin(), none.end());
    EXPECT_THAT(Run(words).output, HasSubstr("exit0 --threads auto --progress lines\n"));
  }
  EXPECT_THAT(result.output, Not(HasSubstr("\r")));
}

TEST_F(CfrunTest, LeavesTheUsersOwnFlagsAlone) {
  const Process::Result result =
      Run({"-n", "1", "exit0", "--threads=2", "--progress", "bar", "--width", "50"});
  EXPECT_THAT(result.output, HasSubstr("exit0 --threads=2 --progress bar --width 50\n"));
  EXPECT_THAT(Run({"-n", "1", "exit0", "--progress", "auto", "--x"}).output,
              HasSubstr("exit0 --x --threads auto --progress lines\n"));
}

TEST_F(CfrunTest, ExitsAsTheWorkersDo) {
  EXPECT_EQ(Run({"-n", "2", "exit2"}).exit_code, kExitUserInput);
  EXPECT_EQ(Run({"-n", "2", "exit75"}).exit_code, kExitContinue);
  EXPECT_EQ(Run({"-n", "2", "exit3"}).exit_code, kExitFailed);
}

// Where there is another host, Open MPI needs a network; where there is none, it is to have none.
TEST_F(CfrunTest, OneHostNeedsNoNetwork) {
  EXPECT_THAT(Run({"-n", "1", "tells"}).output, HasSubstr("network lo self,vader preload none\n"));
  std::ofstream(folder_ + "/hosts") << "localhost slots=1\n";
  const std::map<std::string, std::string> named = {
      {"OMPI_MCA_orte_default_hostfile", folder_ + "/hosts"}};
  EXPECT_THAT(Process(Command({"-n", "1", "tells"}), named).Wait().output,
              HasSubstr("network any any preload none\n"));
}

// The local addresses, in /proc's figures, at which a process listens.
std::vector<std::string> ListensAt(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  std::set<std::string> sockets;
  std::error_code gone;
  for (const auto& file : std::filesystem::directory_iterator(process + "/fd", gone)) {
    const std::string leads_to = std::filesystem::read_symlink(file.path(), gone).string();
    if (leads_to.starts_with("socket:[")) sockets.insert(leads_to.substr(8, leads_to.size() - 9));
  }
  std::vector<std::string> addresses;
  for (const char* table : {"/net/tcp", "/net/tcp6"}) {
    std::istringstream lines(ReadFile(process + table).value_or(""));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::vector<std::string> fields(
          10);  // sl, local, remote, state, ..., the tenth is the inode.
      for (std::string& field : fields) words >> field;
      const bool listens = fields[3] == "0A";
      if (listens && sockets.contains(fields[9])) {
        addresses.push_back(fields[1].substr(0, fields[1].find(':')));
      }
    }
  }
  return addresses;
}

// Goal: nobody beyond this host reaches a job that is on it alone. Method: what the kernel says of mpirun's
// sockets while a job runs from folders as they are installed.
TEST_F(CfrunTest, OnOneHostMpirunListensOnLoopbackAlone) {
  const std::string installed = folder_ + "/installed";
  std::filesystem::create_directories(installed + "/bin");
  std::filesystem::create_directories(installed + "/lib");
  std::filesystem::copy(folder_ + "/cfrun", installed + "/bin/cfrun");
  std::filesystem::copy(folder_ + "/cfworker", installed + "/bin/cfworker");
  std::filesystem::copy(CF_BIN_DIR "/../lib/libcf_loopback_bind.so", installed + "/lib");
  Process cfrun({installed + "/bin/cfrun", "-n", "1", "wait"});
  const std::string pid_path = installed + "/bin/pid.0";
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(pid_path); }));
  const std::string rank = ReadFile(pid_path).value();
  const std::string status =
      ReadFile("/proc/" + std::to_string(std::stoi(rank)) + "/status").value();
  const std::vector<std::string> addresses =
      ListensAt(std::stoi(status.substr(status.find("PPid:") + 5)));
  EXPECT_THAT(addresses, Not(testing::IsEmpty()));
  EXPECT_THAT(addresses,
              testing::Each(testing::AnyOf("0100007F", "00000000000000000000000001000000")));
  cfrun.Signal(SIGTERM);
  EXPECT_EQ(cfrun.Wait().exit_code, kExitContinue);
}

// What looks at hosts has no snapshot to take.
TEST_F(CfrunTest, DoctorEndsOnRequestAndSpeaksOfNoJob) {
  Process doctor(Command({"doctor", "-n", "2"}));
  ASSERT_TRUE(BothRanksRun());
  doctor.Signal(SIGTERM);
  const Process::Result result = doctor.Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_EQ(result.errors, "cfrun: doctor was ended on request\n");
  EXPECT_TRUE(BothRanksEnd());
}

// `cfrun ... 2>&1 | head`: mpirun dies of a broken pipe, and ranks with it. Here it never hears of one,
// so that the job goes on to its own end.
TEST_F(CfrunTest, AReaderThatGoesEndsNothing) {
  const std::string pipe = folder_ + "/pipe";
  const auto run = [&](const std::string& worker) {
    return Process({"bash", "-c",
                    "exec 3<>" + pipe + " 4>" + pipe + " 3<&-; exec " + folder_ + "/cfrun -n 2 " +
                        worker + " --run " + folder_ + "/run >&4 2>&4"})
        .Wait();
  };
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(run("talk0").exit_code, kExitFinished);
  EXPECT_EQ(run("talk75").exit_code, kExitContinue);
  EXPECT_EQ(run("talk3").exit_code, kExitFailed);
}

TEST_F(CfrunTest, OutputThatIsLostIsSaidAtTheEnd) {
  const std::string full = folder_ + "/full";
  if (!MakeDevice(full, kFullDevice)) {
    GTEST_SKIP() << "no node of a device can be made here";
  }
  const auto run = [&](const std::string& worker) {
    return Process({"bash", "-c", folder_ + "/cfrun -n 2 " + worker + " > " + full}).Wait();
  };
  const Process::Result finished = run("talk0");
  EXPECT_EQ(finished.exit_code, kExitFailed);
  EXPECT_THAT(finished.errors, HasSubstr("cfrun: standard output: cannot write (No space left on "
                                         "device); log.txt of the run has all\n"));
  EXPECT_EQ(run("talk75").exit_code, kExitContinue);
}

TEST_F(CfrunTest, AllThatRanksPrintComesThrough) {
  const Process::Result result = Run({"-n", "2", "talk0"});
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 2 * 20001);
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 2);
}

TEST_F(CfrunTest, TheVerdictCountsWhereMpirunDoesNotTell) {
  // The ranks die by SIGKILL, after rank 0 left its verdict.
  EXPECT_EQ(Run({"-n", "1", "verdict75", "--run", folder_ + "/run"}).exit_code, kExitContinue);
  EXPECT_EQ(Run({"-n", "1", "verdict0", "--run=" + folder_ + "/run"}).exit_code, kExitFinished);
  // An old verdict says nothing about this job.
  EXPECT_EQ(Run({"-n", "1", "exit9", "--run", folder_ + "/run"}).exit_code, kExitFailed);
}

TEST_F(CfrunTest, AHostNameThatOpenMpiCannotTakeIsRefused) {
  const std::string name(57, 'h');
  const auto run = [&](const std::string& host) {
    return Process({"unshare", "--uts", "bash", "-c",
                    "hostname " + host + " && exec " + folder_ + "/cfrun -n 1 exit0"})
        .Wait();
  };
  if (Process({"unshare", "--uts", "hostname", "short"}).Wait().exit_code != 0) {
    GTEST_SKIP() << "no host can be named here";
  }
  EXPECT_EQ(run("short").exit_code, kExitFinished);
  const Process::Result result = run(name);
  EXPECT_EQ(result.exit_code, kExitUserInput);
  EXPECT_THAT(result.errors, testing::StartsWith("cfrun: the name of this host has 57 characters"));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1);
}

TEST_F(CfrunTest, SaysWhyNoRankCouldStart) {
  const std::map<std::string, std::string> wrong = {{"OMPI_MCA_oob_tcp_if_include", "nope0"}};
  const Process::Result result =
      Process(Command({"-n", "2", "exit0", "--run", folder_ + "/run"}), wrong).Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors,
              testing::StartsWith(
                  "cfrun: Open MPI could not start the ranks:\n  None of the TCP networks"));
  EXPECT_THAT(result.errors, AllOf(HasSubstr("Value given: nope0"), Not(HasSubstr("-----")),
                                   Not(HasSubstr("starting again"))));
  EXPECT_THAT(ReadFile(folder_ + "/run/log.txt").value(), HasSubstr("Value given: nope0"));
  // What ended once it was there is no failure of mpirun's; whoever looks later is told the same.
  EXPECT_EQ(Run({"-n", "2", "begins_and_fails", "--run", folder_ + "/run"}).errors,
            "cfrun: mpirun ended with exit code 3\n");
  EXPECT_THAT(ReadFile(folder_ + "/run/verdict").value(),
              HasSubstr("text: mpirun ended with exit code 3\n"));
}

// Without an end, a rank that never comes would hold the others for ever.
TEST_F(CfrunTest, AStartWhoseRanksDoNotMeetIsGivenUp) {
  const Process::Result result = Run(
      {"-n", "2", "meets", "--run", folder_ + "/run", "--meeting-seconds", "2", "--restarts", "0"});
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors, testing::MatchesRegex(
                                 "cfrun: rank 1 on [^ ]+ has not come to the meeting of the ranks "
                                 "within 2 s; not started again: the same command continues\n"));
  EXPECT_TRUE(BothRanksEnd());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/run/meeting"));
}

// A rank whose memory is gone would lose it again.
TEST_F(CfrunTest, SaysThatMemoryRanOutAndDoesNotTryAgain) {
#ifdef __SANITIZE_ADDRESS__
  const int limit = 256;  // cfrun has to fit, too, with what AddressSanitizer takes; MiB.
#else
  const int limit = 64;
#endif
  const std::string group = "/sys/fs/cgroup/memory/cf_test_" + std::to_string(::getpid());
  std::error_code error;
  if (!std::filesystem::create_directory(group, error)) {
    GTEST_SKIP() << "no control group of memory (of version 1) can be made here";
  }
  std::ofstream(group + "/memory.limit_in_bytes") << (std::int64_t{limit} << 20);
  const Process::Result result =
      Process({"bash", "-c",
               "echo $$ > " + group + "/cgroup.procs && exec " + folder_ +
                   "/cfrun -n 1 eats --run " + folder_ + "/run"})
          .Wait();
  EXPECT_TRUE(Eventually([&] { return std::filesystem::remove(group, error); }));
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("; the control group of this job, whose limit is " +
                              std::to_string(limit) + " MiB, ran out of memory (oom_kill "),
                    Not(HasSubstr("starting again"))));
}

// Goal: that Slurm's controller does not answer, for maintenance say, is not taken for the end of the
// allocation. Method: a scontrol that finds nobody the first time.
TEST_F(CfrunTest, NoAnswerOfSlurmIsNoEndOfTheAllocation) {
  std::ofstream(folder_ + "/scontrol") << R"sh(#!/bin/bash
cd "$(dirname "$0")"
if [[ -e asked ]]; then
  echo "JobId=7 JobState=RUNNING Reason=None Restarts=0 EndTime=Unknown"
else
  touch asked
  echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
  exit 1
fi
)sh";
  std::filesystem::permissions(folder_ + "/scontrol", std::filesystem::perms::owner_all);
  const char* const path = std::getenv("PATH");
  const Process::Result result =
      Process(Command({"-n", "1", "dies_once", "--run", folder_ + "/run"}),
              {{"PATH", folder_ + ":" + (path == nullptr ? "" : path)},
               {"SLURM_JOB_ID", "7"},
               {"SLURM_JOB_CPUS_PER_NODE", "1"}})
          .Wait();
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors, AllOf(HasSubstr("whether the allocation still lives is not known ("),
                                   HasSubstr("starting again (1 of 3)")));
}

// Two cfruns on one run: the second is refused, whatever becomes of the first.
TEST_F(CfrunTest, TheVerdictOfAnotherJobIsNotItsOwn) {
  for (const std::string code : {"0", "1", "75"}) {
    const Process::Result result = Run({"-n", "1", "refused" + code, "--run", folder_ + "/run"});
    EXPECT_EQ(result.exit_code, kExitUserInput) << code;
    EXPECT_EQ(result.errors, "") << code;
  }
}

TEST_F(CfrunTest, WrongCommandLinesGetOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "cfrun: a command is missing, or -n N and CONFIG of a job (try cfrun --help)\n"},
      {{"foo"},
       "cfrun: no command \"foo\"; there are start, doctor, status, list, stop, resize, sweep, "
       "compare, report (try cfrun --help)\n"},
      {{"statsu", "r"},
       "cfrun: no command \"statsu\" (did you mean status?); there are start, doctor, status, "
       "list, stop, resize, sweep, compare, report (try cfrun --help)\n"},
      {{"a.textproto"}, "cfrun: -n N is missing (try --help)\n"},
      {{"-n", "1", "c", "--requeue"}, "cfrun: --requeue works in a Slurm allocation only\n"},
      {{"--hosts", "a,b", "--spares", "2", "c"},
       "cfrun: --spares 2: --hosts names 2, and one must be left\n"},
      {{"-n", "1", "c", "--spares", "1"},
       "cfrun: --spares 1 without --hosts: -n 2 or more is needed, and neither --servers, "
       "--restarts 0 nor --no-survival, as spares take the places of ranks that are lost\n"},
      {{"-n", "1", "c", "--hosts"}, "cfrun: --hosts needs names, with commas between them\n"},
      {{"-n", "1", "c", "--stop-seconds", "0"},
       "cfrun: --stop-seconds 0: expected a number of seconds from 1 to 1048576\n"},
      {{"-n"}, "cfrun: -n needs a number\n"},
      {{"-n", "0", "c"}, "cfrun: -n 0: expected a number of processes from 1 to 16384\n"},
      {{"-n", "two", "c"}, "cfrun: -n two: expected a number of processes from 1 to 16384\n"},
      {{"-n", "2"}, "cfrun: CONFIG must come before cfworker's flags (try --help)\n"},
      {{"-n", "2", "--run", "r"}, "cfrun: CONFIG must come before cfworker's flags (try --help)\n"},
  };
  for (const auto& [arguments, line] : wrong) {
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, kExitUserInput) << line;
    EXPECT_EQ(result.errors, line);
  }
  for (const std::vector<std::string>& help :
       {std::vector<std::string>{"--help"}, {"start", "--help"}, {"-n", "2", "c", "--help"}}) {
    EXPECT_THAT(Run(help).output, HasSubstr("usage: cfrun"));
    EXPECT_EQ(Run(help).exit_code, kExitFinished);
  }
  EXPECT_THAT(Run({"--version"}).output, testing::MatchesRegex("cfrun [0-9.]+\n"));

  std::filesystem::remove(folder_ + "/cfworker");
  EXPECT_THAT(Run({"-n", "1", "c"}).errors, HasSubstr("cfworker must lie beside cfrun"));
}

TEST_F(CfrunTest, SaysWhereMpirunComesFrom) {
  const Process::Result result = Process(Command({"-n", "1", "c"}), {{"PATH", folder_}}).Wait();
  EXPECT_EQ(result.exit_code, kExitUserInput);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("mpirun is not on the PATH"), HasSubstr("install-dependencies")));
}

TEST_F(CfrunTest, TheFirstSignalAsksForASnapshot) {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    std::filesystem::remove(folder_ + "/pid.0");
    std::filesystem::remove(folder_ + "/pid.1");
    Process cfrun(Command({"-n", "2", "wait"}));
    ASSERT_TRUE(BothRanksRun());
    cfrun.Signal(signal);
    const Process::Result result = cfrun.Wait();
    EXPECT_EQ(result.exit_code, kExitContinue) << signal;
    EXPECT_THAT(result.errors, HasSubstr("cfrun: asking for a snapshot and a clean end"));
    EXPECT_TRUE(BothRanksEnd());
  }
}

TEST_F(CfrunTest, TheSecondSignalKillsTheJob) {
  Process cfrun(Command({"-n", "2", "stubborn"}));
  ASSERT_TRUE(BothRanksRun());
  cfrun.Signal(SIGINT);
  // Two signals at once could reach it as one.
  const std::string said = "asking for a snapshot";
  ASSERT_TRUE(Eventually([&] { return cfrun.ErrorsSoFar().find(said) != std::string::npos; }));
  cfrun.Signal(SIGINT);
  const Process::Result result = cfrun.Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors, HasSubstr("cfrun: killing the job"));
  EXPECT_TRUE(BothRanksEnd());
}

// A terminal that goes, a service manager or a batch system sends several: that is one request.
// `timeout 60 cfrun ...` sends one signal, and nobody a second one.
TEST_F(CfrunTest, AJobThatDoesNotEndIsEndedInTime) {
  Process cfrun(Command({"-n", "2", "stubborn", "--stop-seconds", "1"}));
  ASSERT_TRUE(BothRanksRun());
  cfrun.Signal(SIGTERM);
  const Process::Result result = cfrun.Wait();
  EXPECT_EQ(result.exit_code, kExitContinue);
  EXPECT_THAT(result.errors, HasSubstr("cfrun: ended without a new snapshot; the same command "
                                       "continues from the last one\n"));
  EXPECT_TRUE(BothRanksEnd());
}

TEST_F(CfrunTest, OtherSignalsAtOnceAreTheSameRequest) {
  Process cfrun(Command({"-n", "2", "stubborn"}));
  ASSERT_TRUE(BothRanksRun());
  cfrun.Signal(SIGHUP);
  const auto says = [&](const std::string& text) {
    return cfrun.ErrorsSoFar().find(text) != std::string::npos;
  };
  ASSERT_TRUE(Eventually([&] { return says("asking for a snapshot"); }));
  cfrun.Signal(SIGTERM);
  cfrun.Signal(SIGINT);
  // Signals of one process are heard in the order of their numbers: these two before the next one.
  cfrun.Signal(SIGUSR1);
  EXPECT_TRUE(IsAlive(RankPid(0)));
  EXPECT_FALSE(says("killing the job"));
  cfrun.Signal(SIGHUP);
  EXPECT_EQ(cfrun.Wait().exit_code, kExitFailed);
  EXPECT_TRUE(says("killing the job"));
}

// What the job has come to counts, not how often somebody asked.
TEST_F(CfrunTest, TheExitCodeIsTheVerdictsWhateverSignalsCame) {
  Process cfrun(Command({"-n", "1", "lingers", "--run", folder_ + "/run"}));
  ASSERT_TRUE(Eventually([this] { return RankPid(0) > 0; }));
  cfrun.Signal(SIGINT);
  ASSERT_TRUE(Eventually([this] { return std::filesystem::exists(folder_ + "/run/verdict"); }));
  cfrun.Signal(SIGINT);
  EXPECT_EQ(cfrun.Wait().exit_code, kExitContinue);
}

TEST_F(CfrunTest, NothingOutlivesAKilledCfrun) {
  Process cfrun(Command({"-n", "2", "stubborn"}));
  ASSERT_TRUE(BothRanksRun());
  cfrun.Signal(SIGKILL);
  EXPECT_EQ(cfrun.Wait().exit_code, 128 + SIGKILL);
  EXPECT_TRUE(BothRanksEnd());
}

}  // namespace
}  // namespace cf::cfrun_test
