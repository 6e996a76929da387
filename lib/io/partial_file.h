// A file that is being written under another name: locked, reserved on the disk, renamed when it is
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace octavo {

class PartialFile {
 public:
  /// Opens or creates `path`.part. Throws Error(kIo), also while another process writes it, and
  /// when `path` is something else than a file.
  explicit PartialFile(const std::string& path);
  /// Removes the file unless it was kept or published.
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::string& target() const { return target_; }  ///< behind a symbolic link
  const std::string& path() const { return path_; }
  int64_t size() const;

  /// Cuts the file to `kept` bytes and reserves the disk for `bytes`, the rest zero. Throws
  /// Error(kIo) when the disk cannot hold it.
  void reserve(int64_t kept, int64_t bytes);
  /// Throws Error(kIo).
  void write_at(int64_t offset, std::span<const std::byte> bytes);
  /// What is written is on the disk when this returns. Throws Error(kIo).
  void sync();
  /// Syncs, renames to the final name, syncs the folder. Throws Error(kIo).
  void publish();

  /// Whether it stays when this object goes.
  void keep(bool keep) { keep_ = keep; }
  bool is_kept() const { return keep_; }
  /// From now on a failed write keeps it.
  void keep_on_failure() { keep_on_failure_ = true; }

 private:
  [[noreturn]] void fail_write(int error);
  void open_locked();

  std::string target_, path_;
  int fd_ = -1;
  int64_t bytes_ = 0;  // reserved
  bool keep_ = false, keep_on_failure_ = false, published_ = false;
};

/// Syncs the folder that holds `path`, so that names in it survive a loss of power.
void sync_folder_of(const std::string& path);

}  // namespace octavo
