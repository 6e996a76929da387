// Test parameters: every kernel table that this machine can run.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "simd/kernels.h"

namespace octavo::test {

class KernelTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& table() const { return *GetParam(); }
};

/// Every table that a whole model can run on here; AMX with its tiles emulated where there is none.
inline std::vector<const Kernels*> tables_for_models() {
  std::vector<const Kernels*> tables = all_kernels();
  if (find_kernels("amx") == nullptr && emulated_amx_kernels() != nullptr) {
    tables.insert(tables.begin(), emulated_amx_kernels());
  }
  return tables;
}

/// A table's or format's name in the form that GoogleTest allows.
inline std::string test_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

inline std::string table_name(const ::testing::TestParamInfo<const Kernels*>& info) {
  return test_name(info.param->name);
}

#define OCTAVO_FOR_ALL_TABLES(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(Table, suite, ::testing::ValuesIn(::octavo::all_kernels()), \
                           ::octavo::test::table_name)

}  // namespace octavo::test
