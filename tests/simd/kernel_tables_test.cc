// The choice of a kernel table.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

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
    EXPECT_NE(table->attend_tile, nullptr);
    EXPECT_NE(table->read_memory, nullptr);
    EXPECT_NE(table->spin_float, nullptr);
    EXPECT_NE(table->spin_int8, nullptr);
  }
}

TEST(KernelTables, AreFoundByName) {
  for (const Kernels* table : all_kernels()) EXPECT_NE(find_kernels(table->name), nullptr);
  EXPECT_EQ(find_kernels("scalar"), &scalar_kernels());
  for (const char* none : {"abacus", "", "avx", "-plain", "avx2-", "abacus-plain"}) {
    EXPECT_EQ(find_kernels(none), nullptr) << none;
  }
}

TEST(KernelTables, HaveAnExactNameEach) {
  for (const Kernels* table : all_kernels()) {
    EXPECT_EQ(find_kernels(isa_name(*table)), table) << isa_name(*table);
  }
}

struct Family {
  const char* plain;
  const char* with_dot_product;
};

TEST(KernelTables, ADotProductStandsBeforeItsPlainSibling) {
  const auto at = [](std::string_view name) {
    const auto& tables = all_kernels();
    return std::find_if(tables.begin(), tables.end(),
                        [&](const Kernels* table) { return table->name == name; });
  };
  for (const auto& [plain, with] : {Family{"avx512", "avx512-vnni"}, Family{"avx2", "avx2-vnni"},
                                    Family{"neon", "neon-dotprod"}}) {
    const Kernels* exact = find_kernels(std::string(plain) + "-plain");
    if (at(plain) == all_kernels().end()) {
      EXPECT_EQ(exact, nullptr);
      EXPECT_EQ(find_kernels(with), nullptr) << "has " << with << " without " << plain;
      continue;
    }
    ASSERT_NE(exact, nullptr);
    EXPECT_STREQ(exact->name, plain);
    const bool has = at(with) != all_kernels().end();
    EXPECT_STREQ(find_kernels(plain)->name, has ? with : plain);
    EXPECT_EQ(isa_name(*exact), std::string(plain) + (has ? "-plain" : ""));
    if (has) {
      EXPECT_LT(at(with), at(plain));
    }
  }
}

TEST(KernelTables, TheChosenOneIsAmongThem) {
  const auto& tables = all_kernels();
  EXPECT_NE(std::find(tables.begin(), tables.end(), &kernels()), tables.end());
}

}  // namespace
}  // namespace octavo
