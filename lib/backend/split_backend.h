// A device made of two: some layers of a model are on one of them, the rest on the other.
//
// A layer's ops run where its weights are. Activations are copied when an op needs them on the side
// where they are not; a layer's keys and values stay where its attention runs.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace octavo {

/// Which of two devices a tensor goes to.
struct Split {
  int64_t layers = 0;           ///< of the model
  int64_t first_on_gpu = 0;     ///< layers from here on are on the GPU
  bool experts_on_cpu = false;  ///< but their experts are not

  bool on_gpu(const WeightPlace& place) const {
    return place.layer >= first_on_gpu && !(place.expert && experts_on_cpu);
  }
};

std::shared_ptr<Device> make_split_device(std::shared_ptr<Device> gpu, std::shared_ptr<Device> cpu,
                                          const Split& split);

}  // namespace octavo
