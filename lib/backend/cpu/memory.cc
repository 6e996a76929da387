#include "backend/cpu/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "core/error.h"

namespace octavo {

Pages::Pages(int64_t bytes) : bytes_(bytes) {
  if (bytes <= 0) return;
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    fail(ErrorCode::kIo, "cannot get {} MiB of memory: {}; try a smaller context or batch",
         bytes >> 20, std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(memory);
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(bytes_));
}

void Pages::prefer_huge(bool huge) {
#if defined(MADV_HUGEPAGE)
  if (data_ != nullptr) {
    madvise(data_, static_cast<size_t>(bytes_), huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
#endif
}

DeviceMemory machine_memory() {
  DeviceMemory memory;
  std::ifstream lines("/proc/meminfo");
  for (std::string name; lines >> name;) {
    int64_t kib = 0;
    if (name == "MemTotal:" && lines >> kib) memory.total = kib << 10;
    if (name == "MemAvailable:" && lines >> kib) memory.free = kib << 10;
    std::getline(lines, name);
  }
  return memory;
}

}  // namespace octavo
