// What a pickle of tensors can build: plain values, dicts, and tensors that refer to storages.
// Everything lies in a few flat tables, so a value that is shared a thousand times costs nothing,
// nothing is ever walked recursively, and a pickle of N operations builds at most N of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace octavo {

/// The globals that a pickle of tensors may name.
enum class PickleGlobal : uint8_t {
  kOrderedDict,
  kRebuildTensor,
  kRebuildParameter,
  kFloatStorage,
  kHalfStorage,
  kBFloat16Storage,
};

struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,  ///< its value is dropped: no tensor needs one
    kText,
    kTuple,
    kList,  ///< what is in it is dropped
    kDict,
    kGlobal,
    kStorage,
    kTensor,
  };
  Kind kind = Kind::kNone;
  uint32_t count = 0;  ///< kText: bytes; kTuple: items
  /// kBool, kInt: the value; kGlobal: which; kText: where in the pickle; kTuple: the first of
  /// `items`; kDict: its number; kStorage, kTensor: where in the table.
  int64_t number = 0;

  bool is(Kind other) const { return kind == other; }
};

/// Numbers of one type, in an entry of the archive.
struct PickledStorage {
  PickleGlobal type = PickleGlobal::kFloatStorage;
  PickleValue key;  ///< text
  int64_t elements = 0;
};

/// A view of a storage.
struct PickledTensor {
  int64_t storage = 0;         ///< in the table
  int64_t first = 0;           ///< element of the storage
  PickleValue shape, strides;  ///< tuples of as many integers, kMostDimensions at most
};

struct PickledEntry {
  int64_t dict = 0;  ///< whose it is
  PickleValue key, value;
};

/// Everything that a pickle has built. Texts stay in the pickle's own bytes.
struct PickleHeap {
  explicit PickleHeap(std::span<const std::byte> bytes) : pickle(bytes) {}

  std::span<const std::byte> pickle;
  std::vector<PickleValue> items;     ///< of all tuples
  std::vector<PickledEntry> entries;  ///< of all dicts, in the order they were set
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  int64_t dicts = 0;

  PickleValue new_dict() { return {PickleValue::Kind::kDict, 0, dicts++}; }
  std::string_view text(const PickleValue& value) const {
    return {reinterpret_cast<const char*>(pickle.data()) + value.number, value.count};
  }
  std::span<const PickleValue> tuple(const PickleValue& value) const {
    return std::span(items).subspan(static_cast<size_t>(value.number), value.count);
  }
};

}  // namespace octavo
