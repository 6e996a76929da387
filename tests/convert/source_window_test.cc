// The sliding window on its way from a source, or from --window, into the model file and out again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "convert/checkpoint_tools.h"
#include "convert/source.h"
#include "octavo/convert.hpp"
#include "support/gguf.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// A source of one layout with a window as JSON says it; discarded: no entry.
class WindowedSource {
 public:
  WindowedSource(const std::string& model, const std::string& layout, const nlohmann::json& window)
      : copy_(test_data(model) / (layout == "gguf" ? "hf" : layout)) {
    if (layout == "gguf") {
      write_gguf(window);
      return;
    }
    path_ = copy_.path();
    copy_.edit_json(layout == "hf" ? "config.json" : "params.json", [&](nlohmann::json& json) {
      json.erase("sliding_window");
      if (!window.is_discarded()) json["sliding_window"] = window;
    });
  }

  ModelSource open(std::optional<int64_t> asked = std::nullopt) const {
    return open_source(path_.string(), asked);
  }
  ModelDirectory converted(std::optional<int64_t> asked, std::vector<std::string>* warnings) const {
    const TempDir folder;
    ConvertOptions options;
    options.source = path_.string();
    options.output = folder.file("out.8vo");
    options.type = "q8_0";
    options.window = asked;
    options.warn = [&](const std::string& line) { warnings->push_back(line); };
    EXPECT_EQ(plan_conversion(options).contents.config, convert(options).contents.config);
    return ModelFile(options.output).directory();
  }
  std::string error(std::optional<int64_t> asked = std::nullopt) const {
    try {
      open(asked);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

 private:
  void write_gguf(const nlohmann::json& window) {
    constexpr const char* kKey = "llama.attention.sliding_window";
    GgufBuilder builder = gguf_of_checkpoint(copy_.path(), GgufExperts::kMerged);
    builder.erase(kKey);
    if (window.is_string()) builder.text(kKey, window.get<std::string>());
    if (window.is_number()) builder.put(kKey, 11, GgufBuilder::encoded(window.get<int64_t>()));
    path_ = copy_.path() / "model.gguf";
    write_file(path_, builder.bytes());
  }

  CheckpointCopy copy_;
  fs::path path_;
};

const nlohmann::json kAbsent = nlohmann::json(nlohmann::json::value_t::discarded);

class Window : public ::testing::TestWithParam<const char*> {
 protected:
  static WindowedSource mixture(const nlohmann::json& window) {
    return {"tiny-mixtral", GetParam(), window};
  }
  static WindowedSource dense(const nlohmann::json& window) {
    return {"tiny-mistral-swa", GetParam(), window};
  }
};
INSTANTIATE_TEST_SUITE_P(Layouts, Window, ::testing::Values("hf", "mistral", "gguf"),
                         [](const auto& test) { return test.param; });

TEST_P(Window, NoneInEveryWayOfSayingIt) {
  for (const nlohmann::json& none : {kAbsent, nlohmann::json(), nlohmann::json(0),
                                     nlohmann::json("None"), nlohmann::json("0")}) {
    for (const WindowedSource& source : {mixture(none), dense(none)}) {
      const ModelSource opened = source.open();
      EXPECT_EQ(opened.config.window, 0);
      EXPECT_THAT(opened.notes, Not(Contains(HasSubstr("window"))));
      EXPECT_THAT(opened.warnings, IsEmpty());
    }
  }
}

TEST_P(Window, ADenseModelKeepsIts) {
  for (const nlohmann::json& window : {nlohmann::json(8), nlohmann::json("8")}) {
    std::vector<std::string> warnings;
    const ModelDirectory directory = dense(window).converted(std::nullopt, &warnings);
    EXPECT_EQ(directory.config.window, 8);
    EXPECT_THAT(directory.notes, Not(Contains(HasSubstr("window"))));
    EXPECT_THAT(warnings, IsEmpty());
  }
}

TEST_P(Window, AMixturesIsIgnoredWithALine) {
  for (const nlohmann::json& window : {nlohmann::json(4096), nlohmann::json("4096")}) {
    std::vector<std::string> warnings;
    const ModelDirectory directory = mixture(window).converted(std::nullopt, &warnings);
    EXPECT_EQ(directory.config.window, 0);
    const auto line = AllOf(HasSubstr("window of 4096 is ignored"), HasSubstr("--window"));
    EXPECT_THAT(warnings, ElementsAre(line, line));  // of the plan, and of the conversion
    EXPECT_THAT(directory.notes, Contains(line));
  }
}

TEST_P(Window, WhatIsAskedForDecides) {
  std::vector<std::string> warnings;
  for (const int64_t asked : {0, 1, 8, 100, 256}) {
    for (const nlohmann::json& window : {kAbsent, nlohmann::json(8), nlohmann::json(4096)}) {
      for (const WindowedSource& source : {mixture(window), dense(window)}) {
        const ModelSource opened = source.open(asked);
        EXPECT_EQ(opened.config.window, asked);
        EXPECT_THAT(opened.warnings, IsEmpty());
        const bool is_said = std::any_of(
            opened.notes.begin(), opened.notes.end(),
            [](const std::string& note) { return note.find("as asked for") != note.npos; });
        EXPECT_EQ(is_said, asked != (window.is_number() ? window.get<int64_t>() : 0));
      }
    }
  }
  const ModelDirectory directory = mixture(4096).converted(9, &warnings);
  EXPECT_EQ(directory.config.window, 9);
  EXPECT_THAT(directory.notes, Contains("a sliding window of 9 as asked for; the source has a "
                                        "sliding window of 4096"));
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_THAT(dense(8).open(0).notes,
              Contains("no sliding window as asked for; the source has a sliding window of 8"));
}

TEST_P(Window, WhatNoModelCanHave) {
  for (const nlohmann::json& wrong : {nlohmann::json(-1), nlohmann::json("-4096")}) {
    EXPECT_THAT(dense(wrong).error(), AllOf(HasSubstr("sliding_window"), HasSubstr(" is -")));
    EXPECT_THAT(mixture(wrong).error(8), HasSubstr("expected a number of tokens"));
  }
  for (const char* wrong : {"4096 tokens", "many", "1e3", "99999999999999999999"}) {
    EXPECT_THAT(dense(wrong).error(), HasSubstr("expected a number or None")) << wrong;
  }
  for (const int64_t wrong : {int64_t{-1}, int64_t{1} << 40}) {
    EXPECT_THAT(dense(8).error(wrong), StartsWith(fmt::format("a sliding window of {} does not fit "
                                                              "the model's context of ",
                                                              wrong)));
  }
}

// It hides nothing, so the model runs as its config says.
TEST_P(Window, LongerThanTheContextIsNone) {
  const ModelSource whole = dense(kAbsent).open();
  const int64_t context = whole.config.context;
  EXPECT_EQ(dense(context).open().config.window, context);
  const ModelSource longer = dense(context + 1).open();
  EXPECT_EQ(longer.config.window, 0);
  EXPECT_THAT(longer.warnings, ElementsAre(HasSubstr("longer than the context")));
  EXPECT_EQ(longer.notes, longer.warnings);
}

TEST(WindowOfAnExport, ComesBack) {
  for (const char* model : {"tiny-mixtral", "tiny-mistral-swa"}) {
    const TempDir folder;
    ConvertOptions options;
    options.source = (test_data(model) / "hf").string();
    options.output = folder.file("a.8vo");
    options.window = 5;
    convert(options);
    ExportOptions export_options;
    export_options.model = folder.file("a.8vo");
    export_options.output = folder.file("a.gguf");
    export_gguf(export_options);
    const bool is_dense = std::string(model) == "tiny-mistral-swa";
    const ModelSource back = open_source(folder.file("a.gguf"));
    EXPECT_EQ(back.config.window, is_dense ? 5 : 0) << model;
    EXPECT_EQ(back.warnings.size(), is_dense ? 0u : 1u) << model;
    EXPECT_EQ(open_source(folder.file("a.gguf"), 5).config.window, 5) << model;
  }
}

}  // namespace
}  // namespace octavo::test
