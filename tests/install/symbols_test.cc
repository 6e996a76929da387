// The shared library shows the functions of symbols.txt and the C++ API, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/command.h"
#include "support/files.h"

namespace octavo::test {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::set<std::string> listed(const std::string& prefix) {
  std::set<std::string> result;
  for (const std::string& line :
       lines_of(read_file(OCTAVO_SOURCE_DIR "/tests/install/symbols.txt"))) {
    if (line.starts_with(prefix)) result.insert(line);
  }
  return result;
}

/// Names that the library defines for others, without their version.
std::set<std::string> exported(const std::string& options) {
  std::set<std::string> result;
  const CommandOutcome outcome =
      run_command(OCTAVO_NM " -D --defined-only " + options + " " OCTAVO_SHARED_LIBRARY);
  for (const std::string& line : lines_of(outcome.output)) {
    const size_t address = line.find(' ');
    const std::string name = line.substr(std::min(address + 3, line.size()));
    if (name != "OCTAVO_0") result.insert(name.substr(0, name.find("@@")));
  }
  return result;
}

TEST(Symbols, OfTheCApiAreTheListedOnes) {
  std::set<std::string> c_names;
  for (const std::string& name : exported("")) {
    if (name.starts_with("octavo_")) c_names.insert(name);
  }
  EXPECT_EQ(c_names, listed("octavo_"));
  EXPECT_GT(c_names.size(), 30u);
}

TEST(Symbols, OfTheHeaderAreAllThere) {
  const std::string header = read_file(OCTAVO_SOURCE_DIR "/lib/include/octavo/octavo.h");
  size_t declared = 0;
  for (size_t at = header.find("\nOCTAVO_API "); at != header.npos;
       at = header.find("\nOCTAVO_API ", at + 1)) {
    ++declared;
  }
  EXPECT_EQ(declared, listed("octavo_").size());
}

TEST(Symbols, OfCxxAreThoseOfTheApi) {
  std::set<std::string> shown;  // classes and functions of all public headers
  for (std::string name : exported("--demangle")) {
    if (name.starts_with("octavo_")) continue;
    EXPECT_THAT(name, testing::Not(testing::HasSubstr("Impl::")));
    for (const std::string prefix : {"typeinfo for ", "typeinfo name for ", "vtable for "}) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    EXPECT_THAT(name, testing::StartsWith("octavo::"));
    const size_t begin = std::string("octavo::").size();
    shown.insert(name.substr(begin, name.find_first_of(":([", begin) - begin));
  }
  std::istringstream names(
      "Error Model Sampler Session TextStream generate "
      "convert export_gguf parse_type_rule plan_conversion ready_recipes weight_types "
      "config_json inspect verify mixtral_8x7b_config read_checkpoint_config synthesize Calibrator "
      "MachineSpeed device_memory faster instruction_set measure_device measure_machine "
      "prefill_unit");
  const std::set<std::string> expected{std::istream_iterator<std::string>(names), {}};
  EXPECT_EQ(shown, expected);
}

TEST(Symbols, TheSonameIsTheAbis) {
  EXPECT_THAT(run_command(OCTAVO_READELF " -d " OCTAVO_SHARED_LIBRARY).output,
              testing::HasSubstr("[liboctavo.so.0]"));
}

}  // namespace
}  // namespace octavo::test
