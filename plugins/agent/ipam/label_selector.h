// metav1.LabelSelector against labels.
#pragma once

#include "plugins/agent/ipam/json_access.h"

namespace rdmalab::plugin::ipam {

// An empty selector matches everything. Throws std::runtime_error for an operator that does not exist.
bool selects(const Json& selector, const Json& labels);

} // namespace rdmalab::plugin::ipam
