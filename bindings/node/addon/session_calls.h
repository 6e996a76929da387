// The addon's functions for sessions.
#pragma once

#include <node_api.h>

#include <vector>

namespace octavo::node {

std::vector<napi_property_descriptor> session_functions();

}  // namespace octavo::node
