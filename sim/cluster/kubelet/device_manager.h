// The kubelet's device manager: plugins, their devices, who holds which (spec/kubernetes.md, sections 1-4 and 7).
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/device_plugin.h"
#include "sim/cluster/node_host.h"
#include "sim/cluster/timings.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace rdmalab::cluster {

// Devices of one resource and one NUMA set, as podresources shows them.
struct ContainerDevices {
    std::string resource;
    std::vector<std::string> ids;        // natural order
    std::vector<std::int64_t> numaNodes; // empty: unknown
    friend bool operator==(const ContainerDevices&, const ContainerDevices&) = default;
};

struct DeviceCapacity {
    std::int64_t capacity = 0, allocatable = 0;
    friend bool operator==(const DeviceCapacity&, const DeviceCapacity&) = default;
};

class DeviceManager {
public:
    struct Hooks {
        std::function<void()> changed;                     // capacity, allocatable or health of some resource
        std::function<std::set<std::string>()> activePods; // uids; the devices of all others may be freed
        std::function<void(const std::string&)> log;
    };

    DeviceManager(clock::EventLoop& loop, NodeHost& host, Timings timings, bool secondEndpointQuirk, Hooks hooks);
    ~DeviceManager();
    DeviceManager(const DeviceManager&) = delete;
    DeviceManager& operator=(const DeviceManager&) = delete;

    // Reads the checkpoint. Returns false when there was none (extended resources of the node are to be zeroed).
    bool readCheckpoint();
    // Register: version and name checks, dial, options, then ListAndWatch. Error texts as upstream.
    void registerPlugin(const RegisterRequest& request, Callback<Done> reply);

    // Resources that plugins offer now, and those that were dropped (they stay in the node status as "0").
    std::map<std::string, DeviceCapacity> capacity();
    const std::set<std::string>& droppedResources() const;

    // All containers of a pod, init containers first. One call at a time.
    void allocate(const nlohmann::json& pod, Callback<Done> reply);
    // The merged answers of all plugins for a container.
    AllocateResponse runOptions(const std::string& podUid, const std::string& container) const;
    void preStart(const std::string& podUid, const std::string& container, Callback<Done> reply);

    // Lazy release: frees the devices of pods that are not active.
    void releaseInactive();
    std::vector<ContainerDevices> devicesOf(const std::string& podUid, const std::string& container) const;
    std::vector<ContainerDevices> healthyDevices() const;
    std::set<std::string> inUse(const std::string& resource) const;
    // What a pod holds in all: resource -> count (for raising the node's allocatable before predicates).
    std::map<std::string, std::int64_t> allocatedCounts() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_; // shared: callbacks hold it weakly
};

// domain/name, not of kubernetes.io, no `requests.` prefix, a valid qualified name.
bool isExtendedResourceName(const std::string& name);
// Numbers inside names by value: "mlx5_2" before "mlx5_10".
bool naturalLess(const std::string& a, const std::string& b);

} // namespace rdmalab::cluster
