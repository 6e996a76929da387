#include "backend/cpu/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

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

}  // namespace octavo
