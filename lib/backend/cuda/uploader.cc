#include "backend/cuda/uploader.h"

#include <algorithm>
#include <cstring>

namespace octavo::cuda {

Uploader::Uploader() {
  for (Stage& stage : stages_) stage.copied.record(stream_);
}

void Uploader::copy(std::span<const std::byte> host, std::byte* device) {
  while (!host.empty()) {
    const size_t count = std::min(host.size(), static_cast<size_t>(kBytes));
    Stage& stage = stages_[next_];
    next_ = (next_ + 1) % stages_.size();
    stage.copied.wait();
    std::memcpy(stage.memory.data(), host.data(), count);
    to_device(stage.memory.data(), static_cast<int64_t>(count), device, stream_);
    stage.copied.record(stream_);
    host = host.subspan(count);
    device += count;
  }
}

void Uploader::precede(const OwnedStream& stream) {
  // The stage that was filled last is copied last.
  stages_[(next_ + 1) % stages_.size()].copied.precede(stream);
}

}  // namespace octavo::cuda
