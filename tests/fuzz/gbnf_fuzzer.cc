#include "fuzz/grammar_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::test::fuzz_gbnf({data, size});
  return 0;
}
