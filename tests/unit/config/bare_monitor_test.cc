#include "common/config/bare_monitor.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf::bare_monitor_test {
namespace {

TEST(QuoteBareMonitor, QuotesTheWordAndNothingElse) {
  EXPECT_EQ(QuoteBareMonitor("early_stopping { monitor: VAL_RMSE patience: 3 }"),
            "early_stopping { monitor: \"VAL_RMSE\" patience: 3 }");
  EXPECT_EQ(QuoteBareMonitor("{monitor :\n val_ndcg_10}"), "{monitor :\n \"val_ndcg_10\"}");
  EXPECT_EQ(QuoteBareMonitor("monitor: a monitor: b"), "monitor: \"a\" monitor: \"b\"");
  for (const char* as_it_is : {"", "monitor: \"val_rmse\"", "monitor: 3", "monitor { a: b }",
                               "a_monitor: b", "monitor:", "# monitor: a\n", "path: \"monitor: a\"",
                               "path: 'it\\'s monitor: a'", "monitor"}) {
    EXPECT_EQ(QuoteBareMonitor(as_it_is), as_it_is);
  }
}

// Goal: the quotes that were put in move no error from where the user sees it.
TEST(QuoteBareMonitor, ErrorsStayInPlace) {
  const auto error = [](const std::string& text) {
    return std::string(ParseJob(text, "f").status().message());
  };
  EXPECT_EQ(error("early_stopping { monitor: VAL_RMSE patience: x }"),
            error("early_stopping { monitor:'VAL_RMS' patience: x }"));
  EXPECT_EQ(error("train {}\nearly_stopping { monitor: VAL_RMSE patience: x }").substr(0, 8),
            "f:2:46: ");
  EXPECT_EQ(error("train { x }\nearly_stopping { monitor: VAL_RMSE }").substr(0, 6), "f:1:9:");
}

TEST(QuoteBareMonitor, JobsReadTheMonitorsOfTheEnum) {
  Job job = ParseJob("early_stopping { monitor: VAL_MAE }", "f").value();
  FillDefaults(job);
  EXPECT_EQ(job.early_stopping().monitor(), "val_mae");
  ASSERT_TRUE(SetField(job, "early_stopping={monitor: TRAIN_LOSS patience: 2}").ok());
  FillDefaults(job);
  EXPECT_EQ(job.early_stopping().monitor(), "train_loss");
}

}  // namespace
}  // namespace cf::bare_monitor_test
