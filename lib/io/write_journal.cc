#include "io/write_journal.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "io/partial_file.h"

namespace octavo {
namespace {

constexpr const char* kTitle = "octavo-journal-2";

std::string hex(uint64_t value) { return fmt::format("{:016x}", value); }

// A line ends with a checksum of what stands before it.
std::string sealed(const std::string& text) {
  return text + " " + hex(XXH3_64bits(text.data(), text.size())) + "\n";
}

std::string key_line(const JournalKey& key) {
  return sealed(
      fmt::format("{} {} {} {}", kTitle, hex(key.plan), hex(key.source), hex(key.calibration)));
}

std::string tensor_line(int64_t index, uint64_t checksum) {
  return sealed(fmt::format("{} {}", index, hex(checksum)));
}

// The 16 digits that begin at `at`. Only of lines whose seal is right.
uint64_t digits_at(const std::string& line, size_t at) {
  return std::strtoull(line.substr(at, 16).c_str(), nullptr, 16);
}

}  // namespace

JournalContent read_journal(const std::string& path) {
  JournalContent content;
  std::ifstream stream(path, std::ios::binary);
  std::string line;
  if (!std::getline(stream, line)) return content;
  const size_t plan_at = std::strlen(kTitle) + 1, source_at = plan_at + 17,
               calibration_at = source_at + 17;
  if (line.size() < calibration_at + 16) return content;
  content.key = {.plan = digits_at(line, plan_at),
                 .source = digits_at(line, source_at),
                 .calibration = digits_at(line, calibration_at)};
  if (line + "\n" != key_line(content.key)) return content;
  content.is_valid = true;
  while (std::getline(stream, line)) {
    const auto index = static_cast<int64_t>(content.checksums.size());
    const size_t at = line.find(' ') + 1;
    if (at == 0 || line.size() < at + 16) break;
    const uint64_t checksum = digits_at(line, at);
    if (line + "\n" != tensor_line(index, checksum) || stream.eof()) break;
    content.checksums.push_back(checksum);
  }
  return content;
}

WriteJournal::WriteJournal(std::string path, const JournalKey& key,
                           std::span<const uint64_t> checksums)
    : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(ErrorCode::kIo, "cannot create {}: {}", path_, std::strerror(errno));
  std::string text = key_line(key);
  for (const uint64_t checksum : checksums) text += tensor_line(tensors_++, checksum);
  try {
    if (!cut_to(text)) write(text);
    sync();
  } catch (const Error&) {
    ::close(fd_);
    throw;
  }
  sync_folder_of(path_);
}

// Whether the file begins with `text`. It then ends there, else it is empty.
bool WriteJournal::cut_to(const std::string& text) const {
  std::string known(text.size(), '\0');
  const bool begins =
      ::pread(fd_, known.data(), known.size(), 0) == static_cast<ssize_t>(text.size()) &&
      known == text;
  const auto length = static_cast<off_t>(begins ? text.size() : 0);
  if (::ftruncate(fd_, length) != 0 || ::lseek(fd_, length, SEEK_SET) != length) {
    fail(ErrorCode::kIo, "cannot write {}: {}", path_, std::strerror(errno));
  }
  return begins;
}

WriteJournal::~WriteJournal() { ::close(fd_); }

void WriteJournal::append(std::span<const uint64_t> checksums) {
  std::string text;
  for (const uint64_t checksum : checksums) text += tensor_line(tensors_++, checksum);
  write(text);
  sync();
}

void WriteJournal::sync() {
  if (::fdatasync(fd_) == 0) return;
  fail(ErrorCode::kIo, "cannot write {}: {}", path_, std::strerror(errno));
}

void WriteJournal::write(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t count = ::write(fd_, text.data() + at, text.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(ErrorCode::kIo, "cannot write {}: {}", path_, std::strerror(errno));
    at += static_cast<size_t>(count);
  }
}

}  // namespace octavo
