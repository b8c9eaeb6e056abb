#include "tests/slurm/training.h"

#include <algorithm>
#include <type_traits>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "tests/support/paths.h"

namespace cf {
namespace {

// How long a job may take that nothing disturbs any more: only one that hangs takes longer. Shorter
// than ctest's limit, so that the test says what the job was doing.
constexpr std::chrono::seconds kJobMax(180);

std::vector<std::string> Assignments(const std::vector<std::string>& set) {
  std::vector<std::string> words;
  for (const std::string& assignment : set) words.insert(words.end(), {"--set", assignment});
  return words;
}

ShownRun Parse(const std::string& json) {
  google::protobuf::Struct object;
  if (!google::protobuf::util::JsonStringToMessage(json, &object).ok()) {
    ADD_FAILURE() << "cfrun status says: " << json;
  }
  // What is not there stays as it is.
  const auto read = [&object](const std::string& name, auto& into) {
    const auto found = object.fields().find(name);
    if (found == object.fields().end()) return;
    if constexpr (std::is_same_v<decltype(into), double&>) {
      into = found->second.number_value();
    } else {
      into = found->second.string_value();
    }
  };
  ShownRun run;
  read("state", run.state);
  read("exit_code", run.exit_code);
  read("step", run.step);
  read("steps_per_epoch", run.steps_per_epoch);
  read("samples_per_second", run.samples_per_second);
  read("snapshot_step", run.snapshot_step);
  read("servers", run.servers);
  read("batch_job", run.batch_job);
  read("batch_state", run.batch_state);
  read("batch_restarts", run.batch_restarts);
  read("batch_seconds_left", run.batch_seconds_left);
  if (const auto hosts = object.fields().find("hosts"); hosts != object.fields().end()) {
    for (const auto& host : hosts->second.list_value().values()) {
      run.hosts.push_back(host.string_value());
    }
  }
  return run;
}

}  // namespace

SlurmCluster* InSlurm::slurm_ = nullptr;
TestCluster* InSlurm::cluster_ = nullptr;
std::string* InSlurm::digest_ = nullptr;

void InSlurm::StartSlurm(const std::vector<std::string>& settings) {
  if (!SlurmCluster::Missing().empty()) return;
  slurm_ = new SlurmCluster(settings);
  cluster_ = new TestCluster;
}

void InSlurm::TearDownTestSuite() {
  delete slurm_;
  delete cluster_;
  delete digest_;
  slurm_ = nullptr;  // The file may have another suite.
  cluster_ = nullptr;
  digest_ = nullptr;
}

void InSlurm::SetUp() {
  if (slurm_ == nullptr) GTEST_SKIP() << SlurmCluster::Missing();
}

void InSlurm::TearDown() {
  if (slurm_ == nullptr) return;
  for (int node = 0; node < SlurmCluster::kNodes; ++node) slurm_->RestoreLink(node);
  if (HasFailure()) slurm_->Run({"scancel", "--user=root"});
  EXPECT_TRUE(slurm_->WaitUntilIdle());
  EXPECT_TRUE(slurm_->WaitUntilNoneIsLeft()) << slurm_->Describe(slurm_->ProcessesOfJobs());
}

std::string InSlurm::Submit(const BatchJobOptions& options) {
  std::vector<std::string> words = options.sbatch;
  const std::vector<std::string> flags = WordsOf(options);
  // CONFIG RUN [flags], where others have --run RUN.
  words.insert(words.end(), {CF_SOURCE_DIR "/launch/slurm/" + options.script, flags[0],
                             cluster_->Path(options.run)});
  words.insert(words.end(), flags.begin() + 3, flags.end());
  return slurm_->Submit(words);
}

std::vector<std::string> InSlurm::WordsOf(const BatchJobOptions& options) {
  const bool path = options.config.find('/') != std::string::npos;
  std::vector<std::string> words = {
      path ? options.config : CF_SOURCE_DIR "/configs/" + options.config + ".textproto", "--run",
      cluster_->Path(options.run), "--data",
      options.data.empty() ? cluster_->Path("data") : options.data};
  const std::vector<std::string> set = Assignments(options.set);
  words.insert(words.end(), set.begin(), set.end());
  return words;
}

ShownRun InSlurm::Status(const std::string& run) {
  const Process::Result shown = slurm_->Run({"cfrun", "status", "--json", cluster_->Path(run)});
  return shown.exit_code == 0 ? Parse(shown.output) : ShownRun();
}

void InSlurm::ExpectStatus(const std::string& run, const std::string& what,
                           const std::function<bool(const ShownRun&)>& holds) {
  EXPECT_TRUE(Eventually([&] { return holds(Status(run)); }, kJobMax))
      << "cfrun status never said that " << run << " is " << what << "; at last:\n"
      << slurm_->Run({"cfrun", "status", cluster_->Path(run)}).output;
}

bool InSlurm::WaitForSnapshot(const std::string& run, std::uint64_t step) {
  return Eventually(
      [&] {
        const std::vector<std::string> manifests = cluster_->Manifests(run);
        // "g000001-s000000000080.manifest".
        return std::any_of(manifests.begin(), manifests.end(), [&](const std::string& name) {
          return std::stoull(name.substr(name.find("-s") + 2)) >= step;
        });
      },
      kJobMax);
}

const std::string& InSlurm::UndisturbedDigest() {
  if (digest_ == nullptr) {
    JobOptions undisturbed{.launcher = Launcher::kAlone, .run = "undisturbed"};
    undisturbed.set = BatchJobOptions().set;
    digest_ = new std::string(cluster_->Train(undisturbed));
  }
  return *digest_;
}

void InSlurm::ExpectSameDigest(const std::string& run) {
  EXPECT_EQ(cluster_->Digest(run), UndisturbedDigest());
}

void InSlurm::ExpectSameBits(const std::string& job, const std::string& run) {
  EXPECT_TRUE(slurm_->WaitForState(job, "COMPLETED", kJobMax))
      << slurm_->State(job).state << " " << slurm_->State(job).reason << "\n"
      << slurm_->Log(job);
  EXPECT_EQ(slurm_->State(job).exit_code, "0:0");
  ExpectSameDigest(run);
  const ShownRun status = Status(run);
  EXPECT_EQ(status.state, "finished");
  EXPECT_EQ(status.exit_code, 0);
  EXPECT_EQ(status.step, kSteps);
}

}  // namespace cf
