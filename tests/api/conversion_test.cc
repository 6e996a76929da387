// convert, inspect and calibrate as an application calls them: what they say, and how they end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "octavo/calibrate.hpp"
#include "octavo/inspect.hpp"
#include "octavo/machine.hpp"
#include "octavo/synthesize.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// The code of the Error that `call` throws; none: it throws none.
std::optional<ErrorCode> code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return {};
}

bool stop(int64_t, int64_t) { return false; }

bool throw_up(int64_t, int64_t) { throw std::domain_error("from a callback"); }

class ConversionApi : public testing::Test {
 protected:
  ConvertOptions options(const std::string& name = "out.8vo") const {
    ConvertOptions result;
    result.source = pocket_mixtral().string();
    result.output = folder_.file(name);
    result.type = "q4_k";
    result.threads = 2;
    return result;
  }

  TempDir folder_;
};

TEST_F(ConversionApi, InspectTellsWhatConvertWrote) {
  const ConvertSummary summary = convert(options());
  const ModelContents contents = inspect(options().output);
  EXPECT_EQ(contents.config, summary.contents.config);
  EXPECT_EQ(contents.type, "q4_k");
  EXPECT_EQ(contents.file_bytes, static_cast<int64_t>(fs::file_size(options().output)));
  EXPECT_GT(contents.tokenizer_bytes, 0);
  ASSERT_EQ(contents.tensors.size(), summary.contents.tensors.size());
  int64_t weights = 0, bytes = 0;
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const TensorInfo &read = contents.tensors[i], &written = summary.contents.tensors[i];
    EXPECT_EQ(read.name, written.name);
    EXPECT_EQ(read.type, written.type);
    EXPECT_EQ(read.offset, written.offset);
    EXPECT_EQ(read.checksum, written.checksum);
    EXPECT_EQ(read.source_type, "");
    EXPECT_NE(written.source_type, "");
    weights += read.rows * read.cols;
    bytes += read.bytes;
  }
  EXPECT_EQ(contents.weights, weights);
  EXPECT_EQ(contents.weight_bytes, bytes);
  int64_t of_types = 0;
  for (const TypeTotals& type : contents.types) of_types += type.bytes;
  EXPECT_EQ(of_types, bytes);
  EXPECT_LT(contents.active_weights, contents.weights);
  EXPECT_EQ(summary.free_bytes, -1);
}

TEST_F(ConversionApi, APlanNeedsNoOutput) {
  ConvertOptions plan = options();
  EXPECT_GT(plan_conversion(plan).free_bytes, 0);
  plan.output.clear();
  const ConvertSummary summary = plan_conversion(plan);
  EXPECT_EQ(summary.free_bytes, -1);
  EXPECT_EQ(summary.contents.file_bytes, convert(options()).contents.file_bytes);
}

TEST_F(ConversionApi, WrongOptionsAreInvalidArguments) {
  ConvertOptions both = options();
  both.recipe = "balanced";
  EXPECT_EQ(code_of([&] { convert(both); }), ErrorCode::kInvalidArgument);
  ConvertOptions unknown = options();
  unknown.type = "q9";
  EXPECT_EQ(code_of([&] { convert(unknown); }), ErrorCode::kUnsupported);
  for (const int threads : {-1, 100000}) {
    ConvertOptions crowded = options();
    crowded.threads = threads;
    EXPECT_EQ(code_of([&] { convert(crowded); }), ErrorCode::kInvalidArgument) << threads;
    EXPECT_EQ(code_of([&] { measure_machine(threads); }), ErrorCode::kInvalidArgument) << threads;
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(ConversionApi, EveryLongCallIsCancelledByItsProgress) {
  ConvertOptions stopped = options();
  stopped.progress = stop;
  EXPECT_EQ(code_of([&] { convert(stopped); }), ErrorCode::kCancelled);
  convert(options());
  const std::string model = options().output;
  EXPECT_EQ(code_of([&] { verify(model, {.threads = 2, .progress = stop}); }),
            ErrorCode::kCancelled);
  ExportOptions to_gguf;
  to_gguf.model = model;
  to_gguf.output = folder_.file("out.gguf");
  to_gguf.progress = stop;
  EXPECT_EQ(code_of([&] { export_gguf(to_gguf); }), ErrorCode::kCancelled);
  SynthOptions random;
  random.config = inspect(model).config;
  random.output = folder_.file("random.8vo");
  random.progress = stop;
  EXPECT_EQ(code_of([&] { synthesize(random); }), ErrorCode::kCancelled);
  EXPECT_FALSE(fs::exists(to_gguf.output));
  EXPECT_FALSE(fs::exists(random.output));
}

TEST_F(ConversionApi, WhatACallbackThrowsComesOut) {
  ConvertOptions thrown = options();
  thrown.progress = throw_up;
  EXPECT_THROW(convert(thrown), std::domain_error);
  convert(options("whole.8vo"));
  EXPECT_THROW(verify(folder_.file("whole.8vo"), {.threads = 2, .progress = throw_up}),
               std::domain_error);
}

TEST_F(ConversionApi, ProgressComesInTheCallersThread) {
  const auto me = std::this_thread::get_id();
  int64_t calls = 0, last = 0;
  ConvertOptions watched = options();
  watched.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(std::this_thread::get_id(), me);
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
    ++calls;
    return true;
  };
  const ConvertSummary summary = convert(watched);
  EXPECT_GT(calls, 0);
  EXPECT_EQ(last, summary.source_bytes);
}

// Of threads that are more than processors, the caller's comes late, and now and then finds nothing
// left to check.
TEST_F(ConversionApi, ACheckReportsItsEndWhicheverThreadDoesTheWork) {
  convert(options());
  const std::string model = options().output;
  for (int run = 0; run < 100; ++run) {
    int64_t last = -1, all = 0;
    const auto watch = [&](int64_t done, int64_t total) {
      EXPECT_GT(done, last);
      last = done;
      all = total;
      return true;
    };
    EXPECT_THAT(verify(model, {.threads = 16, .progress = watch}), IsEmpty());
    ASSERT_EQ(last, all);
    ASSERT_EQ(code_of([&] { verify(model, {.threads = 16, .progress = stop}); }),
              ErrorCode::kCancelled);
  }
}

TEST_F(ConversionApi, VerifyNamesTheDamagedTensor) {
  convert(options());
  const std::string path = options().output;
  EXPECT_THAT(verify(path), IsEmpty());
  const ModelContents contents = inspect(path);
  const TensorInfo& victim = contents.tensors[contents.tensors.size() / 2];
  std::string bytes = read_file(path);
  bytes[static_cast<size_t>(victim.offset)] ^= 1;
  write_file(path, bytes);
  EXPECT_THAT(verify(path), ElementsAre(victim.name));
}

TEST_F(ConversionApi, CalibratorsSayWhatTheyMiss) {
  const Converted file(pocket_mixtral(), Format::kQ8_0);
  const Model model = Model::open(file.path());
  EXPECT_EQ(code_of([&] { Calibrator(model, {.context = 0}); }), ErrorCode::kInvalidArgument);
  Calibrator calibrator(model, {.context = 16, .min_tokens = 40, .threads = 2});
  const std::vector<int32_t> unknown = {static_cast<int32_t>(model.info().vocab)};
  EXPECT_EQ(code_of([&] { calibrator.add(unknown); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { calibrator.observe(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { calibrator.force(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { calibrator.save(folder_.file("a.8cal")); }), ErrorCode::kInvalidArgument);
  std::vector<int32_t> ids(45);
  std::iota(ids.begin(), ids.end(), 300);
  calibrator.add(ids);
  EXPECT_EQ(calibrator.tokens(), 45);
  calibrator.observe();
  EXPECT_EQ(code_of([&] { calibrator.add(ids); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { calibrator.observe(); }), ErrorCode::kInvalidArgument);
  const auto tokens = calibrator.expert_tokens();
  ASSERT_THAT(tokens, SizeIs(static_cast<size_t>(model.info().layers)));
  for (const auto& layer : tokens) {
    EXPECT_EQ(std::accumulate(layer.begin(), layer.end(), int64_t{0}),
              45 * model.info().experts_per_token);
  }
  ASSERT_FALSE(calibrator.starving().empty());
  calibrator.force();
  calibrator.save(folder_.file("a.8cal"));
  ConvertOptions weighted = options();
  weighted.calibration = folder_.file("a.8cal");
  EXPECT_NO_THROW(convert(weighted));
  Calibrator stopped(model, {.context = 16, .min_tokens = 0});
  stopped.add(ids);
  EXPECT_EQ(code_of([&] { stopped.observe(stop); }), ErrorCode::kCancelled);
  // Half a text is no calibration.
  EXPECT_EQ(code_of([&] { stopped.save(folder_.file("half.8cal")); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { stopped.force(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { Calibrator(model, {.context = int64_t{1} << 40}); }),
            ErrorCode::kInvalidArgument);
}

TEST(MachineApi, PeaksAreOfTheNamedKind) {
  MachineSpeed slow;
  slow.stream.gb_s = 10;
  for (const UnitSpeed& unit : {UnitSpeed{"f32", 5}, {"int8", 9}, {"amx-int8", 30}}) {
    slow.units.push_back(unit);
  }
  EXPECT_EQ(slow.peak("int8"), 30);
  EXPECT_EQ(slow.peak("f32"), 5);
  EXPECT_EQ(slow.peak("bf16"), 0);
  EXPECT_EQ(prefill_unit("cpu", "q4_k", slow), "int8");
  EXPECT_EQ(prefill_unit("cpu", "f32", slow), "f32");
  MachineSpeed quick = slow;
  quick.stream.gb_s = 20;
  quick.units[0].gop_s = 4;
  const MachineSpeed best = faster(slow, quick);
  EXPECT_EQ(best.stream.gb_s, 20);
  EXPECT_EQ(best.units[0].gop_s, 5);
  EXPECT_FALSE(instruction_set().empty());
}

TEST(MachineApi, DevicesSayWhatTheyHave) {
  const DeviceMemory memory = device_memory("cpu");
  EXPECT_GT(memory.free, 0);
  EXPECT_GE(memory.total, memory.free);
  EXPECT_EQ(code_of([] { device_memory("abacus"); }), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of([] { measure_device("abacus"); }), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace octavo::test
