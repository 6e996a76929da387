// The loops that measure the machine do what they claim; how fast is not asked.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "simd/machine_units.h"
#include "support/kernel_tables.h"
#include "support/random.h"

namespace octavo::test {
namespace {

class MachineLoops : public KernelTest {};

TEST_P(MachineLoops, EveryWordIsReadOnceInEveryPattern) {
  Random random(1);
  for (const int64_t words : {0, 1, 15, 63, 64, 65, 256, 1000, 4096, 4099}) {
    std::vector<uint32_t> memory(static_cast<size_t>(words));
    for (uint32_t& word : memory) word = static_cast<uint32_t>(random.below(int64_t{1} << 32));
    const auto* data = reinterpret_cast<const std::byte*>(memory.data());
    uint32_t expected = 0;
    for (const uint32_t word : memory) expected ^= word;
    for (const int streams : {1, 2, 4}) {
      for (const bool fetch : {false, true}) {
        EXPECT_EQ(table().read_memory(data, 4 * words, {streams, fetch}), expected)
            << words << " words, " << streams << " streams, fetch " << fetch;
      }
    }
  }
}

TEST_P(MachineLoops, WorkGrowsWithTheRounds) {
  for (const MachineUnit& unit : machine_units(table())) {
    const MachineWork one = unit.spin(100), two = unit.spin(200);
    EXPECT_GT(one.operations, 0) << unit.name;
    EXPECT_EQ(two.operations, 2 * one.operations) << unit.name;
    EXPECT_TRUE(std::isfinite(two.check)) << unit.name;
  }
}

TEST_P(MachineLoops, UnitsHaveNamesOfTheirOwn) {
  const std::vector<MachineUnit> units = machine_units(table());
  ASSERT_GE(units.size(), 2u);
  EXPECT_STREQ(units[0].name, "f32");
  EXPECT_STREQ(units[1].name, "int8");
  std::set<std::string> names;
  for (const MachineUnit& unit : units) EXPECT_TRUE(names.insert(unit.name).second) << unit.name;
}

OCTAVO_FOR_ALL_TABLES(MachineLoops);

}  // namespace
}  // namespace octavo::test
