#pragma once

#include "sim/cluster/spiderpool/profile.h"
#include "sim/cluster/spiderpool/schema.h"

#include <string>

namespace rdmalab::cluster {

// The schema of a Spiderpool kind (charts/spiderpool/crds at the profile's release); null for any other kind.
const Schema* spiderpoolSchema(const std::string& kind, SpiderpoolProfile profile);

} // namespace rdmalab::cluster
