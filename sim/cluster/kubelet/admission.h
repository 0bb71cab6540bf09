// The kubelet's own check of a pod before it runs it (spec/kubernetes.md, section 6).
#pragma once

#include "sim/cluster/scheduler/amounts.h"
#include "sim/cluster/store.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct Rejection {
    std::string reason, message;
};

struct OtherPod {
    const Json& pod;
    const Amounts& requests;
};

struct AdmissionInputs {
    const Json& pod;
    const Json& node;
    std::vector<OtherPod> others;                  // active pods of the node
    std::map<std::string, std::int64_t> allocated; // devices handed out, the pod's own included
};

// Resources first, then affinity, node name, ports and NoExecute taints; the first failure counts.
std::optional<Rejection> failedPredicate(const AdmissionInputs& inputs);

// "protocol/ip/port" of each host port.
std::set<std::string> hostPortsOf(const Json& podSpec);
// Whether two such sets collide; the address 0.0.0.0 collides with every other.
bool portsCollide(const std::set<std::string>& a, const std::set<std::string>& b);

} // namespace rdmalab::cluster
