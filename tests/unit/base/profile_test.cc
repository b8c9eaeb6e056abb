#include "common/base/profile.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace cf::profile_test {
namespace {

/// A clock that goes as the test says, with 3 ticks a second.
class ProfileTest : public ::testing::Test {
 protected:
  static void Pass(std::uint64_t seconds) { now_ += seconds; }
  static std::int64_t Seconds(const Profile::Times& times, Phase phase) {
    return std::chrono::round<std::chrono::seconds>(times[static_cast<std::size_t>(phase)]).count();
  }

  Profile profile_{{.ticks = [] { return 1000 + 3 * now_; },
                    .now = [] { return Profile::Clock::time_point(std::chrono::seconds(now_)); }}};

 private:
  static std::uint64_t now_;
};

std::uint64_t ProfileTest::now_ = 0;

TEST_F(ProfileTest, ChargesEachInstantToTheInnermostScope) {
  {
    const Profile::Run run(profile_);
    Pass(1);
    {
      const Profile::Scope push(&profile_, Phase::kPush);
      Pass(2);
      {
        const Profile::Scope merge(&profile_, Phase::kMerge);
        Pass(4);
      }
      Pass(8);
    }
    Pass(16);
    const Profile::Scope merge(&profile_, Phase::kMerge);
    Pass(32);
  }
  const Profile::Times times = profile_.Take();
  EXPECT_EQ(Seconds(times, Phase::kPush), 2 + 8);
  EXPECT_EQ(Seconds(times, Phase::kMerge), 4 + 32);
  EXPECT_EQ(Seconds(times, Phase::kOther), 1 + 16);
  EXPECT_EQ(Seconds(times, Phase::kGradient), 0);
  EXPECT_EQ(Seconds(profile_.Take(), Phase::kPush), 0) << "taken twice";
}

// Validation runs the same code: it is not to be charged to training.
TEST_F(ProfileTest, ChargesNothingWhileItIsStopped) {
  const auto work = [this](Profile* profile) {
    const Profile::Scope gradient(profile, Phase::kGradient);
    Pass(1);
  };
  work(&profile_);
  {
    const Profile::Run run(profile_);
    work(&profile_);
    work(nullptr);
  }
  Pass(5);
  work(&profile_);
  {
    const Profile::Run run(profile_);
    work(&profile_);
  }
  const Profile::Times times = profile_.Take();
  EXPECT_EQ(Seconds(times, Phase::kGradient), 2);
  EXPECT_EQ(Seconds(times, Phase::kOther), 1);
}

}  // namespace
}  // namespace cf::profile_test
