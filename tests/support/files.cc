#include "support/files.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace octavo::test {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(read_file(path));
}

std::filesystem::path test_data(std::string_view name) {
  return std::filesystem::path(OCTAVO_TEST_DATA) / name;
}

std::filesystem::path pocket_mixtral() {
  return std::filesystem::path(OCTAVO_MODELS) / "pocket-mixtral";
}

std::filesystem::path shared_data(std::string_view name) {
  return std::filesystem::path(OCTAVO_SHARED_DATA) / name;
}

}  // namespace octavo::test
