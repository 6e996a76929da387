// Writing a model file's tensors panel by panel, with threads and little memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/model_writer.h"

namespace octavo {

/// Makes the bytes of tensors. A tensor in plain order is one panel. Whatever the threads, the same
/// panel has the same bytes.
class PanelMaker {
 public:
  virtual ~PanelMaker() = default;
  /// Before the panels of a tensor, on the calling thread: scratch memory for `threads`.
  virtual void begin(const TensorEntry& entry, size_t index, int threads) = 0;
  /// Makes one panel at dst; called from several threads at once; must not throw.
  virtual void make(int64_t panel, int thread, std::byte* dst) = 0;
  /// After panels [first, last) are made and written, on the calling thread. May throw.
  virtual void done(int64_t first, int64_t last) = 0;
  /// After panels are made, before they are written. Throws when one of them could not be made.
  virtual void check() = 0;
};

/// Panels of a tensor, and bytes of each.
struct PanelShape {
  int64_t panels, bytes;
};
PanelShape panel_shape(const TensorEntry& entry);

/// Makes and writes every tensor of writer.directory(), then finishes the file. Throws Error.
void stream_panels(ModelWriter& writer, PanelMaker& maker, int threads);

}  // namespace octavo
