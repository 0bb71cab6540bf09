// The `netns` tier: nodes and pods are namespaces of this machine, plugins are processes, packets are real.
#pragma once

#include "harness/sandbox/lab.h"
#include "harness/tier/tier.h"

#include <memory>

namespace rdmalab::harness {

// Runs inside a lab (harness/sandbox/lab.h). `scenario` must outlive the tier. Throws SystemError, hardware::HardwareError.
std::unique_ptr<Tier> makeNetnsTier(const scenario::Scenario& scenario, const LabPlace& lab);

} // namespace rdmalab::harness
