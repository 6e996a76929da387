#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace octavo {
namespace {

// Closes the descriptor when the constructor is done: the mapping keeps the file.
struct Descriptor {
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) fail(ErrorCode::kIo, "cannot open {}: {}", path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) {
    fail(ErrorCode::kIo, "cannot read {}: {}", path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) fail(ErrorCode::kIo, "cannot read {}: it is no file", path);
  if (status.st_size == 0) return;
  void* data =
      ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) fail(ErrorCode::kIo, "cannot map {}: {}", path, std::strerror(errno));
  // Reads that the system starts for us then bring in huge pages, where it has them for files.
  ::madvise(data, static_cast<size_t>(status.st_size), MADV_HUGEPAGE);
  data_ = static_cast<const std::byte*>(data);
  size_ = status.st_size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), static_cast<size_t>(size_));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::request(int64_t offset, int64_t count) const {
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const int64_t begin = offset / page * page;
  ::madvise(const_cast<std::byte*>(data_) + begin, static_cast<size_t>(offset + count - begin),
            MADV_WILLNEED);
}

void MappedFile::release(int64_t offset, int64_t count) const {
  // Whole pages only: a page at either end may hold a neighbour that is still to be read.
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const int64_t begin = (std::max<int64_t>(offset, 0) + page - 1) / page * page;
  const int64_t end = std::min(offset + count, size_) / page * page;
  if (data_ == nullptr || begin >= end) return;
  ::madvise(const_cast<std::byte*>(data_) + begin, static_cast<size_t>(end - begin), MADV_DONTNEED);
}

}  // namespace octavo
