// The Node object as kubelet writes it.
#pragma once

#include "sim/cluster/kubelet/device_manager.h"
#include "sim/cluster/kubelet/kubelet.h"
#include "sim/cluster/store.h"

#include <map>
#include <set>
#include <string>

namespace rdmalab::cluster {

// Without status: labels, taints.
Json newNode(const KubeletOptions& options);

struct NodeStatusInputs {
    const KubeletOptions& options;
    const Json& old; // the node's present status, or null
    const std::map<std::string, DeviceCapacity>& devices;
    const std::set<std::string>& dropped; // these read "0"
    std::string networkProblem;           // empty: Ready
    std::string now;
};
// Allocatable equals capacity but for devices: nothing is reserved.
Json nodeStatus(const NodeStatusInputs& inputs);

} // namespace rdmalab::cluster
