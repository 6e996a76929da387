#include "convert/panel_stream.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/parallel.h"

namespace octavo {
namespace {

constexpr int64_t kBatchBytes = int64_t{4} << 20;  // of output for each thread

}  // namespace

PanelShape panel_shape(const TensorEntry& entry) {
  if (entry.order == Order::kPlain) return {1, entry.bytes};
  return {packed_panels(entry.rows), packed_panel_bytes(entry.format, entry.cols)};
}

void stream_panels(ModelWriter& writer, PanelMaker& maker, int threads) {
  threads = resolve_threads(threads);
  std::vector<std::byte> buffer;
  for (size_t index = 0; index < writer.directory().tensors.size(); ++index) {
    const TensorEntry& entry = writer.directory().tensors[index];
    const PanelShape shape = panel_shape(entry);
    const int64_t batch =
        std::clamp<int64_t>(threads * kBatchBytes / shape.bytes, threads, shape.panels + threads);
    maker.begin(entry, index, threads);
    for (int64_t first = 0; first < shape.panels; first += batch) {
      const int64_t last = std::min(first + batch, shape.panels);
      buffer.resize(static_cast<size_t>((last - first) * shape.bytes));
      std::atomic<int64_t> next = first;
      parallel(threads, [&](int thread, int) {
        for (int64_t panel = next++; panel < last; panel = next++) {
          maker.make(panel, thread, buffer.data() + (panel - first) * shape.bytes);
        }
      });
      maker.check();
      writer.append(index, buffer);
      maker.done(first, last);
    }
  }
  writer.finish();
}

}  // namespace octavo
