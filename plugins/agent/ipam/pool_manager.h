// Takes addresses out of SpiderIPPools and puts them back, with the API server's optimistic lock
// (pkg/ippoolmanager; spec/spiderpool.md, section 2.4).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/agent/ipam/allocation.h"
#include "plugins/agent/ipam/allocation_records.h"

#include <chrono>
#include <functional>
#include <mutex>

namespace rdmalab::plugin {
class KubeClient;
}

namespace rdmalab::plugin::ipam {

class PoolManager {
public:
    using Sleep = std::function<void(std::chrono::milliseconds)>;
    static constexpr int tries = 5;

    PoolManager(KubeClient& kube, const AgentConfig& config, Sleep sleep)
        : kube_(kube), config_(config), sleep_(std::move(sleep)) {}

    // `pod` is "ns/name". Throws std::runtime_error `all IP addresses used out`,
    // `exhaust all retries (5 times), failed to allocate IP from IPPool X`, or the API's refusal.
    Allocation allocate(const std::string& pool, const std::string& nic, const std::string& pod, const std::string& podUid);
    // Forgets those records that have both the address and the uid.
    void release(const std::string& pool, const std::vector<IpAndUid>& ips);
    // Writes the new uid into the records of the addresses, which must be the pod's.
    void changeUids(const std::string& pool, const std::string& pod, const std::vector<IpAndUid>& ips);

private:
    // Reads the pool, lets `change` alter its records, and writes them if it returns true; again while others were quicker.
    void modify(const std::string& pool, const std::string& task,
                const std::function<bool(const Json& pool, AllocationRecords& records)>& change);
    AllocationRecords recordsOf(const Json& pool);
    void remember(const Json& pool, AllocationRecords records);
    std::vector<IpRange> reserved(int version);

    KubeClient& kube_;
    const AgentConfig& config_;
    Sleep sleep_;

    struct Known {
        std::string version; // resourceVersion and uid
        AllocationRecords records;
    };
    std::mutex mutex_;
    std::map<std::string, Known> known_; // by pool; guarded by mutex_. Saves reading a large pool's text at each allocation.
};

} // namespace rdmalab::plugin::ipam
