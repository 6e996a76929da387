// The addon's functions for samplers.
#pragma once

#include <node_api.h>

#include <vector>

namespace octavo::node {

std::vector<napi_property_descriptor> sampler_functions();

}  // namespace octavo::node
