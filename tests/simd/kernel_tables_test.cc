// The choice of a kernel table.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "simd/kernels.h"

namespace octavo {
namespace {

TEST(KernelTables, EndWithTheScalarTwin) {
  ASSERT_FALSE(all_kernels().empty());
  EXPECT_EQ(all_kernels().back(), &scalar_kernels());
  EXPECT_STREQ(scalar_kernels().name, "scalar");
}

TEST(KernelTables, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Kernels* table : all_kernels()) EXPECT_TRUE(names.insert(table->name).second);
}

TEST(KernelTables, AreComplete) {
  for (const Kernels* table : all_kernels()) {
    EXPECT_NE(table->matmul_float, nullptr);
    EXPECT_NE(table->matmul_q8, nullptr);
    EXPECT_NE(table->quantize_q8, nullptr);
    EXPECT_EQ(table->quantize_wide == nullptr, table->matmul_wide == nullptr);
    EXPECT_NE(table->rmsnorm, nullptr);
    EXPECT_NE(table->swiglu, nullptr);
    EXPECT_NE(table->axpy, nullptr);
    EXPECT_NE(table->rope, nullptr);
    EXPECT_NE(table->to_cache, nullptr);
    EXPECT_NE(table->attend, nullptr);
    EXPECT_NE(table->read_memory, nullptr);
    EXPECT_NE(table->spin_float, nullptr);
    EXPECT_NE(table->spin_int8, nullptr);
  }
}

TEST(KernelTables, AreFoundByName) {
  for (const Kernels* table : all_kernels()) EXPECT_NE(find_kernels(table->name), nullptr);
  EXPECT_EQ(find_kernels("scalar"), &scalar_kernels());
  EXPECT_EQ(find_kernels("abacus"), nullptr);
  EXPECT_EQ(find_kernels(""), nullptr);
}

TEST(KernelTables, TheChosenOneIsAmongThem) {
  const auto& tables = all_kernels();
  EXPECT_NE(std::find(tables.begin(), tables.end(), &kernels()), tables.end());
}

}  // namespace
}  // namespace octavo
