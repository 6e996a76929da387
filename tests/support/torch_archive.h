// PyTorch's archives for tests: the pickle's operations as text, put together by hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/safetensors.h"
#include "support/zip.h"

namespace octavo::test {

/// One operation by its code.
std::string op(int code);
/// Operations that push one value.
std::string pickled_text(std::string_view text);
std::string pickled_int(int64_t value);
std::string pickled_tuple(const std::vector<std::string>& items);
std::string pickled_global(std::string_view module, std::string_view name);
/// The same by STACK_GLOBAL, as protocol 4 has it.
std::string pickled_stack_global(std::string_view module, std::string_view name);
std::string pickled_dict(const std::vector<std::string>& keys_and_values);

/// A view of a storage as torch.save writes it.
struct TorchView {
  std::string storage_type = "FloatStorage";
  std::string key = "0";
  int64_t elements = 0;  ///< of the storage
  int64_t first = 0;
  std::vector<int64_t> shape = {}, strides = {};
};
std::vector<int64_t> dense_strides(const std::vector<int64_t>& shape);
std::string pickled_tensor(const TorchView& view);

/// `value` as a whole pickle.
std::string whole_pickle(const std::string& value, int protocol = 2);

/// The members of an archive with this pickle and these storages, named by their position.
std::vector<ZipMember> torch_members(const std::string& pickle,
                                     const std::vector<std::string>& storages);
/// An archive of a dict of tensors.
std::string make_torch_archive(const std::vector<SafeTensor>& tensors, const ZipStyle& style = {});

}  // namespace octavo::test
