// What the device manager knows: the devices of each resource and who holds them. No plugins, no clock.
#pragma once

#include "sim/cluster/kubelet/device_checkpoint.h"
#include "sim/cluster/kubelet/device_manager.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct NaturalLess {
    bool operator()(const std::string& a, const std::string& b) const { return naturalLess(a, b); }
};
using IdSet = std::set<std::string, NaturalLess>; // natural order: the deterministic stand-in for upstream's random choice

struct ResourceDevices {
    IdSet healthy, unhealthy;
    std::map<std::string, std::vector<std::int64_t>> all; // id -> NUMA nodes
};

struct DeviceState {
    std::map<std::string, ResourceDevices> devices; // by resource
    std::vector<DeviceCheckpoint::Entry> entries;   // in order of allocation
    std::map<std::string, IdSet> used;              // by resource: the ids of all entries

    bool anyAllocated(const std::string& resource) const;
    IdSet idsOf(const std::string& podUid, const std::string& container, const std::string& resource) const;
    const IdSet& idsInUse(const std::string& resource) const;
    void store(const std::string& podUid, const std::string& container, const std::string& resource, const IdSet& ids,
               const AllocateResponse& response);
    // Drops the entries of pods that are neither active nor `keep`.
    void release(const std::set<std::string>& active, const std::string& keep);

    DeviceCheckpoint checkpoint() const;
    void load(DeviceCheckpoint checkpoint); // registered resources come back with no devices

    // First writer wins for each env name, container path and annotation key; another value is only logged.
    AllocateResponse merged(const std::string& podUid, const std::string& container,
                            const std::function<void(const std::string&)>& log) const;
    std::vector<ContainerDevices> grouped(const std::string& podUid, const std::string& container) const;

private:
    void rebuildUsed();
};

// The number in a limit ("2", 2, "1k"); nullopt when it is none.
std::optional<std::int64_t> deviceCount(const nlohmann::json& quantity);

} // namespace rdmalab::cluster
