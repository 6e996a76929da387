#include "convert/panel_stream.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "convert/write_behind.h"
#include "core/parallel.h"

namespace octavo {
namespace {

constexpr int64_t kThreadBytes = int64_t{4} << 20;  // of output for each thread in a batch
constexpr int64_t kMostBatchBytes = int64_t{64} << 20;

}  // namespace

PanelShape panel_shape(const TensorEntry& entry) {
  if (entry.order == Order::kPlain) return {1, entry.bytes};
  return {packed_panels(entry.rows), packed_panel_bytes(entry.format, entry.cols)};
}

bool stream_panels(ModelWriter& writer, PanelMaker& maker, int threads) {
  threads = resolve_threads(threads);
  // The writer changes its own directory, by checksums alone, while this reads names and shapes.
  const std::vector<TensorEntry> tensors = writer.directory().tensors;
  const size_t begin = writer.next_tensor();
  for (size_t index = 0; index < begin; ++index) maker.skip(index);
  WriteBehind behind(writer);
  for (size_t index = begin; index < tensors.size(); ++index) {
    const PanelShape shape = panel_shape(tensors[index]);
    const int64_t batch_bytes = std::min(threads * kThreadBytes, kMostBatchBytes);
    const int64_t batch = std::max<int64_t>(batch_bytes / shape.bytes, 1);
    maker.begin(tensors[index], index, threads);
    for (int64_t first = 0; first < shape.panels; first += batch) {
      const int64_t last = std::min(first + batch, shape.panels);
      std::vector<std::byte> buffer =
          behind.buffer(static_cast<size_t>((last - first) * shape.bytes));
      std::atomic<int64_t> next = first;
      parallel(threads, [&](int thread, int) {
        for (int64_t panel = next++; panel < last; panel = next++) {
          maker.make(panel, thread, buffer.data() + (panel - first) * shape.bytes);
        }
      });
      maker.check();
      behind.write(index, std::move(buffer));
      if (maker.done(first, last)) continue;
      behind.drain();
      return false;
    }
  }
  behind.drain();
  writer.finish();
  return true;
}

}  // namespace octavo
