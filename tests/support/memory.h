// Memory of this process.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OCTAVO_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OCTAVO_SANITIZED 1
#endif

namespace octavo::test {

/// A sanitizer's own memory would be counted too.
#ifdef OCTAVO_SANITIZED
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

/// Bytes of this process that no file backs; -1: the system does not say.
inline int64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) != 0) continue;
    int64_t kilobytes = -1;
    std::istringstream(line.substr(8)) >> kilobytes;
    return kilobytes * 1024;
  }
  return -1;
}

}  // namespace octavo::test
