// 10,000 calls of the C API with whatever comes: NULL, wrong sizes, handles that were freed, that
// are of another type or of none. Each gives a status; under the address sanitizer none reads or
// writes where it must not. Buffers are as large as the call is told, to the byte.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "octavo/octavo.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr int kCalls = 10000;
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

class Dice : public Random {
 public:
  Dice() : Random(20240607) {}
  bool one_in(int64_t count) { return below(count) == 0; }
  template <class Value>
  Value any(std::initializer_list<Value> values) {
    return *(values.begin() + below(static_cast<int64_t>(values.size())));
  }
  template <class Value>
  Value mostly(std::initializer_list<Value> right, std::initializer_list<Value> wrong) {
    return any(one_in(12) ? wrong : right);
  }
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

class RandomCalls : public testing::Test {
 protected:
  RandomCalls() {
    octavo_model* model = nullptr;
    octavo_model_open(file_.path().c_str(), nullptr, &model);
    models_.add(model);
  }
  ~RandomCalls() override {
    for (octavo_session* session : sessions_.live) octavo_session_free(session);
    for (octavo_sampler* sampler : samplers_.live) octavo_sampler_free(sampler);
    for (octavo_model* model : models_.live) octavo_model_free(model);
  }

  /// Mostly a live one.
  template <class Handle>
  Handle* pick(const Pool<Handle>& pool) {
    if (random_.below(4) > 0 && !pool.live.empty()) return pick_of(pool.live);
    if (random_.one_in(2) && !pool.freed.empty()) return pick_of(pool.freed);
    if (random_.one_in(3)) return nullptr;
    if (random_.one_in(2) && !models_.live.empty()) {  // of another type, or after all right
      return reinterpret_cast<Handle*>(pick_of(models_.live));
    }
    return reinterpret_cast<Handle*>(static_cast<uintptr_t>(random_.bits()));
  }
  template <class Handle>
  Handle* pick_of(const std::vector<Handle*>& handles) {
    return handles[static_cast<size_t>(random_.below(static_cast<int64_t>(handles.size())))];
  }

  /// Room for `size` bytes on the heap, which lives until the next call.
  void* bytes(size_t size) {
    return buffers_.emplace_back(std::make_unique<std::byte[]>(size)).get();
  }
  template <class Value>
  Value* buffer(size_t count) {
    return static_cast<Value*>(bytes(count * sizeof(Value)));
  }
  /// NULL, or an options struct as large as its struct_size says; one of a size that is refused has
  /// no more than that field.
  template <class Struct>
  Struct* options(const std::function<void(Struct&)>& fill) {
    if (random_.one_in(3)) return nullptr;
    Struct value = {};
    fill(value);
    value.struct_size = sizeof(Struct);
    if (random_.one_in(3)) {
      value.struct_size =
          random_.any<size_t>({0, 1, 7, 8, 16, 24, 32, sizeof(Struct) - 1, sizeof(Struct) + 8,
                               std::numeric_limits<size_t>::max()});
    }
    const bool is_known = value.struct_size <= sizeof(Struct) && value.struct_size >= 8;
    const size_t size = is_known ? value.struct_size : sizeof(size_t);
    return static_cast<Struct*>(std::memcpy(bytes(size), &value, size));
  }
  template <class Struct>
  Struct* result() {
    return options<Struct>([](Struct&) {});
  }

  struct Ids {
    const int32_t* ids;
    size_t count;
  };
  Ids ids() {
    if (random_.one_in(12)) return {nullptr, random_.any<size_t>({0, 1, SIZE_MAX})};
    const auto count = static_cast<size_t>(random_.below(12));
    auto* ids = buffer<int32_t>(count);
    for (size_t i = 0; i < count; ++i) {
      ids[i] = random_.one_in(200) ? random_.any<int32_t>({-1, 128, INT32_MIN, INT32_MAX})
                                   : static_cast<int32_t>(random_.below(128));
    }
    return {ids, count};
  }
  const char* path() {
    return random_.any<const char*>(
        {nullptr, "", "/", "/nowhere/file", file_.path().c_str(), saved_.c_str(), saved_.c_str()});
  }
  octavo_session_options* session_options() {
    return options<octavo_session_options>([this](octavo_session_options& o) {
      o.context = random_.mostly<int64_t>({0, 1, 16, 64}, {-1, kHuge, -kHuge});
      o.chunk = random_.mostly<int64_t>({1, 4, 512, kHuge}, {0, -1});
      o.threads = random_.mostly<int64_t>({1, 1, 2, 0}, {-1, 100000, kHuge});
      o.keep = random_.mostly<int64_t>({0, 4}, {-1, kHuge});
      o.cache = random_.mostly<int32_t>({0, 1, 2, 3}, {4, -1, INT32_MAX});
      o.context_shift = random_.mostly<int32_t>({0, 1}, {2, INT32_MIN});
    });
  }
  octavo_sampling_options* sampling_options() {
    return options<octavo_sampling_options>([this](octavo_sampling_options& o) {
      const float nan = std::numeric_limits<float>::quiet_NaN();
      const float infinity = std::numeric_limits<float>::infinity();
      o.temperature = random_.mostly<float>({0, 0.8f, 1.5f}, {-1, nan, infinity});
      o.top_p = random_.mostly<float>({1, 0.9f, 0}, {-1, nan});
      o.min_p = random_.mostly<float>({0, 0.05f, 1}, {2, nan});
      o.repeat_penalty = random_.mostly<float>({1, 1.1f, 0.5f}, {0, -infinity});
      o.top_k = random_.mostly<int32_t>({0, 40, 1, INT32_MAX}, {-1});
      o.repeat_window = random_.mostly<int32_t>({64, 0, INT32_MAX}, {-1});
      o.seed = random_.bits();
    });
  }
  octavo_generate_options* generate_options() {
    return options<octavo_generate_options>([this](octavo_generate_options& o) {
      o.max_tokens = random_.below(6);
      o.whole_prompt = random_.mostly<int64_t>({0, 1}, {2, -1});
    });
  }

  octavo_status call_model();
  octavo_status call_session();
  octavo_status call_session_maker();
  octavo_status call_sampler();
  octavo_status call_other();
  octavo_status generate_somehow();
  template <class Handle>
  octavo_status free_somehow(Pool<Handle>& pool, octavo_status (*free_handle)(Handle*));

  Dice random_;
  const Converted file_{test_data("tiny-mixtral/hf"), Format::kQ8_0};
  TempDir folder_;
  const std::string saved_ = folder_.file("saved.session");
  Pool<octavo_model> models_;
  Pool<octavo_session> sessions_;
  Pool<octavo_sampler> samplers_;
  std::vector<std::unique_ptr<std::byte[]>> buffers_;
};

template <class Handle>
octavo_status RandomCalls::free_somehow(Pool<Handle>& pool, octavo_status (*free_handle)(Handle*)) {
  Handle* handle = pick(pool);
  const bool is_live = pool.holds(handle);
  const octavo_status status = free_handle(handle);
  EXPECT_EQ(status, is_live || handle == nullptr ? OCTAVO_OK : OCTAVO_INVALID_HANDLE);
  if (is_live) pool.drop(handle);
  return status;
}

octavo_status RandomCalls::call_model() {
  octavo_model* model = pick(models_);
  const bool is_live = models_.holds(model);
  octavo_status status = OCTAVO_OK;
  switch (random_.below(4)) {
    case 0:
      status = octavo_model_get_info(model, result<octavo_model_info>());
      break;
    case 1: {
      const auto size = static_cast<size_t>(random_.below(20));
      const auto capacity = static_cast<size_t>(random_.below(20));
      status = octavo_model_tokenize(model, random_.one_in(6) ? nullptr : buffer<char>(size), size,
                                     random_.any<int32_t>({0, 1, -5}),
                                     random_.one_in(6) ? nullptr : buffer<int32_t>(capacity),
                                     capacity, random_.one_in(6) ? nullptr : buffer<size_t>(1));
      break;
    }
    case 2: {
      const Ids in = ids();
      const auto capacity = static_cast<size_t>(random_.below(40));
      status = octavo_model_detokenize(model, in.ids, in.count,
                                       random_.one_in(6) ? nullptr : buffer<char>(capacity),
                                       capacity, random_.one_in(6) ? nullptr : buffer<size_t>(1));
      break;
    }
    default:
      status =
          octavo_model_chat_template(model, random_.one_in(4) ? nullptr : buffer<const char*>(1));
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::call_session_maker() {
  octavo_session* made = nullptr;
  octavo_session** const out = random_.one_in(10) ? nullptr : &made;
  octavo_status status = OCTAVO_OK;
  const int64_t which = random_.below(4);
  if (which == 0) {
    status = octavo_session_fork(pick(sessions_), out);
  } else if (which == 1) {
    status = octavo_session_restore(pick(models_), path(), session_options(), out);
  } else {
    status = octavo_session_create(pick(models_), session_options(), out);
  }
  EXPECT_EQ(status == OCTAVO_OK, made != nullptr);
  sessions_.add(made);
  if (sessions_.live.size() > 20) {
    octavo_session* oldest = sessions_.live.front();
    EXPECT_EQ(octavo_session_free(oldest), OCTAVO_OK);
    sessions_.drop(oldest);
  }
  return status;
}

octavo_status RandomCalls::generate_somehow() {
  const Ids in = ids();
  const auto on_token = [](const octavo_token* token, void*) -> int32_t {
    return token->id == 7 ? 1 : 0;
  };
  return octavo_generate(pick(sessions_), in.ids, in.count, generate_options(), sampling_options(),
                         random_.one_in(4) ? nullptr : +on_token, nullptr,
                         result<octavo_generate_result>());
}

octavo_status RandomCalls::call_session() {
  octavo_session* session = pick(sessions_);
  const bool is_live = sessions_.holds(session);
  const Ids in = ids();
  octavo_status status = OCTAVO_OK;
  switch (random_.below(9)) {
    case 0:
      status = octavo_session_get_info(session, result<octavo_session_info>());
      break;
    case 1: {
      const auto capacity = static_cast<size_t>(random_.below(64));
      status =
          octavo_session_tokens(session, random_.one_in(6) ? nullptr : buffer<int32_t>(capacity),
                                capacity, random_.one_in(6) ? nullptr : buffer<size_t>(1));
      break;
    }
    case 2:
      status = octavo_session_feed(session, in.ids, in.count,
                                   random_.one_in(3) ? nullptr : buffer<const float*>(1),
                                   random_.one_in(3) ? nullptr : buffer<size_t>(1));
      break;
    case 3:
      status = octavo_session_prompt(session, in.ids, in.count, nullptr, nullptr);
      break;
    case 4: {
      const auto sink = [](int64_t, const float*, size_t, void*) {};
      status = octavo_session_evaluate(session, in.ids, in.count,
                                       random_.any<size_t>({0, 1, 5, SIZE_MAX}),
                                       random_.one_in(5) ? nullptr : +sink, nullptr);
      break;
    }
    case 5:
      status = octavo_session_rewind(session, random_.any<int64_t>({0, 1, 5, 30, -1, kHuge}));
      break;
    case 6:
      status = octavo_session_save(session, random_.one_in(4) ? nullptr : saved_.c_str());
      break;
    case 7: {
      const auto observer = [](const octavo_routed_token*, void*) {};
      status = octavo_session_on_routing(session, random_.one_in(2) ? nullptr : +observer, nullptr);
      break;
    }
    default: {
      const auto progress = [](int64_t done, int64_t, void*) -> int32_t { return done % 5 == 4; };
      status =
          octavo_session_on_progress(session, random_.one_in(2) ? nullptr : +progress, nullptr);
    }
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::call_sampler() {
  octavo_sampler* sampler = pick(samplers_);
  const bool is_live = samplers_.holds(sampler);
  octavo_status status = OCTAVO_OK;
  switch (random_.below(3)) {
    case 0: {
      octavo_sampler* made = nullptr;
      status = octavo_sampler_create(sampling_options(), random_.one_in(5) ? nullptr : &made);
      samplers_.add(made);
      return status;
    }
    case 1:
      status =
          octavo_sampler_accept(sampler, random_.any<int32_t>({0, 5, -1, INT32_MAX, INT32_MIN}));
      break;
    default: {
      const auto vocab = static_cast<size_t>(random_.below(50));
      auto* logits = buffer<float>(vocab);
      for (size_t i = 0; i < vocab; ++i) logits[i] = static_cast<float>(random_.below(100)) / 7;
      status = octavo_sampler_sample(sampler, random_.one_in(6) ? nullptr : logits, vocab,
                                     random_.one_in(6) ? nullptr : buffer<int32_t>(1));
    }
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::call_other() {
  switch (random_.below(8)) {
    case 0: {
      octavo_model* made = nullptr;
      const auto* device = random_.any<const char*>({"cpu", "cpu", "abacus", "", nullptr});
      const octavo_status status = octavo_model_open(
          path(),
          options<octavo_model_options>([device](octavo_model_options& o) { o.device = device; }),
          random_.one_in(8) ? nullptr : &made);
      models_.add(made);
      return status;
    }
    case 1:
      return models_.live.size() > 1 ? free_somehow(models_, octavo_model_free)
                                     : octavo_model_free(nullptr);
    case 2:
      return free_somehow(sessions_, octavo_session_free);
    case 3:
      return free_somehow(samplers_, octavo_sampler_free);
    case 4: {
      const auto size = static_cast<size_t>(random_.below(9)) * 8;
      return octavo_session_options_init(
          random_.one_in(4) ? nullptr : static_cast<octavo_session_options*>(bytes(size)), size);
    }
    case 5: {
      const auto size = static_cast<size_t>(random_.below(9)) * 8;
      return octavo_sampling_options_init(
          random_.one_in(4) ? nullptr : static_cast<octavo_sampling_options*>(bytes(size)), size);
    }
    case 6: {
      const auto status = static_cast<octavo_status>(random_.bits());
      EXPECT_NE(octavo_status_name(status), nullptr);
      return OCTAVO_OK;
    }
    default:
      return octavo_session_cancel(pick(sessions_));
  }
}

TEST_F(RandomCalls, AlwaysGiveAStatus) {
  std::map<octavo_status, int> seen;
  for (int i = 0; i < kCalls; ++i) {
    buffers_.clear();
    const int64_t kind = random_.below(10);
    const octavo_status status = kind < 2   ? call_model()
                                 : kind < 3 ? call_session_maker()
                                 : kind < 6 ? call_session()
                                 : kind < 7 ? generate_somehow()
                                 : kind < 8 ? call_sampler()
                                            : call_other();
    ++seen[status];
    ASSERT_STRNE(octavo_status_name(status), "unknown status") << status;
    ASSERT_NE(status, OCTAVO_INTERNAL) << octavo_last_error();
    ASSERT_FALSE(HasFailure()) << "call " << i << ": " << octavo_last_error();
    if (status != OCTAVO_OK) {
      ASSERT_STRNE(octavo_last_error(), "") << status;
    }
  }
  // The calls were neither all right nor all wrong.
  EXPECT_GT(seen[OCTAVO_OK], kCalls / 5);
  EXPECT_GT(seen[OCTAVO_INVALID_HANDLE], kCalls / 20);
  EXPECT_GT(seen[OCTAVO_INVALID_ARGUMENT], kCalls / 20);
  for (const octavo_status status :
       {OCTAVO_IO, OCTAVO_FORMAT, OCTAVO_OUT_OF_RANGE, OCTAVO_CANCELLED}) {
    EXPECT_GT(seen[status], 0) << octavo_status_name(status);
  }
}

}  // namespace
}  // namespace octavo::test
