// A whole file mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace octavo {

class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(kIo) with the path and the system's reason. An empty file maps to no bytes.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, static_cast<size_t>(size_)}; }
  int64_t size() const { return size_; }

  /// Has the kernel read [offset, offset + count), which lies within the file, without waiting for
  /// it.
  void request(int64_t offset, int64_t count) const;

  /// Tells the kernel that [offset, offset + count) has been read and its pages may go (streaming
  /// converter).
  void release(int64_t offset, int64_t count) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace octavo
