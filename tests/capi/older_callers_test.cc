// Programs that were built with the structs of earlier headers. Their sizes are written down here
// as they were published; each struct is in a buffer of just that size, so that the address
// sanitizer sees a step beyond.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>

#include "capi/c_objects.h"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

/// A struct of which the caller knows the first `size` bytes.
template <class Struct>
class Older {
 public:
  explicit Older(size_t size) : size_(size), bytes_(std::make_unique<std::byte[]>(size)) {}

  Struct* get() { return reinterpret_cast<Struct*>(bytes_.get()); }
  size_t size() const { return size_; }
  template <class Field>
  void set(size_t offset, Field value) {
    ASSERT_LE(offset + sizeof value, size_);
    std::memcpy(bytes_.get() + offset, &value, sizeof value);
  }
  template <class Field>
  Field at(size_t offset) const {
    Field value;
    EXPECT_LE(offset + sizeof value, size_);
    std::memcpy(&value, bytes_.get() + offset, sizeof value);
    return value;
  }

 private:
  size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

/// Made by the library's function, which must know that size.
template <class Struct>
Older<Struct> initialised(size_t size, octavo_status (*init)(Struct*, size_t)) {
  Older<Struct> options(size);
  EXPECT_EQ(init(options.get(), size), OCTAVO_OK) << octavo_last_error();
  EXPECT_EQ(options.template at<size_t>(0), size);
  return options;
}

class OlderCallersTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kBF16};
  const CModel model_ = open_in_c(file_.path());
  const std::vector<int32_t> prompt_ = tokenize_in_c(model_, "The river");
};

TEST_F(OlderCallersTest, ModelOptions) {
  auto options = initialised(16, octavo_model_options_init);
  EXPECT_STREQ(options.at<const char*>(8), "cpu");
  octavo_model* model = nullptr;
  EXPECT_EQ(octavo_model_open(file_.path().c_str(), options.get(), &model), OCTAVO_OK);
  EXPECT_EQ(octavo_model_free(model), OCTAVO_OK);
}

TEST_F(OlderCallersTest, ModelInfo) {
  Older<octavo_model_info> info(136);
  info.set<size_t>(0, 136);
  ASSERT_EQ(octavo_model_get_info(model_.get(), info.get()), OCTAVO_OK);
  EXPECT_STREQ(info.at<const char*>(8), "mixtral");
  EXPECT_EQ(info.at<int64_t>(128), 1);  // has_tokenizer
}

TEST_F(OlderCallersTest, SessionOptionsAndInfo) {
  auto options = initialised(48, octavo_session_options_init);
  options.set<int64_t>(8, 64);                  // context
  options.set<int32_t>(40, OCTAVO_CACHE_BF16);  // cache
  const CSession session = session_in_c(model_, options.get());
  Older<octavo_session_info> info(40);
  info.set<size_t>(0, 40);
  ASSERT_EQ(octavo_session_get_info(session.get(), info.get()), OCTAVO_OK);
  EXPECT_EQ(info.at<int64_t>(16), 64);
  EXPECT_EQ(info_of(session).cache, OCTAVO_CACHE_BF16);
}

TEST_F(OlderCallersTest, SamplingOptions) {
  auto options = initialised(40, octavo_sampling_options_init);
  EXPECT_EQ(options.at<float>(8), 0.8f);   // temperature
  EXPECT_EQ(options.at<int32_t>(24), 40);  // top_k
  octavo_sampler* sampler = nullptr;
  ASSERT_EQ(octavo_sampler_create(options.get(), &sampler), OCTAVO_OK) << octavo_last_error();
  EXPECT_EQ(octavo_sampler_free(sampler), OCTAVO_OK);
}

TEST_F(OlderCallersTest, GenerateOptionsAndResult) {
  auto sampling = initialised(40, octavo_sampling_options_init);
  sampling.set<float>(8, 0);  // temperature
  auto options = initialised(24, octavo_generate_options_init);
  options.set<int64_t>(8, 5);  // max_tokens
  Older<octavo_generate_result> result(56);
  result.set<size_t>(0, 56);
  const CSession session = session_in_c(model_);
  const auto on_token = [](const octavo_token* token, void*) -> int32_t {
    // Fields at their places in the first header: text, text_size, id.
    const auto* bytes = reinterpret_cast<const std::byte*>(token);
    size_t size = 0;
    std::memcpy(&size, bytes + 16, sizeof size);
    EXPECT_EQ(size, token->text_size);
    return 0;
  };
  ASSERT_EQ(octavo_generate(session.get(), prompt_.data(), prompt_.size(), options.get(),
                            sampling.get(), on_token, nullptr, result.get()),
            OCTAVO_OK)
      << octavo_last_error();
  EXPECT_EQ(result.at<size_t>(0), 56u);
  EXPECT_EQ(result.at<int64_t>(8), static_cast<int64_t>(prompt_.size()));
  EXPECT_EQ(result.at<int64_t>(16), 5);                       // generated_tokens
  EXPECT_EQ(result.at<int32_t>(48), OCTAVO_STOP_MAX_TOKENS);  // reason
}

TEST_F(OlderCallersTest, AnArrayWithoutItsCountIsNotRead) {
  auto options = initialised(72, octavo_sampling_options_init);
  const char* const one[] = {"."};
  options.set<const char* const*>(64, one);  // dry_breakers, of which four are the default
  octavo_sampler* sampler = nullptr;
  ASSERT_EQ(octavo_sampler_create(options.get(), &sampler), OCTAVO_OK) << octavo_last_error();
  EXPECT_EQ(octavo_sampler_free(sampler), OCTAVO_OK);
}

}  // namespace
}  // namespace octavo::test
