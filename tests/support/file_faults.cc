// A library that is preloaded into a program under test and makes one kind of call on files fail from some call on, as a
// disk does that is full, broken or gone. It has no files without names, so that a path says which one it is. In the environment:
//
//   CF_FAULT_CALL   read, write, open or sync
//   CF_FAULT_PATH   what the file's path contains
//   CF_FAULT_ERROR  the errno
//   CF_FAULT_AFTER  so many calls succeed first
//   CF_FAULT_TIMES  so many fail then, and all others succeed; empty: all fail
//   CF_FAULT_WHEN   they are counted once this path exists; empty: at once

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Fault {
  std::string call = Variable("CF_FAULT_CALL");
  std::string path = Variable("CF_FAULT_PATH");
  int error = std::atoi(Variable("CF_FAULT_ERROR").c_str());
  long after = std::atol(Variable("CF_FAULT_AFTER").c_str());
  long times = Variable("CF_FAULT_TIMES").empty() ? std::numeric_limits<long>::max()
                                                  : std::atol(Variable("CF_FAULT_TIMES").c_str());
  std::string when = Variable("CF_FAULT_WHEN");
};

const Fault& TheFault() {
  // Never destroyed: calls come from threads until the process has gone.
  static const Fault* const fault = new Fault;
  return *fault;
}

/// Counts a call of that kind on `path`; whether it is to fail.
bool Fails(const char* call, const char* path) {
  static std::atomic<bool> begun = false;
  static std::atomic<long> calls = 0;
  const Fault& fault = TheFault();
  if (fault.call != call || std::string(path).find(fault.path) == std::string::npos) return false;
  struct stat info = {};
  if (!begun && !fault.when.empty() &&
      ::syscall(SYS_newfstatat, AT_FDCWD, fault.when.c_str(), &info, 0) != 0) {
    return false;
  }
  begun = true;
  const long call_number = calls++;
  if (call_number < fault.after || call_number - fault.after >= fault.times) return false;
  errno = fault.error;
  return true;
}

bool FailsOn(const char* call, int file) {
  if (TheFault().call != call) return false;
  char link[32];
  char path[4096];
  (void)std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t length = ::readlink(link, path, sizeof(path) - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return Fails(call, path);
}

template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int OpenNext(const char* name, const char* path, int flags, va_list arguments) {
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if (Fails("open", path)) return -1;
  return Next<int(const char*, int, ...)>(name)(path, flags, mode);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = OpenNext("open", path, flags, arguments);
  va_end(arguments);
  return file;
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = OpenNext("open64", path, flags, arguments);
  va_end(arguments);
  return file;
}

ssize_t read(int file, void* into, size_t bytes) {
  if (FailsOn("read", file)) return -1;
  return Next<ssize_t(int, void*, size_t)>("read")(file, into, bytes);
}

ssize_t pread(int file, void* into, size_t bytes, off_t offset) {
  if (FailsOn("read", file)) return -1;
  return Next<ssize_t(int, void*, size_t, off_t)>("pread")(file, into, bytes, offset);
}

ssize_t pread64(int file, void* into, size_t bytes, off64_t offset) {
  if (FailsOn("read", file)) return -1;
  return Next<ssize_t(int, void*, size_t, off64_t)>("pread64")(file, into, bytes, offset);
}

ssize_t write(int file, const void* from, size_t bytes) {
  if (FailsOn("write", file)) return -1;
  return Next<ssize_t(int, const void*, size_t)>("write")(file, from, bytes);
}

ssize_t pwrite(int file, const void* from, size_t bytes, off_t offset) {
  if (FailsOn("write", file)) return -1;
  return Next<ssize_t(int, const void*, size_t, off_t)>("pwrite")(file, from, bytes, offset);
}

ssize_t pwrite64(int file, const void* from, size_t bytes, off64_t offset) {
  if (FailsOn("write", file)) return -1;
  return Next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(file, from, bytes, offset);
}

int fsync(int file) {
  if (FailsOn("sync", file)) return -1;
  return Next<int(int)>("fsync")(file);
}

int fdatasync(int file) {
  if (FailsOn("sync", file)) return -1;
  return Next<int(int)>("fdatasync")(file);
}

}  // extern "C"
