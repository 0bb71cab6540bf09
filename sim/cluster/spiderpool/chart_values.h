#pragma once

#include "sim/cluster/spiderpool/profile.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace rdmalab::cluster {

// The chart's values.yaml, as far as this chart renders it (charts/spiderpool/values.yaml of the profile's release).
const nlohmann::json& chartDefaults(SpiderpoolProfile profile);

// Defaults with the user's values over them, as Helm merges: maps deeply, everything else replaces, null removes.
nlohmann::json mergedChartValues(const nlohmann::json& values, SpiderpoolProfile profile);

// Keys that the chart of this profile does not know. Helm ignores them without a word.
std::vector<std::string> unknownChartValues(const nlohmann::json& values, SpiderpoolProfile profile);

} // namespace rdmalab::cluster
