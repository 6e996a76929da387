// Models and sessions of the C API that free themselves, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::test {

struct ModelFree {
  void operator()(octavo_model* model) const { octavo_model_free(model); }
};
struct SessionFree {
  void operator()(octavo_session* session) const { octavo_session_free(session); }
};
using CModel = std::unique_ptr<octavo_model, ModelFree>;
using CSession = std::unique_ptr<octavo_session, SessionFree>;

inline CModel open_in_c(const std::string& path, const octavo_model_options* options = nullptr) {
  octavo_model* model = nullptr;
  EXPECT_EQ(octavo_model_open(path.c_str(), options, &model), OCTAVO_OK) << octavo_last_error();
  return CModel(model);
}

inline CSession session_in_c(const CModel& model, const octavo_session_options* options = nullptr) {
  octavo_session* session = nullptr;
  EXPECT_EQ(octavo_session_create(model.get(), options, &session), OCTAVO_OK)
      << octavo_last_error();
  return CSession(session);
}

inline std::vector<int32_t> tokenize_in_c(const CModel& model, const std::string& text) {
  size_t count = 0;
  EXPECT_EQ(octavo_model_tokenize(model.get(), text.data(), text.size(), 1, nullptr, 0, &count),
            OCTAVO_OK);
  std::vector<int32_t> ids(count);
  EXPECT_EQ(octavo_model_tokenize(model.get(), text.data(), text.size(), 1, ids.data(), ids.size(),
                                  nullptr),
            OCTAVO_OK);
  return ids;
}

inline octavo_session_info info_of(const CSession& session) {
  octavo_session_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(octavo_session_get_info(session.get(), &info), OCTAVO_OK) << octavo_last_error();
  return info;
}

/// Greedy, whatever else is the default.
inline octavo_sampling_options greedy() {
  octavo_sampling_options sampling;
  EXPECT_EQ(octavo_sampling_options_init(&sampling, sizeof sampling), OCTAVO_OK);
  sampling.temperature = 0;
  return sampling;
}

inline octavo_generate_options at_most(int64_t tokens) {
  octavo_generate_options options;
  EXPECT_EQ(octavo_generate_options_init(&options, sizeof options), OCTAVO_OK);
  options.max_tokens = tokens;
  return options;
}

}  // namespace octavo::test
