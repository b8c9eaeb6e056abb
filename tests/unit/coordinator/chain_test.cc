// Goal: a chain of a base and deltas holds what is in memory, also where dedicated servers write
// it: rows that they changed by other ranks' gradients, and none of their own. Method: jobs whose
// steps change few rows, with a snapshot every few steps, beside the same jobs with one base at their
// end.

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "common/snapshot/snapshot.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::chain_test {
namespace {

class ChainTest : public GenerationTest, public ::testing::WithParamInterface<const char*> {
 protected:
  Job MakeJob() const {
    Job job = MakeTinyJob(tiny_, 1, GetParam());
    job.mutable_train()->set_batch_size(3);
    job.mutable_snapshot()->set_every_epochs(0);
    job.mutable_validation()->set_every_epochs(1);
    return job;
  }

  /// The digest of a chain that `servers` of `ranks` ranks wrote.
  std::string DigestOfChain(std::uint32_t ranks, std::uint32_t servers, const std::string& run) {
    Job job = MakeJob();
    job.mutable_snapshot()->set_every_steps(4);
    job.mutable_cluster()->set_servers(servers);
    LocalGeneration generation(job, tiny_, run, ranks);
    for (const GenerationEnd& end : generation.Run(ranks)) {
      EXPECT_TRUE(end.has_finished()) << TextOf(end);
    }
    const Manifest manifest = Snapshot::Open(generation.latest()).value().manifest();
    EXPECT_TRUE(std::ranges::any_of(manifest.files(),
                                    [](const FileEntry& file) { return file.kind() == DELTA; }));
    return generation.Digest();
  }
};

INSTANTIATE_TEST_SUITE_P(Models, ChainTest,
                         ::testing::Values(kTinyFactorization, kTinyRankerWithFeatures));

TEST_P(ChainTest, OfServersIsWhatOneRankHasInMemory) {
  const std::string expected = DigestOf(MakeJob(), 1, "memory");
  EXPECT_EQ(DigestOfChain(3, 1, "chain"), expected);
}

}  // namespace
}  // namespace cf::chain_test
