#include "tests/support/forgetful_disk.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string_view>

#include "common/base/check.h"
#include "common/base/files.h"

namespace cf {
namespace {

namespace fs = std::filesystem;
using Kind = FileCall::Kind;

// What the kernel ends the path of a file with that has no name.
constexpr std::string_view kNoName = " (deleted)";

std::string FolderOf(const std::string& path) {
  return fs::path(path).parent_path().string();
}

}  // namespace

ForgetfulDisk::ForgetfulDisk(const std::string& folder) : root_(fs::canonical(folder).string()) {
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (entry.is_directory() && !entry.is_symlink()) continue;
    auto file = std::make_shared<File>();
    file->is_link = entry.is_symlink();
    file->kept = file->is_link ? fs::read_symlink(entry.path()).string()
                               : ReadFile(entry.path().string()).value();
    names_[*Inside(entry.path().string())] = std::move(file);
  }
  kept_ = names_;
}

std::optional<std::string> ForgetfulDisk::Inside(const std::string& path) const {
  if (path == root_) return "";
  if (!path.starts_with(root_ + "/")) return std::nullopt;
  return path.substr(root_.size() + 1);
}

void ForgetfulDisk::Do(const FileCall& call) {
  const std::optional<std::string> path = Inside(call.path);
  if (!path.has_value()) return;
  switch (call.kind) {
    case Kind::kCreate:
      names_[*path] = std::make_shared<File>();
      return;
    case Kind::kLink:
      names_[*path] = std::make_shared<File>(File{.kept = call.to, .is_link = true});
      return;
    case Kind::kRemove:
      names_.erase(*path);
      return;
    case Kind::kRename: {
      const std::optional<std::string> to = Inside(call.to);
      Check(to.has_value() && names_.contains(*path), "what is renamed is there, and stays here");
      auto file = names_.extract(*path);
      names_[*to] = std::move(file.mapped());
      return;
    }
    case Kind::kName: {
      const std::optional<std::string> to = Inside(call.to);
      Check(to.has_value(), "what is named in the folder stays in it");
      auto file = unnamed_.extract(*path);
      names_[*to] = file.empty() ? std::make_shared<File>() : std::move(file.mapped());
      return;
    }
    case Kind::kSync:
      if (path->ends_with(kNoName)) {
        unnamed_[*path] = std::make_shared<File>(File{.kept = call.contents});
        return;
      }
      if (const auto file = names_.find(*path); file != names_.end()) {
        // A file of its own from now on: `kept_` may have the same one.
        file->second->kept = call.contents;
        return;
      }
      // A folder's names, and not those of the folders in it.
      std::erase_if(kept_, [&](const auto& name) { return FolderOf(name.first) == *path; });
      for (const auto& [name, file] : names_) {
        if (FolderOf(name) == *path) kept_[name] = file;
      }
  }
}

void ForgetfulDisk::CrashInto(const std::string& folder, DiskLoss loss, std::uint64_t draw) const {
  std::mt19937_64 generator(draw);
  Names left = loss == DiskLoss::kContents ? names_ : kept_;
  if (loss == DiskLoss::kSome) {
    std::set<std::string> all;
    for (const Names* names : {&names_, &kept_}) {
      for (const auto& [name, file] : *names) all.insert(name);
    }
    left.clear();
    for (const std::string& name : all) {
      const Names& from = generator() % 2 == 0 ? names_ : kept_;
      if (const auto file = from.find(name); file != from.end()) left.insert(*file);
    }
  }
  Check(fs::create_directories(folder), "a crash needs a folder of its own");
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (entry.is_directory()) fs::create_directories(folder + "/" + *Inside(entry.path().string()));
  }
  for (const auto& [name, file] : left) {
    const std::string path = folder + "/" + name;
    if (file->is_link) {
      fs::create_symlink(*file->kept, path);
    } else {
      std::ofstream(path, std::ios::binary) << file->kept.value_or("");
    }
  }
}

}  // namespace cf
