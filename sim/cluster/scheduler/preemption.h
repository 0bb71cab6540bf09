// Which pods have to go so that a more important one fits (spec/kubernetes.md, section 9; PodDisruptionBudgets are not looked
// at).
#pragma once

#include "sim/cluster/scheduler/placement.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct PreemptionPlan {
    std::string node;
    std::vector<ObjectPtr> victims; // most important first
};

std::optional<PreemptionPlan> planPreemption(Placement& placement, const PodClass& podClass);

} // namespace rdmalab::cluster
