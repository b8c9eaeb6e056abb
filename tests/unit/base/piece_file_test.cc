#include "common/base/piece_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::piece_file_test {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kPiece = PieceFile::kPieceUnit;

class PieceFileTest : public ::testing::Test {
 protected:
  ~PieceFileTest() override { std::filesystem::remove(path_); }

  std::unique_ptr<PieceFile> Create(const std::vector<std::uint64_t>& sections) const {
    return PieceFile::Create(path_, sections, kPiece).value();
  }
  static std::vector<std::byte> Bytes(std::size_t size, std::uint32_t seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t k = 0; k < size; ++k) {
      bytes[k] = static_cast<std::byte>((k * 2654435761U + seed) >> 7);
    }
    return bytes;
  }
  void Flip(std::uint64_t at) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(was ^ 1));
  }

  const std::string path_ = ::testing::TempDir() + "cf_piece_file_" + std::to_string(::getpid());
};

TEST_F(PieceFileTest, SectionsAreReadAsTheyWereWritten) {
  const std::vector<std::uint64_t> sizes = {2 * kPiece + 100, 0, 7, kPiece};
  const std::unique_ptr<PieceFile> file = Create(sizes);
  // Piece by piece, and sections at once.
  for (const std::size_t section : {3U, 2U, 0U, 1U}) {
    const std::vector<std::byte> bytes = Bytes(sizes[section], static_cast<std::uint32_t>(section));
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
      const std::span piece = std::span(bytes).subspan(at, std::min(kPiece, bytes.size() - at));
      ASSERT_EQ(file->Write(section, at, piece), absl::OkStatus());
    }
  }
  for (std::size_t section = 0; section < sizes.size(); ++section) {
    EXPECT_EQ(file->SectionBytes(section), sizes[section]);
    file->Announce(section, 0, sizes[section]);
    std::vector<std::byte> found(sizes[section]);
    ASSERT_EQ(file->Read(section, 0, found), absl::OkStatus());
    EXPECT_EQ(found, Bytes(sizes[section], static_cast<std::uint32_t>(section)));
  }
  std::vector<std::byte> last(100);
  ASSERT_EQ(file->Read(0, 2 * kPiece, last), absl::OkStatus());
  EXPECT_EQ(last.back(), Bytes(sizes[0], 0).back());
  // Again, as something else.
  ASSERT_EQ(file->Write(0, 0, Bytes(sizes[0], 99)), absl::OkStatus());
  std::vector<std::byte> found(sizes[0]);
  ASSERT_EQ(file->Read(0, 0, found), absl::OkStatus());
  EXPECT_EQ(found, Bytes(sizes[0], 99));
}

// On a disk past the system's cache, and where there is tmpfs, which has no other place for it.
TEST_F(PieceFileTest, SectionsOfWholePagesCanBeReadDirectly) {
  constexpr std::size_t kBytes = 2 * kPiece + ScratchFile::kPageBytes;
  static_assert(InWholePages(kBytes - 1) == kBytes && InWholePages(kBytes) == kBytes);
  const std::vector<std::uint64_t> sections = {kBytes, kBytes};
  for (const std::string& path : {path_, "/dev/shm/cf_piece_file_" + std::to_string(::getpid())}) {
    if (!std::filesystem::exists(std::filesystem::path(path).parent_path())) continue;
    const std::unique_ptr<PieceFile> file =
        PieceFile::Create(path, sections, kPiece, PieceFile::Access::kDirect).value();
    const Pages memory = MakePages(kBytes);
    const std::span pages(memory.get(), kBytes);
    for (const std::size_t section : {1U, 0U, 1U}) {
      std::ranges::copy(Bytes(kBytes, static_cast<std::uint32_t>(section)), pages.begin());
      ASSERT_EQ(file->Write(section, 0, pages), absl::OkStatus()) << path;
    }
    for (const std::size_t section : {0U, 1U}) {
      std::ranges::fill(pages, std::byte{0});
      ASSERT_EQ(file->Read(section, 0, pages), absl::OkStatus()) << path;
      EXPECT_TRUE(std::ranges::equal(pages, Bytes(kBytes, static_cast<std::uint32_t>(section))));
    }
  }
}

TEST_F(PieceFileTest, AByteThatIsAnotherIsAnError) {
  const std::unique_ptr<PieceFile> file = Create({kPiece + 10, 20});
  ASSERT_EQ(file->Write(0, 0, Bytes(kPiece + 10, 0)), absl::OkStatus());
  ASSERT_EQ(file->Write(1, 0, Bytes(20, 1)), absl::OkStatus());
  Flip(kPiece + 9);
  std::vector<std::byte> piece(kPiece);
  EXPECT_EQ(file->Read(0, 0, piece), absl::OkStatus()) << "the other piece is whole";
  std::vector<std::byte> section(kPiece + 10);
  const absl::Status damaged = file->Read(0, 0, section);
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()), HasSubstr(path_));
  std::filesystem::resize_file(path_, kPiece);
  std::vector<std::byte> gone(20);
  const absl::Status shorter = file->Read(1, 0, gone);
  EXPECT_EQ(shorter.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(shorter.message()), HasSubstr(path_));
}

TEST_F(PieceFileTest, IsRemovedAtItsEnd) {
  std::unique_ptr<PieceFile> file = Create({1});
  EXPECT_TRUE(std::filesystem::exists(path_));
  file.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(PieceFileTest, CannotBeWhereThereIsNoFolder) {
  const std::vector<std::uint64_t> sections = {1};
  const absl::Status refused = PieceFile::Create("/dev/null/samples", sections, kPiece).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("/dev/null/samples"));
}

TEST(PieceFile, APieceOfEachSectionTakesSomeMegabytes) {
  for (std::size_t sections = 0; sections <= 1U << 14; sections = 2 * sections + 1) {
    const std::size_t bytes = PieceFile::PieceBytesFor(sections);
    EXPECT_GE(bytes, kPiece);
    EXPECT_LE(bytes, 5 * kPiece);
    EXPECT_EQ(bytes % kPiece, 0U);
    EXPECT_LE(sections * (bytes - kPiece), std::size_t{16} << 20);
  }
}

}  // namespace
}  // namespace cf::piece_file_test
