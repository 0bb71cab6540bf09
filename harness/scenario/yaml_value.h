#pragma once

#include "harness/scenario/placed_json.h"
#include "harness/scenario/yaml_tree.h"

#include <string_view>

namespace rdmalab::scenario {

// Typed as kubectl types a manifest (YAML 1.1, sigs.k8s.io/yaml): yes/no/on/off are booleans, 010 is 8, 1_000 is 1000, 1e3 is
// 1000, a timestamp is a string; anything in quotes is a string. Keys become strings the way they are typed ("on" is "true").
PlacedJson toJson(const YamlNode& node, Diagnostics& diagnostics);

// The same for one scalar without quotes. Infinity and NaN, which JSON does not have, come back as floats.
Json plainScalar(std::string_view text);

} // namespace rdmalab::scenario
