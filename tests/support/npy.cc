#include "support/npy.h"

#include <cstring>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "support/files.h"

namespace octavo::test {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);

std::vector<int64_t> parse_shape(const std::string& header) {
  std::smatch match;
  if (!std::regex_search(header, match, std::regex("'shape': *\\(([0-9, ]*)\\)"))) {
    throw std::runtime_error("no shape in an .npy header");
  }
  std::vector<int64_t> shape;
  std::istringstream list(match[1].str());
  for (std::string item; std::getline(list, item, ',');) {
    if (item.find_first_of("0123456789") != std::string::npos) shape.push_back(std::stoll(item));
  }
  return shape;
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  if (bytes.compare(0, kMagic.size(), kMagic) != 0 || bytes.size() < 10) {
    throw std::runtime_error(path.string() + " is no .npy file of version 1");
  }
  const size_t length = static_cast<uint8_t>(bytes[8]) | static_cast<uint8_t>(bytes[9]) << 8;
  const std::string header = bytes.substr(10, length);
  if (header.find("'<f4'") == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error(path.string() + " is not float32 in C order");
  }
  NpyArray array{parse_shape(header), {}};
  size_t count = 1;
  for (const int64_t extent : array.shape) count *= static_cast<size_t>(extent);
  if (bytes.size() != 10 + length + 4 * count) {
    throw std::runtime_error(path.string() + " is not as long as its shape says");
  }
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + 10 + length, 4 * count);
  return array;
}

void write_npy(const std::filesystem::path& path, const NpyArray& array) {
  std::ostringstream header;
  header << "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const int64_t extent : array.shape) header << extent << ", ";
  header << "), }";
  std::string text = header.str();
  text.append(63 - (text.size() + 10) % 64, ' ');
  text += '\n';
  std::string bytes(kMagic);
  bytes += static_cast<char>(text.size() & 255);
  bytes += static_cast<char>(text.size() >> 8);
  bytes += text;
  bytes.append(reinterpret_cast<const char*>(array.values.data()), 4 * array.values.size());
  write_file(path, bytes);
}

}  // namespace octavo::test
