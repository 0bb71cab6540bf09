// What `helm install spiderpool spiderpool/spiderpool` creates, without Helm (spec/spiderpool.md, section 5).
#pragma once

#include "sim/cluster/spiderpool/profile.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace rdmalab::cluster {

// The objects in the order in which they are to be created. `values` is the user's part of the value tree. The SpiderCoordinator,
// default pools and default SpiderMultusConfig are no chart objects: spiderpool-init creates them.
// Throws std::invalid_argument for what this profile cannot install ("sriov.install is not implemented in profile 0.8").
std::vector<nlohmann::json> renderChart(const nlohmann::json& values, SpiderpoolProfile profile,
                                        const std::string& releaseNamespace);

} // namespace rdmalab::cluster
