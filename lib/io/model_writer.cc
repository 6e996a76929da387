#include "io/model_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "io/model_layout.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

/// The file is written in aligned pieces of a huge page, so that systems whose page cache can keep
/// such a page whole do, and map it as one.
constexpr int64_t kPieceBytes = int64_t{2} << 20;

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

}  // namespace

struct ModelWriter::State {
  std::string path, temporary;
  ModelDirectory directory;
  int64_t file_bytes = 0;
  int fd = -1;
  size_t tensor = 0;    // being written
  int64_t written = 0;  // bytes of it
  XXH3_state_t* hash = nullptr;
  bool done = false;
  std::vector<std::byte> piece;  // not written yet
  int64_t piece_offset = 0;

  ~State() {
    if (fd >= 0) ::close(fd);
    if (!done && !temporary.empty()) ::unlink(temporary.c_str());
    XXH3_freeState(hash);
  }

  [[noreturn]] void fail_write(int error) const {
    fail(ErrorCode::kIo, "cannot write {} ({} bytes): {}", path, file_bytes, std::strerror(error));
  }

  void reserve() const {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < static_cast<rlim_t>(file_bytes)) {
      fail_write(EFBIG);  // writing past the limit would end the process by a signal
    }
    if (::fallocate(fd, 0, 0, file_bytes) == 0) return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) fail_write(errno);
    std::error_code error;
    const fs::space_info space = fs::space(fs::path(temporary).parent_path(), error);
    if (!error && space.available < static_cast<uintmax_t>(file_bytes)) fail_write(ENOSPC);
    if (::ftruncate(fd, file_bytes) != 0) fail_write(errno);
  }

  void write_at(int64_t offset, const void* bytes, size_t count) const {
    const char* from = static_cast<const char*>(bytes);
    while (count > 0) {
      const ssize_t written_now = ::pwrite(fd, from, count, offset);
      if (written_now < 0 && errno == EINTR) continue;
      if (written_now <= 0) fail_write(written_now == 0 ? EIO : errno);
      from += written_now;
      offset += written_now;
      count -= static_cast<size_t>(written_now);
    }
  }

  void flush() {
    write_at(piece_offset, piece.data(), piece.size());
    piece_offset += static_cast<int64_t>(piece.size());
    piece.clear();
  }

  // The same in whole pieces, for offsets that never go back; what lies between stays zero.
  void write_behind(int64_t offset, std::span<const std::byte> bytes) {
    if (offset != piece_offset + static_cast<int64_t>(piece.size())) {
      flush();
      piece_offset = offset;
    }
    while (!bytes.empty()) {
      const auto held = static_cast<int64_t>(piece.size());
      const int64_t room = kPieceBytes - piece_offset % kPieceBytes - held;
      const auto step = std::min(bytes.size(), static_cast<size_t>(room));
      piece.insert(piece.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(step));
      bytes = bytes.subspan(step);
      if (static_cast<int64_t>(step) == room) flush();
    }
  }

  // Moves on to the next tensor that has bytes still to come.
  void close_finished_tensors() {
    while (tensor < directory.tensors.size() && written == directory.tensors[tensor].bytes) {
      directory.tensors[tensor].checksum = XXH3_64bits_digest(hash);
      XXH3_64bits_reset(hash);
      written = 0;
      ++tensor;
    }
  }

  void sync_folder() const {
    const fs::path folder = fs::path(path).parent_path();
    const int folder_fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
    if (folder_fd < 0) return;  // a folder that may be written but not read: the file is whole
    ::fsync(folder_fd);
    ::close(folder_fd);
  }
};

ModelWriter::ModelWriter(const std::string& path, ModelDirectory directory)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.directory = std::move(directory);
  s.file_bytes = lay_out(s.directory);
  s.path = resolve_target(path);
  s.hash = XXH3_createState();
  if (s.hash == nullptr) fail(ErrorCode::kIo, "cannot write {}: out of memory", path);
  XXH3_64bits_reset(s.hash);
  const std::string temporary = fmt::format("{}.part-{}", s.path, ::getpid());
  s.fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (s.fd < 0) fail(ErrorCode::kIo, "cannot create {}: {}", temporary, std::strerror(errno));
  s.temporary = temporary;
  s.reserve();
}

ModelWriter::~ModelWriter() = default;

const ModelDirectory& ModelWriter::directory() const { return state_->directory; }
int64_t ModelWriter::file_size() const { return state_->file_bytes; }

void ModelWriter::append(size_t index, std::span<const std::byte> bytes) {
  State& s = *state_;
  const auto count = static_cast<int64_t>(bytes.size());
  if (index != s.tensor || index >= s.directory.tensors.size() ||
      count > s.directory.tensors[index].bytes - s.written) {
    fail(ErrorCode::kInvalidArgument, "{}: tensors must be written in order and whole", s.path);
  }
  XXH3_64bits_update(s.hash, bytes.data(), bytes.size());
  s.write_behind(s.directory.tensors[index].offset + s.written, bytes);
  s.written += count;
  s.close_finished_tensors();
}

void ModelWriter::finish() {
  State& s = *state_;
  if (s.tensor != s.directory.tensors.size()) {
    fail(ErrorCode::kInvalidArgument, "{}: tensor {} is not complete", s.path,
         s.directory.tensors[s.tensor].name);
  }
  s.flush();
  const std::string directory = write_directory(s.directory);
  const ModelHeader header = make_header(directory, s.file_bytes);
  s.write_at(sizeof header, directory.data(), directory.size());
  s.write_at(0, &header, sizeof header);
  if (::fsync(s.fd) != 0) s.fail_write(errno);
  const int closed = ::close(std::exchange(s.fd, -1));
  if (closed != 0) s.fail_write(errno);
  if (::rename(s.temporary.c_str(), s.path.c_str()) != 0) s.fail_write(errno);
  s.done = true;
  s.sync_folder();
}

}  // namespace octavo
