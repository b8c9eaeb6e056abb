#include "common/snapshot/manifest.h"

#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/snapshot/checksum.h"
#include "tests/unit/snapshot/test_run.h"

namespace cf::manifest_test {
namespace {

using testing::HasSubstr;

FileEntry Entry(const TestModel& model, std::uint32_t p, SnapshotTime time, FileKind kind) {
  FileEntry entry;
  std::uint64_t rows = 0;
  model.ForRows(PartitionId{p}, [&](TableId, RowId) { ++rows; });
  entry.set_partition(p);
  entry.set_kind(kind);
  entry.set_file(RowFileName({.time = time, .partition = PartitionId{p}, .kind = kind}));
  entry.set_rows(rows);
  entry.set_bytes(1000 + p);
  entry.set_checksum("00112233445566778899aabbccddeeff");
  return entry;
}

Manifest Sample() {
  const TestModel model(2);
  const SnapshotTime base{.generation = 3, .step = 100};
  const SnapshotTime delta{.generation = 4, .step = 142};
  Manifest manifest =
      model.MakeManifest(delta, {{Entry(model, 0, base, BASE), Entry(model, 1, base, BASE)},
                                 {Entry(model, 0, delta, DELTA), Entry(model, 1, delta, DELTA)}});
  for (const double sum : {0.1 + 0.2, 5e-324}) {
    PartitionSums* sums = manifest.add_sums();
    sums->set_loss(sum);
    sums->set_squared_error(sum * 3);
  }
  manifest.set_best_snapshot(SnapshotName(base));
  manifest.mutable_job()->mutable_train()->set_batch_size(4096);
  manifest.mutable_job()->mutable_optimizer()->mutable_adam()->set_epsilon(1e-7);
  return manifest;
}

/// The contents with its checksum made anew, as an attacker or a later program would.
std::string Resealed(const std::string& contents) {
  std::string text = contents.substr(0, contents.rfind("# checksum: "));
  Checksum checksum;
  checksum.Update(text.data(), text.size());
  return text + "# checksum: " + checksum.Hex() + "\n";
}

std::string Replaced(std::string contents, const std::string& from, const std::string& to) {
  const std::size_t at = contents.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return Resealed(contents.replace(at, from.size(), to));
}

TEST(Manifest, ComesBackAsItWas) {
  const Manifest manifest = Sample();
  const absl::StatusOr<Manifest> read = ParseManifest(FormatManifest(manifest));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*read, manifest));
  EXPECT_EQ(FormatManifest(*read), FormatManifest(manifest));
}

TEST(Manifest, DoublesKeepTheirBits) {
  Manifest manifest = Sample();
  for (const double value : {0.1, 1.0 / 3, 1e308, 5e-324, -0.0, 123456789.12345679,
                             std::nextafter(1.0, 2.0), std::numeric_limits<double>::infinity()}) {
    manifest.mutable_sums(1)->set_loss(value);
    const absl::StatusOr<Manifest> read = ParseManifest(FormatManifest(manifest));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read->sums(1).loss()),
              std::bit_cast<std::uint64_t>(value));
  }
}

// The bytes are the format: a change here needs a new format version.
TEST(Manifest, GoldenBytes) {
  const std::string contents = FormatManifest(Sample());
  EXPECT_EQ(contents.substr(0, 100),
            "# cf snapshot manifest\n"
            "format_version: 1\n"
            "arithmetic_version: 1\n"
            "name: \"g000004-s000000000142.manifest");
  EXPECT_THAT(contents, HasSubstr("file: \"g000003-s000000000100-p00001-base.sst\"\n"));
  EXPECT_THAT(contents, HasSubstr("source_path: \"data/toy \\\"\303\251t\303\251\\\"\"\n"));
  EXPECT_EQ(contents.substr(contents.size() - 45),
            "# checksum: 6feb555c3bfc132343735c175c104d64\n");
}

TEST(Manifest, AnyDamageIsNoticed) {
  const std::string contents = FormatManifest(Sample());
  for (std::size_t at = 0; at < contents.size(); at += 7) {
    std::string damaged = contents;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(ParseManifest(damaged).ok()) << at;
    EXPECT_FALSE(ParseManifest(contents.substr(0, at)).ok()) << at;
  }
  EXPECT_THAT(ParseManifest(contents.substr(0, 200)).status().ToString(), HasSubstr("cut short"));
  EXPECT_THAT(ParseManifest("hello").status().ToString(),
              HasSubstr("not the manifest of a snapshot"));
}

TEST(Manifest, ALaterFormatIsNamedAndAnUnknownFieldRefused) {
  const std::string contents = FormatManifest(Sample());
  const std::string later =
      Replaced(contents, "format_version: 1", "format_version: 2\nfrom_the_future: 7");
  EXPECT_THAT(ParseManifest(later).status().ToString(),
              HasSubstr("format version 2; this program knows 1"));
  const std::string unknown =
      Replaced(contents, "format_version: 1", "format_version: 1\nsmuggled: 7");
  EXPECT_THAT(ParseManifest(unknown).status().ToString(), HasSubstr("line 3"));
}

TEST(Manifest, DeepNestingIsRefused) {
  std::string deep;
  for (int k = 0; k < 100'000; ++k) deep += "a { ";
  const std::string contents = Replaced(FormatManifest(Sample()), "format_version: 1\n", deep);
  EXPECT_FALSE(ParseManifest(contents).ok());
}

void StandAt(Manifest& manifest, std::uint64_t least, const std::vector<std::uint64_t>& next) {
  manifest.mutable_position()->set_sub_epoch(least);
  manifest.mutable_position()->mutable_partition_sub_epochs()->Assign(next.begin(), next.end());
}

TEST(Manifest, WhatNoSnapshotMayHaveIsNamed) {
  struct Case {
    std::string expected;
    std::function<void(Manifest&)> spoil;
  };
  const std::vector<Case> cases = {
      {"is called", [](Manifest& m) { m.set_name("other.manifest"); }},
      {"power of two", [](Manifest& m) { m.set_partitions(3); }},
      {"power of two", [](Manifest& m) { m.set_partitions(0); }},
      {"not those of all",
       [](Manifest& m) {
         StandAt(m, 3, {4, 3, 3});
       }},
      {"from the least on",
       [](Manifest& m) {
         StandAt(m, 2, {4, 3});
       }},
      {"partition 0 is done with a block before what it needs",
       [](Manifest& m) {
         StandAt(m, 3, {5, 3});
       }},
      {"partition 1 has no base", [](Manifest& m) { m.mutable_files()->DeleteSubrange(2, 2); }},
      {"partition 1 of 1",
       [](Manifest& m) {
         m.set_partitions(1);
         m.clear_sums();
         m.mutable_files(0)->set_rows(58);
         m.mutable_files(1)->set_rows(58);
       }},
      {"two tables", [](Manifest& m) { m.mutable_tables(1)->set_name("users"); }},
      {"has no name", [](Manifest& m) { m.mutable_tables(1)->clear_name(); }},
      {"optimizer moments", [](Manifest& m) { m.mutable_tables(1)->set_slots(1U << 31); }},
      {"last steps",
       [](Manifest& m) {
         m.mutable_tables(1)->set_last_step(true);
         m.mutable_position()->set_steps_per_epoch(0);
       }},
      {"last steps",
       [](Manifest& m) {
         m.mutable_tables(1)->set_last_step(true);
         m.mutable_position()->set_step(std::uint64_t{1} << 31);
         m.set_name("g000004-s002147483648.manifest");
       }},
      {"sums of 1", [](Manifest& m) { m.mutable_sums()->RemoveLast(); }},
      {"not a name", [](Manifest& m) { m.mutable_files(0)->set_file("../../etc/passwd"); }},
      {"not a name",
       [](Manifest& m) { m.mutable_files(0)->set_file("g000003-s000000000100-p00000-delta.sst"); }},
      {"not a name",
       [](Manifest& m) {
         m.mutable_files(0)->set_file("g000003-s000000000100-p00000-base-0.sst");
       }},
      {"not a name",
       [](Manifest& m) {
         m.mutable_files(0)->set_file("g000003-s000000000100-p00000-base-x.sst");
       }},
      {"newer than the snapshot",
       [](Manifest& m) { m.mutable_files(1)->set_file("g000004-s000000000143-p00000-delta.sst"); }},
      {"not newer than the one before",
       [](Manifest& m) { m.mutable_files(1)->set_file("g000003-s000000000100-p00000-delta.sst"); }},
      {"checksum", [](Manifest& m) { m.mutable_files(0)->set_checksum("ABC"); }},
      {"rows where partition 0", [](Manifest& m) { m.mutable_files(0)->set_rows(1); }},
      {"has no rows", [](Manifest& m) { m.mutable_files(0)->clear_rows(); }},
      {"out of order", [](Manifest& m) { m.mutable_files()->SwapElements(1, 2); }},
      {"out of order", [](Manifest& m) { m.mutable_files(0)->set_kind(FILE_KIND_UNSPECIFIED); }},
      {"earlier snapshot", [](Manifest& m) { m.set_best_snapshot("../best"); }},
      {"earlier snapshot",
       [](Manifest& m) { m.set_best_snapshot(SnapshotName({.generation = 5, .step = 1})); }},
  };
  ASSERT_TRUE(ValidateManifest(Sample()).ok()) << ValidateManifest(Sample());
  for (const Case& c : cases) {
    Manifest manifest = Sample();
    c.spoil(manifest);
    const absl::Status status = ValidateManifest(manifest);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << c.expected;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.expected));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
    EXPECT_FALSE(ParseManifest(FormatManifest(manifest)).ok()) << c.expected;
  }
}

// A block needs those of its partition and of the next one in the sub-epoch before.
TEST(Manifest, MayHavePartitionsThatAreNotEquallyFar) {
  Manifest manifest = Sample();
  StandAt(manifest, 3, {4, 3});
  EXPECT_TRUE(ValidateManifest(manifest).ok()) << ValidateManifest(manifest);
}

// What was tried again at a step has names of its own.
TEST(Manifest, MayNameFilesOfALaterAttempt) {
  Manifest manifest = Sample();
  manifest.mutable_files(0)->set_file("g000003-s000000000100-p00000-base-3.sst");
  EXPECT_TRUE(ValidateManifest(manifest).ok()) << ValidateManifest(manifest);
}

TEST(Names, CarryTheirTime) {
  const SnapshotTime time{.generation = 12, .step = 3'456'789};
  EXPECT_EQ(SnapshotName(time), "g000012-s000003456789.manifest");
  const std::string file = RowFileName({.time = time, .partition = PartitionId{7}, .kind = DELTA});
  EXPECT_EQ(file, "g000012-s000003456789-p00007-delta.sst");
  const std::string again =
      RowFileName({.time = time, .partition = PartitionId{7}, .kind = BASE, .attempt = 2});
  EXPECT_EQ(again, "g000012-s000003456789-p00007-base-2.sst");
  const SnapshotTime largest{.generation = ~std::uint64_t{0}, .step = ~std::uint64_t{0}};
  for (const std::string& name :
       {file, again, SnapshotName(time), SnapshotName(time) + ".tmp.77"}) {
    EXPECT_EQ(TimeOfName(name), time) << name;
  }
  EXPECT_EQ(TimeOfName(SnapshotName(largest)), largest);
  for (const std::string name :
       {"", "latest", "g", "g1", "g1-s", "g1-s2", "g-s2.manifest", "g1-s-2.manifest",
        "x1-s2.manifest", "g1-s2manifest", "g99999999999999999999-s1.manifest"}) {
    EXPECT_EQ(TimeOfName(name), std::nullopt) << name;
  }
}

TEST(ReadManifest, ErrorsBeginWithThePath) {
  const TestFolder folder;
  std::filesystem::create_directories(folder.path());
  const std::string path = folder.path() + "/x.manifest";
  EXPECT_EQ(ReadManifest(path).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, "hello\n").ok());
  EXPECT_EQ(std::string(ReadManifest(path).status().message()),
            path + ": not the manifest of a snapshot");
}

}  // namespace
}  // namespace cf::manifest_test
