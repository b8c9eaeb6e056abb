#include "coordinator/job_observer.h"

#include <utility>

namespace cf {

absl::Status JobObserver::Started(const JobStart& /*start*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::StartMeasured(const EpochFigures& /*start*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::EpochBegan(const EpochProgress& /*progress*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::SegmentTrained(const TrainedSegment& /*segment*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::ValidationBegan(const EpochProgress& /*progress*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::EpochMeasured(const FinishedEpoch& /*epoch*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::SnapshotBegan(const EpochProgress& /*progress*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::SnapshotCut(Manifest& /*manifest*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::SnapshotCommitted(const Manifest& /*manifest*/,
                                            const EpochProgress& /*progress*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::SnapshotHindered(const std::string& /*line*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::EpochEnded(const FinishedEpoch& /*epoch*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::Remarked(const std::string& /*line*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::Warned(const std::string& /*line*/) {
  return absl::OkStatus();
}

absl::Status JobObserver::TrainingEnded() {
  return absl::OkStatus();
}

absl::Status JobObserver::Ended(Verdict& /*verdict*/) {
  return absl::OkStatus();
}

JobObservers::JobObservers(std::vector<JobObserver*> observers) : observers_(std::move(observers)) {
}

template <class Event>
absl::Status JobObservers::TellAll(const Event& event) {
  for (JobObserver* observer : observers_) {
    if (absl::Status told = event(*observer); !told.ok()) return told;
  }
  return absl::OkStatus();
}

absl::Status JobObservers::Started(const JobStart& start) {
  return TellAll([&](JobObserver& observer) { return observer.Started(start); });
}

absl::Status JobObservers::StartMeasured(const EpochFigures& start) {
  return TellAll([&](JobObserver& observer) { return observer.StartMeasured(start); });
}

absl::Status JobObservers::EpochBegan(const EpochProgress& progress) {
  return TellAll([&](JobObserver& observer) { return observer.EpochBegan(progress); });
}

absl::Status JobObservers::SegmentTrained(const TrainedSegment& segment) {
  return TellAll([&](JobObserver& observer) { return observer.SegmentTrained(segment); });
}

absl::Status JobObservers::ValidationBegan(const EpochProgress& progress) {
  return TellAll([&](JobObserver& observer) { return observer.ValidationBegan(progress); });
}

absl::Status JobObservers::EpochMeasured(const FinishedEpoch& epoch) {
  return TellAll([&](JobObserver& observer) { return observer.EpochMeasured(epoch); });
}

absl::Status JobObservers::SnapshotBegan(const EpochProgress& progress) {
  return TellAll([&](JobObserver& observer) { return observer.SnapshotBegan(progress); });
}

absl::Status JobObservers::SnapshotCut(Manifest& manifest) {
  return TellAll([&](JobObserver& observer) { return observer.SnapshotCut(manifest); });
}

absl::Status JobObservers::SnapshotCommitted(const Manifest& manifest,
                                             const EpochProgress& progress) {
  return TellAll(
      [&](JobObserver& observer) { return observer.SnapshotCommitted(manifest, progress); });
}

absl::Status JobObservers::SnapshotHindered(const std::string& line) {
  return TellAll([&](JobObserver& observer) { return observer.SnapshotHindered(line); });
}

absl::Status JobObservers::EpochEnded(const FinishedEpoch& epoch) {
  return TellAll([&](JobObserver& observer) { return observer.EpochEnded(epoch); });
}

absl::Status JobObservers::Remarked(const std::string& line) {
  return TellAll([&](JobObserver& observer) { return observer.Remarked(line); });
}

absl::Status JobObservers::Warned(const std::string& line) {
  return TellAll([&](JobObserver& observer) { return observer.Warned(line); });
}

absl::Status JobObservers::TrainingEnded() {
  return TellAll([&](JobObserver& observer) { return observer.TrainingEnded(); });
}

absl::Status JobObservers::Ended(Verdict& verdict) {
  return TellAll([&](JobObserver& observer) { return observer.Ended(verdict); });
}

}  // namespace cf
