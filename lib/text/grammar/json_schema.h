// JSON Schema to GBNF: a grammar of JSON texts that the schema accepts (docs/sampling.md has the
// subset). It may be narrower than the schema, never wider.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// Throws Error(kInvalidArgument) for what is no schema or accepts nothing, and Error(kUnsupported)
/// naming a keyword that cannot be honoured; both say where.
std::string json_schema_to_gbnf(std::string_view schema);

}  // namespace octavo
