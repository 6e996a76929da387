#include "files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "errors.h"

namespace octavo::cli {

std::string read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(path.c_str(), "rb"),
                                                               &std::fclose);
  if (!stream) fail(ErrorCode::kIo, "cannot open {}: {}", path, std::strerror(errno));
  std::string bytes;
  char buffer[1 << 16];
  while (const size_t count = std::fread(buffer, 1, sizeof buffer, stream.get())) {
    bytes.append(buffer, count);
  }
  if (std::ferror(stream.get())) {
    fail(ErrorCode::kIo, "cannot read {}: {}", path, std::strerror(errno));
  }
  return bytes;
}

void write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kIo, "cannot write to standard output: {}", std::strerror(errno));
  }
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_path_(fmt::format("{}.tmp.{}", path_, ::getpid())) {
  const int descriptor =
      ::open(temporary_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) fail_with_reason("create");
  stream_ = ::fdopen(descriptor, "wb");
  if (stream_ == nullptr) fail_with_reason("create");
}

AtomicFile::~AtomicFile() {
  if (stream_ == nullptr) return;
  std::fclose(stream_);
  ::unlink(temporary_path_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stream_) != bytes.size()) {
    fail_with_reason("write");
  }
}

void AtomicFile::finish() {
  if (std::fflush(stream_) != 0 || ::fsync(::fileno(stream_)) != 0) fail_with_reason("write");
  if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0) fail_with_reason("rename");
  std::fclose(stream_);
  stream_ = nullptr;
}

void AtomicFile::fail_with_reason(const char* what) const {
  fail(ErrorCode::kIo, "cannot {} {}: {}", what, path_, std::strerror(errno));
}

}  // namespace octavo::cli
