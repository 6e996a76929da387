#include "type_option.h"

#include "quant/format.h"

namespace octavo::cli {

void add_type_option(CLI::App& command, std::string& type) {
  std::vector<std::string> names;
  for (const Format format : all_formats()) names.emplace_back(format_name(format));
  CLI::Option* option = command.add_option("--type", type, "Format of the weights")
                            ->type_name("TYPE")
                            ->check(CLI::IsMember(names));
  if (!type.empty()) option->capture_default_str();
}

}  // namespace octavo::cli
