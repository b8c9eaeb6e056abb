// Goal: what ranks print passes at once, whatever mpirun says around it, and what mpirun says can be
// read: where ranks are, which one was killed, and why none could start. Method: its own texts (4.1).

#include "launch/mpirun_text.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::mpirun_text_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kFrame = std::string(74, '-') + "\n";
const std::string kMap =
    " Data for JOB [13714,1] offset 0 Total slots allocated 2\n\n"
    " ========================   JOB MAP   ========================\n\n"
    " Data for node: n1\tNum slots: 2\tMax slots: 0\tNum procs: 2\n"
    " \tProcess OMPI jobid: [13714,1] App: 0 Process rank: 0 Bound: N/A\n"
    " \tProcess OMPI jobid: [13714,1] App: 0 Process rank: 2 Bound: N/A\n\n"
    " Data for node: n2\tNum slots: 1\tMax slots: 0\tNum procs: 1\n"
    " \tProcess OMPI jobid: [13714,1] App: 0 Process rank: 1 Bound: N/A\n\n"
    " =============================================================\n";
const std::string kDeath =
    kFrame +
    "mpirun noticed that process rank 1 with PID 0 on node n2 exited on signal 9 (Killed).\n" +
    kFrame;
const std::string kPrimary =
    kFrame + "Primary job  terminated normally, but 1 process returned\n" +
    "a non-zero exit code. Per user-direction, the job has been aborted.\n" + kFrame;
const std::string kNoNetwork =
    kFrame + "None of the TCP networks could be found:\n\n" + "  Value given: ib7\n\n" + kFrame;

// In one piece and byte by byte.
void ExpectSifted(MpirunSieve::Stream stream, const std::string& text, const std::string& passed,
                  const std::string& kept) {
  for (const std::size_t size : {text.size(), std::size_t{1}}) {
    MpirunSieve sieve(stream);
    Sifted all;
    for (std::size_t at = 0; at < text.size(); at += size) {
      const Sifted sifted = sieve(std::string_view(text).substr(at, size), false);
      all.passed += sifted.passed;
      all.kept += sifted.kept;
    }
    const Sifted rest = sieve("", true);
    EXPECT_EQ(all.passed + rest.passed, passed);
    EXPECT_EQ(all.kept + rest.kept, kept);
  }
}

TEST(MpirunSieve, KeepsTheMapOfEachHost) {
  const std::string ranks = "\rEpoch 1\r" + kMap + "the end";
  ExpectSifted(MpirunSieve::Stream::kOutput, kMap + ranks, ranks, kMap);
  ExpectSifted(MpirunSieve::Stream::kOutput, ranks, ranks, "");
  const std::string table = "6 ranks on 2 hosts\n  table users\n";
  ExpectSifted(MpirunSieve::Stream::kOutput, kMap + kMap + table + kMap, table, kMap + kMap + kMap);
  const std::string cut = kMap.substr(0, kMap.find(" Data for node"));
  ExpectSifted(MpirunSieve::Stream::kOutput, cut + "a rank\n  of it\n", "a rank\n  of it\n", cut);
  ExpectSifted(MpirunSieve::Stream::kOutput, " Data", " Data", "");
}

TEST(MpirunSieve, KeepsWhatMpirunExplains) {
  const std::string forwarded = "mpirun: Forwarding signal 10 to job\n";
  const std::string help = "[n1:77] 3 more processes have sent help message help-x.txt / y\n";
  ExpectSifted(
      MpirunSieve::Stream::kErrors,
      "rank 1 complains\n" + kDeath + forwarded + "--- no frame\n" + help + "[n1:77] said\n",
      "rank 1 complains\n--- no frame\n[n1:77] said\n", kDeath + forwarded + help);
  // A bar is not held back until its line ends.
  MpirunSieve sieve(MpirunSieve::Stream::kErrors);
  EXPECT_EQ(sieve("\r12 %", false).passed, "\r12 %");
}

TEST(MpirunSieve, WhatARankSaysPassesInsideAFrameAndBehindOneWithoutAnEnd) {
  const std::string line = "cfworker: no such file\n";
  ExpectSifted(MpirunSieve::Stream::kErrors, kFrame + line + "x\n" + kFrame, line,
               kFrame + line + "x\n" + kFrame);
  std::string endless = kFrame;
  for (int k = 0; k <= MpirunSieve::kFrameLinesMax; ++k) endless += "x\n";
  ExpectSifted(MpirunSieve::Stream::kErrors, endless + "rank 1\n", "x\nrank 1\n",
               endless.substr(0, endless.size() - 2));
}

TEST(MpirunText, TellsWhereRanksAre) {
  EXPECT_THAT(HostsByRank(kMap), ElementsAre("n1", "n2", "n1"));
  EXPECT_TRUE(HostsByRank("").empty());
}

TEST(MpirunText, TellsWhomASignalHasKilled) {
  const std::optional<RankDeath> death = FindDeath(kPrimary + kDeath);
  ASSERT_TRUE(death.has_value());
  EXPECT_EQ(death->rank, 1);
  EXPECT_EQ(death->host, "n2");
  EXPECT_EQ(death->signal, 9);
  EXPECT_FALSE(FindDeath(kPrimary).has_value());
}

TEST(MpirunText, TellsHowTheFirstEndedThatDidNotEndWell) {
  const std::string failed =
      kFrame +
      "mpirun detected that one or more processes exited with non-zero status, thus causing\n"
      "the job to be terminated. The first process to do so was:\n\n"
      "  Process name: [[13714,1],1]\n  Exit code:    75\n" +
      kFrame;
  EXPECT_EQ(FindFailure(kPrimary + failed), 75);
  EXPECT_EQ(FindFailure(kPrimary + kDeath), std::nullopt);
  EXPECT_EQ(FindFailure(kFrame + "  Exit code:    1\n" + kFrame), std::nullopt);
}

TEST(MpirunText, TellsThatAHostWasLost) {
  const std::string lost =
      kFrame +
      "ORTE has lost communication with a remote daemon.\n\n"
      "  HNP daemon   : [[4711,0],0] on node n0\n  Remote daemon: [[4711,0],2] on node n2\n" +
      kFrame;
  EXPECT_TRUE(HasLostHost(kPrimary + lost));
  EXPECT_FALSE(HasLostHost(kPrimary + kDeath + kNoNetwork));
}

TEST(MpirunText, TellsThatARankMissesAnother) {
  EXPECT_TRUE(HasLostRank(kPrimary +
                          "cfworker: rank 0 on n0 was lost: it did not connect within 3000 ms\n"));
  EXPECT_FALSE(HasLostRank(kPrimary + "cfworker: -n 9: too many\n"));
}

TEST(MpirunText, ExplainsWhyNoRankCouldStartAndThatOnce) {
  EXPECT_EQ(ExplanationIn(kNoNetwork + kNoNetwork + kDeath + kPrimary),
            "  None of the TCP networks could be found:\n    Value given: ib7\n");
  EXPECT_EQ(ExplanationIn(kPrimary), "");
}

TEST(MpirunText, KnowsTheLastWordOfTheRanks) {
  EXPECT_EQ(LastLineOfRanks("cfworker: first\n" + kPrimary + "cfworker: last\n"), "last");
  EXPECT_EQ(LastLineOfRanks(kPrimary), "");
}

}  // namespace
}  // namespace cf::mpirun_text_test
