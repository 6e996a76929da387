// Asks for the source's bytes before they are wanted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convert/source.h"

namespace octavo {

class ReadAhead {
 public:
  explicit ReadAhead(const ModelSource& source) : source_(source) {}

  /// Tensors before `index` are not read.
  void start_at(size_t index) { tensor_ = index; }
  /// `bytes` more have been used: asks for as many further on, in the order of the tensors.
  void used(int64_t bytes);

 private:
  const ModelSource& source_;
  size_t tensor_ = 0;  // the next to be asked for
  int64_t row_ = 0;    // of it
  int64_t ahead_ = 0;  // bytes asked for and not used yet
};

}  // namespace octavo
