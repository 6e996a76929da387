// Arguments for random calls of the C API: mostly right, else NULL, a wrong size, or a handle that
// was freed, that is of another type or of none. Buffers are as large as the call is told, to the
// byte, so that the address sanitizer sees a step beyond.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "octavo/octavo.h"
#include "support/random.h"

namespace octavo::test {

class Dice : public Random {
 public:
  Dice() : Random(20240607) {}
  bool one_in(int64_t count) { return below(count) == 0; }
  /// Whether this one is to be wrong. While `careful` none is: of structs with many fields hardly
  /// one would be right otherwise.
  bool wrong_one_in(int64_t count) { return !careful && one_in(count); }
  template <class Value>
  Value any(std::initializer_list<Value> values) {
    return *(values.begin() + below(static_cast<int64_t>(values.size())));
  }
  template <class Value>
  Value mostly(std::initializer_list<Value> right, std::initializer_list<Value> wrong) {
    return any(wrong_one_in(12) ? wrong : right);
  }

  bool careful = false;
};

/// Handles of one type: live ones, and all that ever were.
template <class Handle>
struct Pool {
  std::vector<Handle*> live, freed;

  bool holds(const Handle* handle) const {
    return std::find(live.begin(), live.end(), handle) != live.end();
  }
  void add(Handle* handle) {
    if (handle != nullptr) live.push_back(handle);
  }
  void drop(Handle* handle) {
    live.erase(std::find(live.begin(), live.end(), handle));
    freed.push_back(handle);
  }
};

class RandomArguments {
 public:
  RandomArguments() = default;
  ~RandomArguments() {
    for (octavo_session* session : sessions.live) octavo_session_free(session);
    for (octavo_sampler* sampler : samplers.live) octavo_sampler_free(sampler);
    for (octavo_model* model : models.live) octavo_model_free(model);
  }
  RandomArguments(const RandomArguments&) = delete;
  RandomArguments& operator=(const RandomArguments&) = delete;

  /// Mostly a live one.
  template <class Handle>
  Handle* pick(const Pool<Handle>& pool) {
    if (dice.below(4) > 0 && !pool.live.empty()) return pick_of(pool.live);
    if (dice.one_in(2) && !pool.freed.empty()) return pick_of(pool.freed);
    if (dice.one_in(3)) return nullptr;
    if (dice.one_in(2) && !models.live.empty()) {  // of another type, or after all right
      return reinterpret_cast<Handle*>(pick_of(models.live));
    }
    return reinterpret_cast<Handle*>(static_cast<uintptr_t>(dice.bits()));
  }

  /// Room on the heap for `count` values, which lives until the next call.
  template <class Value>
  Value* buffer(size_t count) {
    return static_cast<Value*>(bytes(count * sizeof(Value)));
  }
  /// That, or now and then NULL.
  template <class Value>
  Value* maybe(size_t count) {
    return dice.one_in(6) ? nullptr : buffer<Value>(count);
  }
  /// A copy of a text, with a 0 behind it.
  const char* string(const std::string& text) {
    return static_cast<const char*>(
        std::memcpy(buffer<char>(text.size() + 1), text.c_str(), text.size() + 1));
  }
  template <class Value>
  struct Array {
    const Value* values;
    size_t count;
  };
  /// Up to `most` values that `make` gives, or now and then NULL with any count.
  template <class Value>
  Array<Value> array(int64_t most, const std::function<Value()>& make) {
    if (dice.wrong_one_in(12)) return {nullptr, dice.any<size_t>({0, 1, SIZE_MAX})};
    if (dice.wrong_one_in(40)) return {buffer<Value>(1), SIZE_MAX / 2};
    const auto count = static_cast<size_t>(dice.below(most + 1));
    auto* const values = buffer<Value>(count);
    for (size_t i = 0; i < count; ++i) values[i] = make();
    return {values, count};
  }
  /// Texts, or now and then NULL, one of `texts`.
  Array<const char*> strings(std::initializer_list<const char*> texts) {
    return array<const char*>(
        3, [&] { return dice.wrong_one_in(20) ? nullptr : string(dice.any<const char*>(texts)); });
  }
  Array<int32_t> ids() {
    return array<int32_t>(12, [this] {
      return dice.wrong_one_in(200) ? dice.any<int32_t>({-1, 4096, INT32_MIN, INT32_MAX})
                                    : static_cast<int32_t>(dice.below(128));
    });
  }

  /// NULL, or a struct as large as its struct_size says; one of a size that is refused has no more
  /// than that field.
  template <class Struct>
  Struct* sized(const std::function<void(Struct&)>& fill) {
    if (dice.one_in(3)) return nullptr;
    Struct value = {};
    dice.careful = !dice.one_in(3);
    fill(value);
    dice.careful = false;
    value.struct_size = dice.one_in(3) ? some_size(sizeof(Struct)) : sizeof(Struct);
    const bool is_known = value.struct_size <= sizeof(Struct) && value.struct_size >= 8;
    const size_t size = is_known ? value.struct_size : sizeof(size_t);
    return static_cast<Struct*>(std::memcpy(bytes(size), &value, size));
  }
  template <class Struct>
  Struct* result() {
    return sized<Struct>([](Struct&) {});
  }
  /// A call of an _init function.
  template <class Struct>
  octavo_status initialise(octavo_status (*init)(Struct*, size_t)) {
    const size_t size = some_size(sizeof(Struct));
    return init(
        dice.one_in(4) ? nullptr : static_cast<Struct*>(bytes(std::min(size, sizeof(Struct)))),
        size);
  }

  Dice dice;
  Pool<octavo_model> models;
  Pool<octavo_session> sessions;
  Pool<octavo_sampler> samplers;
  /// What the last call was given is no longer needed.
  void forget_buffers() { buffers_.clear(); }

 private:
  void* bytes(size_t size) {
    return buffers_.emplace_back(std::make_unique<std::byte[]>(size)).get();
  }
  template <class Handle>
  Handle* pick_of(const std::vector<Handle*>& handles) {
    return handles[static_cast<size_t>(dice.below(static_cast<int64_t>(handles.size())))];
  }
  /// Of an older caller, or of none.
  size_t some_size(size_t known) {
    if (dice.one_in(2)) return static_cast<size_t>(dice.below(20)) * 8;
    return dice.any<size_t>({0, 1, 7, known - 1, known, known + 8, SIZE_MAX});
  }

  std::vector<std::unique_ptr<std::byte[]>> buffers_;
};

}  // namespace octavo::test
