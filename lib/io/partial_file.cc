#include "io/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "io/model_writer.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

// Where the file really goes: behind a symbolic link. Never onto anything but a file.
std::string resolve_target(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::canonical(path, error);
  if (error) return path;
  if (!fs::is_regular_file(target, error)) {
    fail(ErrorCode::kIo, "cannot write {}: it exists and is no file", path);
  }
  return target.string();
}

std::string part_name(const std::string& target) { return target + ".part"; }

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// Whether `path` is still the name of the open file: its last writer may have renamed or removed it
// while this one waited for the lock.
bool is_named(int fd, const std::string& path) {
  struct stat open_file {
  }, named{};
  return ::fstat(fd, &open_file) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

}  // namespace

int64_t free_bytes_for(const std::string& path) {
  const std::string target = resolve_target(path);
  std::error_code error;
  const fs::space_info space = fs::space(folder_of(target), error);
  if (error) fail(ErrorCode::kIo, "cannot write {}: {}", path, error.message());
  struct stat part {};
  const bool is_there = ::stat(part_name(target).c_str(), &part) == 0 && S_ISREG(part.st_mode);
  return static_cast<int64_t>(space.available) + (is_there ? part.st_blocks * 512 : 0);
}

void sync_folder_of(const std::string& path) {
  const int fd = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // a folder that may be written but not read: the file is whole
  ::fsync(fd);
  ::close(fd);
}

PartialFile::PartialFile(const std::string& path)
    : target_(resolve_target(path)), path_(part_name(target_)) {
  open_locked();
  struct stat status {};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd_);
    fail(ErrorCode::kIo, "cannot write {}: it exists and is no file", path_);
  }
}

PartialFile::~PartialFile() {
  if (!keep_ && !published_) ::unlink(path_.c_str());
  ::close(fd_);  // the lock goes last
}

void PartialFile::open_locked() {
  do {
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd_ < 0) fail(ErrorCode::kIo, "cannot create {}: {}", path_, std::strerror(errno));
    // Some file systems have no locks; then nobody is kept out.
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd_);
      fail(ErrorCode::kIo,
           "{} is being written by another process; wait for it, or write to "
           "another name",
           path_);
    }
  } while (!is_named(fd_, path_));
}

int64_t PartialFile::size() const {
  struct stat status {};
  return ::fstat(fd_, &status) == 0 ? status.st_size : 0;
}

void PartialFile::fail_write(int error) {
  keep_ = keep_ || keep_on_failure_;
  fail(ErrorCode::kIo, "cannot write {} ({} bytes): {}{}", target_, bytes_, std::strerror(error),
       keep_ ? fmt::format("; what is done stays in {}, --resume goes on with it", path_) : "");
}

void PartialFile::reserve(int64_t kept, int64_t bytes) {
  bytes_ = bytes;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < static_cast<rlim_t>(bytes)) {
    fail_write(EFBIG);  // writing past the limit would end the process by a signal
  }
  if (::ftruncate(fd_, kept) != 0) fail_write(errno);
  if (::fallocate(fd_, 0, 0, bytes) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) fail_write(errno);
  std::error_code error;
  const fs::space_info space = fs::space(folder_of(path_), error);
  if (!error && space.available < static_cast<uintmax_t>(bytes - kept)) fail_write(ENOSPC);
  if (::ftruncate(fd_, bytes) != 0) fail_write(errno);
}

void PartialFile::write_at(int64_t offset, std::span<const std::byte> bytes) {
  const int64_t begin = offset;
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_write(count == 0 ? EIO : errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += count;
  }
  // The disk begins at once, so that a sync finds little left to do.
  ::sync_file_range(fd_, begin, offset - begin, SYNC_FILE_RANGE_WRITE);
}

void PartialFile::sync() {
  if (::fdatasync(fd_) != 0) fail_write(errno);
}

void PartialFile::publish() {
  if (::fsync(fd_) != 0) fail_write(errno);
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail_write(errno);
  published_ = true;
  sync_folder_of(target_);
}

}  // namespace octavo
