#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::test::fuzz_gguf_header({data, size});
  return 0;
}
