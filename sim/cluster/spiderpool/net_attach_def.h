// SpiderMultusConfig -> NetworkAttachmentDefinition (spec/spiderpool.md, section 3;
// pkg/multuscniconfig/multusconfig_informer.go).
#pragma once

#include "sim/cluster/spiderpool/profile.h"

#include <nlohmann/json.hpp>

#include <string>

namespace rdmalab::cluster {

// The whole NAD object as Spiderpool's controller creates it, with spec.config byte for byte. `smc` has been through the mutating
// webhook (mutateMultusConfig). Throws std::runtime_error with upstream's text for a config that cannot be generated.
nlohmann::json generateNetAttachDef(const nlohmann::json& smc, SpiderpoolProfile profile);

// The name of that NAD: annotation multus.spidernet.io/cr-name, else the SMC's own.
std::string netAttachDefName(const nlohmann::json& smc);

} // namespace rdmalab::cluster
