// oneDNN's matmul reads our panels where they lie: f32 panels are its BA16a16b, bf16 panels its
// BA16a16b2a.
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <vector>

#include "backend/cpu/dense_matmul.h"
#include "core/parallel.h"
#include "quant/float16.h"

namespace octavo {
namespace {

using Desc = dnnl::memory::desc;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

struct Shape {
  Format format;
  int64_t rows, cols, out_cols, x_stride, y_stride;
  bool accumulate;
  auto operator<=>(const Shape&) const = default;
};

Desc source_desc(const Shape& s) {
  const Type type = s.format == Format::kF32 ? Type::f32 : Type::bf16;
  return {{s.rows, s.cols}, type, dnnl::memory::dims{s.x_stride, 1}};
}

Desc weight_desc(const Shape& s) {
  if (s.format == Format::kF32) return {{s.cols, s.out_cols}, Type::f32, Tag::BA16a16b};
  return {{s.cols, s.out_cols}, Type::bf16, Tag::BA16a16b2a};
}

Desc target_desc(const Shape& s) {
  return {{s.rows, s.out_cols}, Type::f32, dnnl::memory::dims{s.y_stride, 1}};
}

}  // namespace

struct DenseMatmul::Impl {
  int threads;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::map<Shape, std::unique_ptr<dnnl::matmul>> primitives;
  std::vector<uint16_t> high, low;  // [rows, cols] the two bf16 parts of x

  // Null when oneDNN has only its reference implementation for the shape.
  dnnl::matmul* primitive(const Shape& shape) {
    auto [it, fresh] = primitives.try_emplace(shape);
    if (!fresh) return it->second.get();
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::library);
    if (shape.accumulate) {
      dnnl::post_ops add;
      add.append_sum();
      attributes.set_post_ops(add);
    }
    const dnnl::matmul::desc desc(source_desc(shape), weight_desc(shape), target_desc(shape));
    const dnnl::matmul::primitive_desc found(desc, attributes, engine, true);
    if (found && std::string_view(found.impl_info_str()).starts_with("brg")) {
      it->second = std::make_unique<dnnl::matmul>(found);
    }
    return it->second.get();
  }

  bool multiply(const Shape& shape, const void* x, const std::byte* panels, float* y) {
    dnnl::matmul* matmul = primitive(shape);
    if (matmul == nullptr) return false;
    // oneDNN takes mutable pointers for inputs too; it does not write them.
    const auto memory = [&](const Desc& desc, const void* data) {
      return dnnl::memory(desc, engine, const_cast<void*>(data));
    };
    matmul->execute(stream, {{DNNL_ARG_SRC, memory(source_desc(shape), x)},
                             {DNNL_ARG_WEIGHTS, memory(weight_desc(shape), panels)},
                             {DNNL_ARG_DST, memory(target_desc(shape), y)}});
    stream.wait();
    return true;
  }

  void split(const float* x, int64_t x_stride, int64_t rows, int64_t cols) {
    high.resize(rows * cols);
    low.resize(rows * cols);
    parallel(threads, [&](int thread, int count) {
      const auto [begin, end] = share(rows, thread, count);
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t k = 0; k < cols; ++k) {
          const float value = x[r * x_stride + k];
          high[r * cols + k] = f32_to_bf16(value);
          low[r * cols + k] = f32_to_bf16(value - bf16_to_f32(high[r * cols + k]));
        }
      }
    });
  }
};

bool DenseMatmul::available() { return true; }

DenseMatmul::DenseMatmul(int threads) : impl_(std::make_unique<Impl>()) {
  impl_->threads = threads;
}
DenseMatmul::~DenseMatmul() = default;

int64_t DenseMatmul::run(Format format, const std::byte* panels, int64_t out_cols, int64_t cols,
                         const float* x, int64_t x_stride, int64_t rows, float* y,
                         int64_t y_stride) {
  if (format != Format::kF32 && format != Format::kBF16) return 0;
  if (rows * cols * out_cols < kLeastProducts) return 0;
  const LibraryThreads limit(impl_->threads);
  int64_t done = 0;
  // Powers of two, so that few shapes are ever compiled.
  for (int64_t step = 512; step >= kLeastRows; step /= 2) {
    for (; rows - done >= step; done += step) {
      const float* from = x + done * x_stride;
      float* to = y + done * y_stride;
      Shape shape = {format, step, cols, out_cols, x_stride, y_stride, false};
      if (format == Format::kF32) {
        if (!impl_->multiply(shape, from, panels, to)) return done;
        continue;
      }
      impl_->split(from, x_stride, step, cols);
      shape.x_stride = cols;
      if (!impl_->multiply(shape, impl_->high.data(), panels, to)) return done;
      shape.accumulate = true;
      if (!impl_->multiply(shape, impl_->low.data(), panels, to)) return done;
    }
  }
  return done;
}

}  // namespace octavo
