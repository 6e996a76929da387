// Files and standard output as the commands use them: failures are octavo::Error, never silence.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace octavo::cli {

/// The bytes of a file. Throws Error(kIo) with the path and the system's reason.
std::string read_file(const std::string& path);

/// Writes to standard output and flushes. Throws Error(kIo), for example on a full disk.
void write_output(std::string_view text);

/// A file that appears under its name only when it is whole: written beside it, synced, renamed.
class AtomicFile {
 public:
  /// Throws Error(kIo).
  explicit AtomicFile(std::string path);
  /// Removes what was written unless finish() succeeded.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Throws Error(kIo).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Throws Error(kIo).
  void finish();

 private:
  [[noreturn]] void fail_with_reason(const char* what) const;

  std::string path_, temporary_path_;
  std::FILE* stream_ = nullptr;
};

}  // namespace octavo::cli
