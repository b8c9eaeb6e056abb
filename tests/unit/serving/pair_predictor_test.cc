#include "serving/pair_predictor.h"

#include <gmock/gmock.h>

#include "serving/open_model.h"
#include "tests/unit/serving/test_model.h"

namespace cf::pair_predictor_test {
namespace {

class PairPredictorTest : public testing::Test {
 protected:
  PairPredictorTest() {
    open_ = OpenModel::Open({.snapshot = WriteColdSnapshot(folder_.At(""))}).value();
  }

  Prediction Predict(const char* user, const char* item, bool fallback) const {
    PairPredictor predictor(open_->model(), open_->catalogue(), open_->substance(), fallback);
    return predictor.Predict(open_->data().FindUser(user), open_->data().FindItem(item));
  }

  TestFolder folder_;
  std::unique_ptr<OpenModel> open_;
};

TEST_F(PairPredictorTest, ModelsAnswerForWhatTheyHaveLearned) {
  for (const bool fallback : {false, true}) {
    const Prediction known = Predict("103", "206", fallback);
    EXPECT_EQ(known.source, Source::kModel);
    EXPECT_EQ(known.value, open_->model().Predict(open_->data().FindUser("103").value(),
                                                  open_->data().FindItem("206").value()));
  }
}

TEST_F(PairPredictorTest, NothingIsPredictedFromUntrainedRows) {
  EXPECT_EQ(Predict("106", "201", false).source, Source::kNone);  // A cold user,
  EXPECT_EQ(Predict("103", "208", false).source, Source::kNone);  // a cold item,
  EXPECT_EQ(Predict("4", "201", false).source, Source::kNone);    // and unknown ones.
  EXPECT_EQ(Predict("103", "4", false).source, Source::kNone);
}

// Item 207 has one training rating, 2; user 107 one, 4, of item 200; those of 206 is one of user 105.
TEST_F(PairPredictorTest, MeansStandInWhereTheyAreAskedFor) {
  for (const char* user : {"106", "4"}) {
    const Prediction by_item = Predict(user, "207", true);
    EXPECT_EQ(by_item.source, Source::kItemMean);
    EXPECT_EQ(by_item.value, 2);
  }
  for (const char* item : {"208", "4"}) {
    const Prediction by_user = Predict("107", item, true);
    EXPECT_EQ(by_user.source, Source::kUserMean);
    EXPECT_EQ(by_user.value, 4);
  }
  double sum = 0;
  std::uint64_t count = 0;
  const Dataset& data = open_->data();
  for (std::uint64_t s = 0; s < data.samples(); ++s) {
    if (open_->catalogue().split().is_validation(s)) continue;
    sum += static_cast<double>(data.ratings()[s]);
    ++count;
  }
  const Prediction of_all = Predict("106", "208", true);
  EXPECT_EQ(of_all.source, Source::kMean);
  EXPECT_FLOAT_EQ(of_all.value, static_cast<float>(sum / static_cast<double>(count)));
}

}  // namespace
}  // namespace cf::pair_predictor_test
