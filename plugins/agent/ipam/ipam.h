// Allocation and release for one pod (spec/spiderpool.md, sections 2.4 to 2.6; pkg/ipam).
#pragma once

#include "plugins/agent/ipam/candidate_filter.h"
#include "plugins/agent/ipam/candidate_source.h"
#include "plugins/agent/ipam/endpoint_manager.h"
#include "plugins/agent/ipam/pool_limiter.h"
#include "plugins/agent/ipam/pool_manager.h"

#include <mutex>
#include <optional>

namespace rdmalab::plugin::ipam {

// DELETE /v1/ipam/ips refuses to take back what a conflict check found: HTTP status 521 (stateless) or 522 (stateful).
class ReleaseForbidden : public std::runtime_error {
public:
    ReleaseForbidden(int status, const char* text) : std::runtime_error(text), status_(status) {}
    int status() const noexcept { return status_; }

private:
    int status_;
};

class Ipam {
public:
    Ipam(KubeClient& kube, const AgentConfig& config, PoolManager::Sleep sleep);

    // The reply to POST /v1/ipam/ip: {"ips": [...], "routes": [...]} of all of the pod's NICs that are known by now.
    // Throws std::runtime_error.
    Json allocate(const AddArgs& args);
    // DELETE /v1/ipam/ip: of a pod that is no more, the addresses of all its NICs go.
    void release(DelArgs args);
    // DELETE /v1/ipam/ips: whatever state the pod is in. Since 1.0.
    void releaseAll(DelArgs args);

private:
    std::optional<Json> existing(const AddArgs& args, const Json& pod, std::optional<Json>& endpoint);
    std::optional<Json> staticOnes(const AddArgs& args, const Json& pod, const TopController& controller, Json& endpoint);
    bool releaseOutdated(const AddArgs& args, const Json& pod, const TopController& controller, Json& endpoint);
    Json allocateNew(const AddArgs& args, const Json& pod, const TopController& controller, const std::optional<Json>& endpoint);
    std::vector<Allocation> allocateAll(const std::vector<NicRequest>& requests, const Json& pod, std::string& failure);
    Allocation allocateOne(const Candidate& candidate, const NicRequest& request, const Json& pod);
    void releaseIps(const std::string& uid, const Json& ips);
    void refuseVirtualMachines(const TopController& controller) const;
    Json reply(const std::vector<Allocation>& results) const;
    Json reply(const Json& ips) const; // from an endpoint

    KubeClient& kube_;
    const AgentConfig& config_;
    CandidateSource source_;
    CandidateFilter filter_;
    PoolManager pools_;
    EndpointManager endpoints_;
    PoolLimiter limiter_;

    // What a pod got while another of its NICs got nothing: its next try starts from there instead of draining the pools.
    std::mutex mutex_;
    std::map<std::string, std::vector<Allocation>> partial_; // by pod uid; guarded by mutex_
};

} // namespace rdmalab::plugin::ipam
