#include "convert/torch_archive.h"

#include <optional>
#include <string_view>

#include "convert/pickle.h"
#include "convert/zip_archive.h"
#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

using Bytes = std::span<const std::byte>;
using Kind = PickleValue::Kind;

constexpr std::string_view kPickle = "/data.pkl";

std::string_view type_name(PickleGlobal storage) {
  if (storage == PickleGlobal::kFloatStorage) return "F32";
  return storage == PickleGlobal::kHalfStorage ? "F16" : "BF16";
}

int64_t type_bytes(PickleGlobal storage) { return storage == PickleGlobal::kFloatStorage ? 4 : 2; }

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Where things are in the archive: under a folder of any name.
class Archive {
 public:
  explicit Archive(Bytes file) : file_(file), entries_(parse_zip(file)) {
    for (const auto& [name, entry] : entries_) {
      if (!name.ends_with(kPickle)) continue;
      if (pickle_ != nullptr) {
        fail(ErrorCode::kFormat, "the archive holds two pickles, {} and {}",
             printable(pickle_->first), printable(name));
      }
      pickle_ = &*entries_.find(name);
    }
    if (pickle_ == nullptr) {
      fail(ErrorCode::kFormat, "the zip archive holds no data.pkl: it is none of torch.save");
    }
    folder_ = pickle_->first.substr(0, pickle_->first.size() - kPickle.size());
    check_byte_order();
  }

  Bytes pickle() const { return checked_entry(file_, pickle_->first, pickle_->second); }

  // The bytes of a storage. Throws Error when it is missing or has another length.
  const ZipEntry& storage(std::string_view key, const PickledStorage& storage) const {
    constexpr size_t kLongestKey = 64;  // PyTorch numbers them
    const std::string name = folder_ + "/data/" + std::string(key.substr(0, kLongestKey));
    const auto found = key.size() > kLongestKey ? entries_.end() : entries_.find(name);
    if (found == entries_.end()) {
      fail(ErrorCode::kFormat, "the storage {} is missing", printable(name));
    }
    const ZipEntry& entry = found->second;
    const int64_t size = type_bytes(storage.type);
    if (entry.bytes % size != 0 || entry.bytes / size != storage.elements) {
      fail(ErrorCode::kFormat, "the storage {} has {} bytes for {} numbers of type {}",
           printable(name), entry.bytes, storage.elements, type_name(storage.type));
    }
    return entry;
  }

 private:
  void check_byte_order() const {
    const std::string name = folder_ + "/byteorder";  // absent in what older versions wrote
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    const std::string_view order = text_of(checked_entry(file_, name, found->second));
    if (order == "little") return;
    fail(ErrorCode::kUnsupported, "the archive's byte order is {}; only little is supported",
         printable(order));
  }

  Bytes file_;
  ZipEntries entries_;
  const ZipEntries::value_type* pickle_ = nullptr;
  std::string folder_;
};

// The numbers of a shape; fails when they are too many for any file.
int64_t elements_of(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(elements, size, &elements)) {
      fail(ErrorCode::kFormat, "the shape is too large");
    }
  }
  return elements;
}

// Row-major without gaps; the stride of a dimension of one means nothing.
bool is_dense(const std::vector<int64_t>& shape, std::span<const PickleValue> strides) {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i].number != expected) return false;
    expected *= shape[i];
  }
  return true;
}

ArchivedTensor place_tensor(const Archive& archive, const PickleHeap& heap,
                            const PickledTensor& pickled) {
  const PickledStorage& storage = heap.storages[static_cast<size_t>(pickled.storage)];
  const ZipEntry& entry = archive.storage(heap.text(storage.key), storage);
  ArchivedTensor tensor;
  for (const PickleValue& size : heap.tuple(pickled.shape)) tensor.shape.push_back(size.number);
  const int64_t elements = elements_of(tensor.shape);
  if (elements > 0 && !is_dense(tensor.shape, heap.tuple(pickled.strides))) {
    fail(ErrorCode::kUnsupported,
         "its rows are not one behind the other; save it again with .contiguous()");
  }
  if (pickled.first > storage.elements || elements > storage.elements - pickled.first) {
    fail(ErrorCode::kFormat, "{} numbers from {} are not in its storage of {}", elements,
         pickled.first, storage.elements);
  }
  tensor.type = type_name(storage.type);
  tensor.offset = entry.offset + pickled.first * type_bytes(storage.type);
  tensor.bytes = elements * type_bytes(storage.type);
  return tensor;
}

// The dict that holds the tensors: `root`, or the only dict in it ("model", "state_dict").
int64_t state_dict(const PickleHeap& heap, const PickleValue& root) {
  if (!root.is(Kind::kDict)) fail(ErrorCode::kFormat, "the pickle holds no dict of tensors");
  std::optional<int64_t> inner;
  for (const PickledEntry& entry : heap.entries) {
    if (entry.dict != root.number) continue;
    if (entry.value.is(Kind::kTensor)) return root.number;
    if (!entry.value.is(Kind::kDict)) continue;
    if (inner) fail(ErrorCode::kFormat, "the pickle holds several dicts, and no tensors");
    inner = entry.value.number;
  }
  return inner.value_or(root.number);
}

ArchivedTensors parse_archive(Bytes file) {
  const Archive archive(file);
  PickleHeap heap(archive.pickle());
  const PickleValue root = read_pickle(heap);
  const int64_t dict = state_dict(heap, root);
  ArchivedTensors tensors;
  for (const PickledEntry& entry : heap.entries) {
    if (entry.dict != dict || !entry.value.is(Kind::kTensor)) continue;
    if (!entry.key.is(Kind::kText)) fail(ErrorCode::kFormat, "a tensor has no name");
    const std::string name(heap.text(entry.key));
    try {
      const PickledTensor& pickled = heap.tensors[static_cast<size_t>(entry.value.number)];
      if (tensors.try_emplace(name, place_tensor(archive, heap, pickled)).second) continue;
    } catch (const Error& error) {
      fail(error.code(), "tensor {}: {}", printable(name), error.what());
    }
    fail(ErrorCode::kFormat, "tensor {} is listed twice", printable(name));
  }
  return tensors;
}

}  // namespace

ArchivedTensors parse_torch_archive(Bytes file, const std::string& name) {
  try {
    // What torch.save wrote before version 1.6 starts with a pickle.
    if (!file.empty() && file[0] == std::byte{0x80}) {
      fail(ErrorCode::kUnsupported,
           "this is PyTorch's format of before version 1.6; load it with a newer one and save "
           "again");
    }
    return parse_archive(file);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
}

}  // namespace octavo
