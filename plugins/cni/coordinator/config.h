// The coordinator's configuration: its own over the agent's (cmd/coordinator/cmd/cni_types.go; spec/spiderpool.md, section 4).
#pragma once

#include "util/ip.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin::coordinator {

struct PolicyRoute {
    Cidr dst;
    IpAddress gateway;
};

struct Config {
    std::string version;
    std::string prevResult; // JSON; empty = none
    std::string mode;       // auto underlay overlay disable, or whatever was written
    std::string podFirstInterface = "eth0";
    std::string macPrefix, defaultRouteNic, vethLinkAddress;
    std::vector<Cidr> hijackCidrs; // pods, services, configured ones
    std::vector<PolicyRoute> policyRoutes;
    bool tunePodRoutes = true;
    int hostRuleTable = 500, vethMtu = 1500, txQueueLength = 0;
    int podRpFilter = 0;             // < 0 leaves it alone
    std::optional<int> hostRpFilter; // releases up to 0.9 set the node's too
    // An agent of 0.8 names the pod's NICs, and the coordinator of that release counts its tables by them.
    std::vector<std::string> podNics;
};

// detectGateway, detectIPConflict and detectOptions of 0.8 are checked for form; the probes themselves are not made.
// Throws std::runtime_error with upstream's texts.
Config parseConfig(const std::string& input, const nlohmann::json& agent);

} // namespace rdmalab::plugin::coordinator
