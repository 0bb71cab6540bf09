// Which of the candidate pools may serve the pod, and in which order they are tried
// (spec/spiderpool.md, sections 2.2 and 2.3; pkg/ipam/allocate.go).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/agent/ipam/allocation.h"
#include "plugins/agent/ipam/pod.h"

namespace rdmalab::plugin::ipam {

class CandidateFilter {
public:
    CandidateFilter(KubeClient& kube, const AgentConfig& config) : kube_(kube), config_(config) {}

    // Drops families that are switched off, reads the pools, drops those that do not suit and sorts the rest.
    // Pools of equal rank keep the order in which they were asked for (upstream's documentation promises that; upstream itself
    // loses it). Throws std::runtime_error, among others
    // `no IPPool available, all IPv4 IPPools [a b] of eth0 filtered out: [...]`.
    void apply(std::vector<NicRequest>& requests, const AddArgs& args, const Json& pod, const TopController& controller) const;

private:
    void read(NicRequest& request) const;
    // Throws std::runtime_error with the reason why not.
    void check(const Json& pool, int version, const std::string& nic, const AddArgs& args, const Json& pod,
               const TopController& controller) const;
    void checkNode(const Json& spec, const std::string& pool, const Json& pod) const;
    void checkNamespace(const Json& spec, const std::string& pool, const AddArgs& args) const;
    void checkNetwork(const Json& spec, const std::string& pool, const std::string& nic, const Json& pod) const;

    KubeClient& kube_;
    const AgentConfig& config_;
};

} // namespace rdmalab::plugin::ipam
