// Mixtral 8x7B as it was released first: PyTorch archives, a layer's experts stacked in one matrix,
// tensors spread over the files, params.json with Hugging Face's key names.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "convert/source.h"
#include "quant/packed.h"
#include "support/random.h"
#include "support/torch_archive.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kExperts = 8, kFiles = 8;

// [rows, cols] -> [cols, rows], two bytes a value.
std::string transposed(const SafeTensor& tensor) {
  const auto rows = static_cast<size_t>(tensor.shape[0]),
             cols = static_cast<size_t>(tensor.shape[1]);
  std::string bytes(tensor.bytes.size(), '\0');
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      for (size_t b = 0; b < 2; ++b) {
        bytes[2 * (c * rows + r) + b] = tensor.bytes[2 * (r * cols + c) + b];
      }
    }
  }
  return bytes;
}

SafeTensor stacked(std::vector<SafeTensor>& tensors, int layer, const std::string& matrix) {
  SafeTensor stack = {fmt::format("layers.{}.block_sparse_moe.{}", layer, matrix), "BF16", {}, ""};
  for (int e = 0; e < kExperts; ++e) {
    const SafeTensor& expert = tensor_named(
        tensors, fmt::format("layers.{}.feed_forward.experts.{}.{}.weight", layer, e, matrix));
    stack.shape = expert.shape;
    stack.bytes += matrix == "w2" ? transposed(expert) : expert.bytes;
  }
  if (matrix == "w2") std::swap(stack.shape[0], stack.shape[1]);
  stack.shape[0] *= kExperts;
  return stack;
}

nlohmann::json release_params() {
  return {{"hidden_size", 64},        {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"intermediate_size", 128}, {"num_local_experts", kExperts},
          {"num_experts_per_tok", 2}, {"rms_norm_eps", 1e-5},     {"rope_theta", 1e6},
          {"vocab_size", 128},        {"sliding_window", "None"}};
}

/// tiny-mixtral in that form.
class Release : public ::testing::Test {
 protected:
  const CheckpointCopy copy{test_data("tiny-mixtral/mistral")};
  std::vector<SafeTensor> tensors;

  Release() {
    std::vector<SafeTensor> plain = read_safetensors(copy.file("consolidated.safetensors"));
    for (int layer = 0; layer < 2; ++layer) {
      for (const char* matrix : {"w1", "w2", "w3"})
        tensors.push_back(stacked(plain, layer, matrix));
    }
    for (SafeTensor& tensor : plain) {
      if (tensor.name.find(".experts.") != std::string::npos) continue;
      if (const size_t at = tensor.name.find("feed_forward"); at != std::string::npos) {
        tensor.name.replace(at, 12, "block_sparse_moe");
      }
      tensors.push_back(tensor);
    }
    fs::remove(copy.file("consolidated.safetensors"));
    write_file(copy.file("params.json"), release_params().dump());
    write();
  }
  void write(const char* suffix = ".pt") const {
    std::vector<std::vector<SafeTensor>> files(kFiles);
    for (size_t i = 0; i < tensors.size(); ++i) files[i * 5 % kFiles].push_back(tensors[i]);
    for (int i = 0; i < kFiles; ++i) {
      write_file(copy.file(fmt::format("consolidated.{:02}{}", i, suffix)),
                 make_torch_archive(files[static_cast<size_t>(i)], {.wide = i % 2 == 1}));
    }
  }
  ModelSource with(const char* key, const nlohmann::json& value) const {
    copy.edit_json("params.json", [&](nlohmann::json& json) { json[key] = value; });
    return open_source(copy.path().string());
  }
};

TEST_F(Release, SameFileAsOfSeparateExperts) {
  const CheckpointCopy separate(test_data("tiny-mixtral/mistral"));
  for (const Format format : all_formats()) {
    const std::string expected = convert_folder(separate.path(), format);
    EXPECT_EQ(expected, convert_folder(copy.path(), format, 1)) << format_name(format);
    EXPECT_EQ(expected, convert_folder(copy.path(), format, 3)) << format_name(format);
  }
}

TEST_F(Release, WindowIsANumberOrText) {
  for (const nlohmann::json& none :
       {nlohmann::json("None"), nlohmann::json(), nlohmann::json("")}) {
    EXPECT_THAT(with("sliding_window", none).notes, IsEmpty());
  }
  for (const nlohmann::json& window : {nlohmann::json("4096"), nlohmann::json(4096)}) {
    const ModelSource source = with("sliding_window", window);
    EXPECT_EQ(source.config.window, 0);
    EXPECT_THAT(source.notes, testing::Contains(HasSubstr("4096 is ignored")));
  }
  for (const char* wrong : {"4096 tokens", "many", "1e3", "99999999999999999999"}) {
    copy.edit_json("params.json", [&](nlohmann::json& json) { json["sliding_window"] = wrong; });
    EXPECT_THAT(convert_error(copy.path()), HasSubstr("expected a number or None")) << wrong;
  }
}

TEST_F(Release, MissingEntriesHaveTheirNames) {
  const nlohmann::json params = release_params();
  for (auto entry = params.begin(); entry != params.end(); ++entry) {
    const std::string& key = entry.key();
    write_file(copy.file("params.json"), params.dump());
    copy.edit_json("params.json", [&](nlohmann::json& json) { json.erase(key); });
    const std::string message = convert_error(copy.path());
    const bool has_default =
        key == "num_experts_per_tok" || key == "rope_theta" || key == "sliding_window";
    if (has_default) {
      EXPECT_EQ(message, "");
    } else if (key == "num_key_value_heads") {
      EXPECT_THAT(message, HasSubstr("attention.wk.weight is 32 x 64, the config says 64 x 64"));
    } else if (key != "hidden_size" && key != "num_local_experts") {
      EXPECT_THAT(message, HasSubstr("\"" + key + "\" is missing"));
    } else {
      EXPECT_NE(message, "");
    }
  }
}

TEST_F(Release, MissingFileIsNoticed) {
  fs::remove(copy.file("consolidated.03.pt"));
  EXPECT_THAT(convert_error(copy.path()), HasSubstr("is missing; is the download complete?"));
}

TEST_F(Release, SameTensorInTwoFilesIsRefused) {
  write(".pth");
  EXPECT_THAT(convert_error(copy.path()), HasSubstr("keep one of them"));
}

TEST_F(Release, SafetensorsComeFirst) {
  fs::copy_file(test_data("tiny-mixtral/mistral") / "consolidated.safetensors",
                copy.file("consolidated.safetensors"));
  write_file(copy.file("consolidated.00.pt"), "no archive");
  EXPECT_EQ(convert_error(copy.path()), "");
}

TEST_F(Release, WrongNumberOfExpertsIsNamed) {
  copy.edit_json("params.json", [](nlohmann::json& json) { json["num_local_experts"] = 4; });
  EXPECT_THAT(convert_error(copy.path()),
              HasSubstr("block_sparse_moe.gate.weight is 8 x 64, the config says 4 x 64"));
}

TEST_F(Release, BadValueIsNamedWithItsExpert) {
  for (SafeTensor& tensor : tensors) {
    // Expert 2, column 7, row 5 of its w2: line 2 * 128 + 7 of what is stored.
    if (tensor.name == "layers.1.block_sparse_moe.w2") {
      tensor.bytes.replace(2 * ((2 * 128 + 7) * 64 + 5), 2, "\x80\x7F");
    }
  }
  write();
  EXPECT_THAT(convert_error(copy.path()), HasSubstr("layers.1.block_sparse_moe.w2[2].T has a value "
                                                    "that is no finite number at [5, 7]"));
}

TEST_F(Release, ProgramIsRefused) {
  const std::string call = pickled_global("os", "system") +
                           pickled_tuple({pickled_text("touch " + copy.file("ran").string())}) +
                           "R";
  write_file(copy.file("consolidated.07.pt"),
             make_zip(torch_members(whole_pickle(pickled_dict({pickled_text("x"), call})), {})));
  const std::string message = convert_error(copy.path());
  EXPECT_THAT(message, HasSubstr("consolidated.07.pt: "));
  EXPECT_THAT(message, HasSubstr("asks for the global os.system; only tensors are read"));
  EXPECT_FALSE(fs::exists(copy.file("ran")));
}

// read_rows and read_row agree on tensors of any shape, in any file position.
TEST(TransposedRows, AreReadAlikeTogetherAndAlone) {
  const TempDir folder;
  const std::string path = folder.file("values");
  Random random(5);
  std::string bytes(70000, '\0');
  for (char& c : bytes) c = static_cast<char>(static_cast<int>(100 * random.normal()));
  write_file(path, bytes);
  const auto file = std::make_shared<const MappedFile>(path);
  for (const SourceType type : {SourceType::kF32, SourceType::kF16, SourceType::kBF16}) {
    for (const auto& [rows, cols] : {std::pair(16, 16), {1, 1}, {33, 100}, {64, 7}, {17, 900}}) {
      for (const bool is_transposed : {true, false}) {
        const SourceTensor tensor = {.name = "x",
                                     .file = file,
                                     .type = type,
                                     .offset = 6,
                                     .rows = rows,
                                     .cols = cols,
                                     .transposed = is_transposed};
        for (int64_t first = 0; first < rows; first += kPanelRows) {
          const int64_t count = std::min<int64_t>(kPanelRows, rows - first);
          std::vector<float> together(static_cast<size_t>(count * cols));
          std::vector<float> alone(together.size());
          read_rows(tensor, first, count, together);
          for (int64_t r = 0; r < count; ++r) {
            read_row(
                tensor, first + r,
                std::span(alone).subspan(static_cast<size_t>(r * cols), static_cast<size_t>(cols)));
          }
          ASSERT_EQ(std::memcmp(together.data(), alone.data(), 4 * alone.size()), 0)
              << rows << " x " << cols << " from " << first;
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
