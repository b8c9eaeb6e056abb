#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"

namespace cf {

/// Reads the job file at `path`. What is read is what the file says: defaults are not filled in and
/// values are not judged (FillDefaults, ValidateJob). NotFound or PermissionDenied if it cannot be
/// opened; InvalidArgument is one line, with the place where there is one:
/// `FILE:LINE:COL: no field "lerning_rate" in Adam; did you mean "learning_rate"?`
absl::StatusOr<Job> LoadJob(const std::string& path);

/// The same for a text; `name` stands for the file in errors. A UTF-8 byte order mark is skipped.
absl::StatusOr<Job> ParseJob(const std::string& text, const std::string& name);

/// Applies one assignment, as of `--set`: "train.epochs=3", "kernels.target=AVX2",
/// "optimizer.adam.learning_rate=0.01". A field of a kind (a oneof) selects that kind; a message is
/// selected, or several of its fields given, in braces: "split.given={}". Strings need no quotes; a
/// list of them is replaced by those between commas: "validation.metrics=val_hr_10,val_ndcg_10".
/// An element of a list of messages goes by its number, from 0, "model.ranker.dense.0.units=64";
/// without one a new element is added to the end.
/// On InvalidArgument, which names the path and suggests the nearest field, `job` is as it was.
absl::Status SetField(Job& job, const std::string& assignment);

/// Makes every default explicit, those of the kinds included, so that the printed job shows all
/// that decides the run. Only the kind of model and the kind of split have no default. Idempotent.
void FillDefaults(Job& job);

/// Whether the model predicts ratings, so that its predictions have errors: all but retrieval,
/// popularity and factorisations with negatives.
bool PredictsRatings(const Job& job);

/// InvalidArgument for the first value out of its range, in one line with the field's full path,
/// the value and what is expected. Judges the job as it is with its defaults filled in.
absl::Status ValidateJob(const Job& job);

/// The job as a textproto that ParseJob reads back to an equal one: fields in the schema's order,
/// numbers in as few digits as give the same bits.
std::string PrintJob(const Job& job);

/// Whether a run may go on with `wanted`: every field marked RESULT, kinds included, is as in
/// `trained` (both with their defaults filled in). FailedPrecondition names the first difference;
/// `run` is what the user calls the run:
/// `runs/first was trained with optimizer.adam.learning_rate 0.001, not 0.003: choose another
/// --run`, or whatever else is the way out.
absl::Status CheckSameResult(const Job& trained, const Job& wanted, const std::string& run,
                             const std::string& way_out = "choose another --run");

}  // namespace cf
