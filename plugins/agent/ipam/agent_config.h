// What the Spiderpool agent is told by its conf.yml, its environment and its command line (spec/spiderpool.md, section 5).
#pragma once

#include <map>
#include <string>

namespace rdmalab::plugin {

enum class AgentRelease { v0_8, v1_2 }; // which upstream's behaviour

AgentRelease parseAgentRelease(const std::string& text); // "0.8", "1.2"; throws std::invalid_argument
const char* nameOf(AgentRelease release);

struct AgentConfig {
    AgentRelease release = AgentRelease::v1_2;

    // conf.yml
    std::string ipamUnixSocketPath = "/var/run/spidernet/spiderpool.sock";
    bool enableIPv4 = true, enableIPv6 = true;
    bool enableStatefulSet = true;
    bool enableKubevirtStaticIP = true;
    bool enableSpiderSubnet = false;
    bool enableAutoPool = false;            // enableAutoPoolForApplication, since 1.0; before, enableSpiderSubnet is enough
    bool enableIPConflictDetection = false; // since 1.0
    bool enableGatewayDetection = false;    // since 1.0
    bool tuneSysctlConfig = true;           // since 1.0

    // environment
    std::string agentNamespace = "kube-system"; // SPIDERPOOL_POD_NAMESPACE
    std::string multusClusterNetwork;           // MULTUS_CLUSTER_NETWORK, "ns/name"; empty = not set
    std::string nodeName;                       // SPIDERPOOL_NODE_NAME; for the log only, a pod's node is told by the API
    int healthPort = 5710;                      // SPIDERPOOL_HEALTH_PORT
    int maxAllocatedIPs = 5000;                 // SPIDERPOOL_IPPOOL_MAX_ALLOCATED_IPS
    bool releaseConflictIps = true;             // SPIDERPOOL_ENABLED_RELEASE_CONFLICT_IPS, since 1.0
};

// `yaml` is the content of conf.yml. Keys that a field is not made for are ignored, as upstream does.
// Throws std::runtime_error with `failed to parse configmap, error: ...` or what is wrong with a variable.
AgentConfig readAgentConfig(AgentRelease release, const std::string& yaml, const std::map<std::string, std::string>& environment);

} // namespace rdmalab::plugin
