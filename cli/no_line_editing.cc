// Builds without libedit.
#include "plain_line_editor.h"

namespace octavo::cli {

std::unique_ptr<LineEditor> make_line_editor() { return std::make_unique<PlainLineEditor>(true); }

}  // namespace octavo::cli
