// Patterns over tensor names.
#include "convert/tensor_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/small_model.h"

namespace octavo::test {
namespace {

TEST(TensorPattern, Matches) {
  const std::tuple<const char*, const char*, bool> cases[] = {
      {"embedding", "embedding", true},
      {"embedding", "embeddings", false},
      {"mbedding", "embedding", false},
      {"*", "layers.3.experts.5.w1", true},
      {"layers.3.*", "layers.3.experts.5.w1", true},
      {"layers.3.*", "layers.31.wq", false},
      {"layers.*.w1", "layers.3.experts.5.w1", true},
      {"*w*1*", "layers.3.experts.5.w1", true},
      {"**", "", true},
      {"layers.[3].wq", "layers.3.wq", true},
      {"layers.[3].wq", "layers.33.wq", false},
      {"layers.[8-15].wq", "layers.8.wq", true},
      {"layers.[8-15].wq", "layers.15.wq", true},
      {"layers.[8-15].wq", "layers.16.wq", false},
      {"layers.[8-15].wq", "layers.1.wq", false},
      {"layers.[28-].wq", "layers.28.wq", true},
      {"layers.[28-].wq", "layers.131.wq", true},
      {"layers.[28-].wq", "layers.2.wq", false},
      {"layers.[0-1,5,30-].wq", "layers.5.wq", true},
      {"layers.[0-1,5,30-].wq", "layers.6.wq", false},
      {"layers.1[5].wq", "layers.15.wq", false},  // whole numbers alone
      {"*[5].wq", "layers.15.wq", false},
      {"*[15].wq", "layers.15.wq", true},
      {"layers.[0-].wq", "layers.x.wq", false},
      {"{embedding,output}", "output", true},
      {"{embedding,output}", "outputs", false},
      {"layers.*.{wq,wk}", "layers.0.wk", true},
      {"layers.*.{wq,wk}", "layers.0.wv", false},
      {"layers.{[0-3,9],7}.w*", "layers.9.wq", true},
      {"layers.{[0-3,9],7}.w*", "layers.7.wq", true},
      {"layers.{[0-3,9],7}.w*", "layers.4.wq", false},
      {"layers.0.{experts.*,router}", "layers.0.experts.1.w2", true},
  };
  for (const auto& [pattern, name, expected] : cases) {
    EXPECT_EQ(TensorPattern(pattern).matches(name), expected) << pattern << " on " << name;
  }
}

TEST(TensorPattern, MalformedOnesAreRefused) {
  for (const char* pattern :
       {"", "layers.[3", "layers.3]", "{wq", "wq}", "{a,{b,c}}", "[]", "[x]", "[3-1]", "[-3]",
        "[1,]", "[+1]", "[99999999999999999999]", "{,a}", "{a,}", "{}", "[1-2-3]", "[1{a]"}) {
    EXPECT_NE(error_of([&] { TensorPattern{pattern}; }), "") << pattern;
  }
}

// Many stars on a long name must not take forever.
TEST(TensorPattern, IsNeverSlow) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(TensorPattern(pattern + "b").matches(std::string(2000, 'a')));
}

}  // namespace
}  // namespace octavo::test
