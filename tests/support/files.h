// Whole files in and out, and where the tests' data lie.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace octavo::test {

/// The bytes of a file. Throws std::runtime_error naming it.
std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);
nlohmann::json read_json(const std::filesystem::path& path);

/// tests/data/NAME
std::filesystem::path test_data(std::string_view name);
/// models/pocket-mixtral, the model that the project ships.
std::filesystem::path pocket_mixtral();
/// A file of the larger data beside the project; it may be absent, then the test skips.
std::filesystem::path shared_data(std::string_view name);

}  // namespace octavo::test
