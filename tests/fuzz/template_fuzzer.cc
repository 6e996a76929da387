#include "fuzz/template_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::test::fuzz_template({data, size});
  return 0;
}
