// Where the pools for a pod's NIC come from: the first of annotations, namespace, CNI configuration and cluster defaults that
// says something (spec/spiderpool.md, section 2.1; pkg/ipam/pool_selections.go).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/agent/ipam/allocation.h"
#include "plugins/agent/ipam/pod.h"

namespace rdmalab::plugin::ipam {

class CandidateSource {
public:
    CandidateSource(KubeClient& kube, const AgentConfig& config) : kube_(kube), config_(config) {}

    // One entry; more with annotation `ippools`, which asks for all NICs at once. Throws std::runtime_error.
    std::vector<NicRequest> select(const AddArgs& args, const Json& pod, const TopController& controller) const;

private:
    void checkSubnetAnnotations(const Json& pod, const TopController& controller) const;
    std::vector<NicRequest> fromPoolsAnnotation(const std::string& annotation, const std::string& nic) const;
    NicRequest requestOf(const AddArgs& args, const std::vector<std::string>& v4, const std::vector<std::string>& v6) const;
    std::vector<std::string> expanded(const std::vector<std::string>& names, int version) const;
    NicRequest clusterDefaults(const AddArgs& args) const;

    KubeClient& kube_;
    const AgentConfig& config_;
};

// Whether the annotation `ippools` leaves out the names of the NICs.
bool leavesOutNicNames(const Json& pod);

} // namespace rdmalab::plugin::ipam
