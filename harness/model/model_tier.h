// The `model` tier: no root, no processes, no real time. The same plugin code runs in-process against kernels, files and hardware
// in memory.
#pragma once

#include "harness/tier/tier.h"

#include <memory>

namespace rdmalab::harness {

// `scenario` must outlive the tier.
std::unique_ptr<Tier> makeModelTier(const scenario::Scenario& scenario);

} // namespace rdmalab::harness
