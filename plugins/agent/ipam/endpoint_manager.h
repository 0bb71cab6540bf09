// SpiderEndpoint: which addresses a pod has, NIC by NIC (spec/spiderpool.md, section 1.4; pkg/workloadendpointmanager).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/agent/ipam/allocation.h"
#include "plugins/agent/ipam/pod.h"

#include <optional>

namespace rdmalab::plugin::ipam {

class EndpointManager {
public:
    EndpointManager(KubeClient& kube, const AgentConfig& config) : kube_(kube), config_(config) {}

    std::optional<Json> find(const std::string& ns, const std::string& name) const;
    // Creates the pod's endpoint, or adds the NICs to it. `unnamed`: the NICs are numbers; the first becomes eth0, the others get
    // their name when it is known.
    void record(const std::vector<Allocation>& results, std::optional<Json> endpoint, const Json& pod,
                const TopController& controller, bool unnamed) const;
    // Gives the first NIC without a name this one, unless a NIC has it.
    void nameNic(Json& endpoint, const std::string& nic) const;
    // A StatefulSet's pod came back with another uid, maybe on another node.
    void takeOver(Json& endpoint, const std::string& uid, const std::string& node, const std::string& nic, bool unnamed) const;
    void replaceIps(Json& endpoint, Json ips) const;
    void remove(const Json& endpoint) const; // the finalizer keeps it; no error when it is gone
    void removeFinalizer(const Json& endpoint) const;

private:
    bool isStatic(const TopController& controller) const;

    KubeClient& kube_;
    const AgentConfig& config_;
};

const Json& ipsOf(const Json& endpoint);                   // status.current.ips
std::string uidOf(const Json& endpoint);                   // of the pod
bool hasNic(const Json& endpoint, const std::string& nic); // by that name, or one still without a name
PoolIps poolIpsOf(const Json& ips, const std::string& uid);
// Entries of status.current.ips, one for each NIC.
Json detailsOf(const std::vector<Allocation>& results, bool unnamed);

} // namespace rdmalab::plugin::ipam
