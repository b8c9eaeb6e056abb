#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include "common/config/job.pb.h"

/// How errors speak of the schema's fields. For the sources of this folder only.
namespace cf::config {

/// "optimizer" and "adam" -> "optimizer.adam"; "" and "adam" -> "adam".
std::string JoinPath(const std::string& path, const std::string& name);

/// As many digits as give the same bits: "0.001", "1e-07".
std::string NumberText(double number);

/// "a", "a or b", "a, b or c".
std::string ListText(const std::vector<std::string>& names, const std::string& last_link);

/// What a scalar field takes: "a whole number from 0 to 4294967295", "AVX2 or AVX512". The zero
/// value of an enum stands for "unspecified" and is not offered.
std::string ExpectedText(const google::protobuf::FieldDescriptor& field);

/// The value of a scalar field as a job file would have it.
std::string ValueText(const google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor& field);

/// `no field "lerning_rate" in Adam; did you mean "learning_rate"?`, or, when nothing is near, the
/// fields there are.
std::string NoSuchField(const google::protobuf::Descriptor& message, const std::string& name);

/// `"name"` in quotes, cut short and with escapes, so that it fits in one line of an error.
std::string Quoted(const std::string& name);

/// InvalidArgument: `train.delay is 20; expected at most 16`.
absl::Status Refusal(const std::string& path, const std::string& value,
                     const std::string& expected);

}  // namespace cf::config
