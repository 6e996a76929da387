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
  /// Instead of all that for a tensor that is there from an earlier run, on the calling thread.
  virtual void skip(size_t index) = 0;
  /// After panels are made, before they are written. Throws when one of them could not be made.
  virtual void check() = 0;
  /// After panels [first, last) are made, on the calling thread. Returns whether to go on.
  virtual bool done(int64_t first, int64_t last) = 0;
};

/// Panels of a tensor, and bytes of each.
struct PanelShape {
  int64_t panels, bytes;
};
PanelShape panel_shape(const TensorEntry& entry);

/// Makes and writes every tensor of writer.directory() that it does not have yet, then finishes the
/// file; another thread writes while these make. False: the maker wanted to stop, what was made is
/// written and the file is not finished. Throws Error.
bool stream_panels(ModelWriter& writer, PanelMaker& maker, int threads);

}  // namespace octavo
