#include "sim/cluster/kubelet/device_state.h"

#include "sim/cluster/scheduler/amounts.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {

bool DeviceState::anyAllocated(const std::string& resource) const {
    return used.contains(resource);
}

IdSet DeviceState::idsOf(const std::string& podUid, const std::string& container, const std::string& resource) const {
    IdSet result;
    for (const auto& entry : entries)
        if (entry.podUid == podUid && entry.container == container && entry.resource == resource)
            for (const auto& [node, ids] : entry.ids)
                result.insert(ids.begin(), ids.end());
    return result;
}

const IdSet& DeviceState::idsInUse(const std::string& resource) const {
    static const IdSet none;
    const auto found = used.find(resource);
    return found == used.end() ? none : found->second;
}

void DeviceState::store(const std::string& podUid, const std::string& container, const std::string& resource, const IdSet& ids,
                        const AllocateResponse& response) {
    DeviceCheckpoint::Entry entry{podUid, container, resource, {}, response};
    const auto& all = devices[resource].all;
    for (const auto& id : ids) {
        const auto known = all.find(id);
        if (known == all.end() || known->second.empty())
            entry.ids[-1].push_back(id);
        else
            for (const auto node : known->second)
                entry.ids[node].push_back(id);
    }
    entries.push_back(std::move(entry));
    used[resource].insert(ids.begin(), ids.end());
}

void DeviceState::release(const std::set<std::string>& active, const std::string& keep) {
    if (std::erase_if(entries, [&](const auto& entry) { return entry.podUid != keep && !active.contains(entry.podUid); }) > 0)
        rebuildUsed();
}

void DeviceState::rebuildUsed() {
    // A resource stays known as "once allocated" even when nothing of it is held now.
    for (auto& [resource, ids] : used)
        ids.clear();
    for (const auto& entry : entries)
        for (const auto& [node, ids] : entry.ids)
            used[entry.resource].insert(ids.begin(), ids.end());
}

DeviceCheckpoint DeviceState::checkpoint() const {
    DeviceCheckpoint result{entries, {}};
    for (const auto& [resource, known] : devices)
        result.registered[resource] = {known.healthy.begin(), known.healthy.end()};
    return result;
}

void DeviceState::load(DeviceCheckpoint checkpoint) {
    entries = std::move(checkpoint.entries);
    rebuildUsed();
    devices.clear();
    for (const auto& [resource, ids] : checkpoint.registered)
        devices[resource];
}

AllocateResponse DeviceState::merged(const std::string& podUid, const std::string& container,
                                     const std::function<void(const std::string&)>& log) const {
    AllocateResponse result;
    const auto conflict = [&](const std::string& what, const std::string& key, const std::string& kept,
                              const std::string& other) {
        if (kept != other && log)
            log(fmt::format("{} {} is already set to {} and can not be set to {} too (pod {}, container {})", what, key, kept,
                            other, podUid, container));
    };
    for (const auto& entry : entries) {
        if (entry.podUid != podUid || entry.container != container)
            continue;
        const AllocateResponse& from = entry.response;
        for (const auto& [key, value] : from.envs)
            if (const auto [old, isNew] = result.envs.emplace(key, value); !isNew)
                conflict("environment variable", key, old->second, value);
        for (const auto& [key, value] : from.annotations)
            if (const auto [old, isNew] = result.annotations.emplace(key, value); !isNew)
                conflict("annotation", key, old->second, value);
        for (const auto& mount : from.mounts) {
            const auto same = std::find_if(result.mounts.begin(), result.mounts.end(),
                                           [&](const auto& old) { return old.containerPath == mount.containerPath; });
            if (same == result.mounts.end())
                result.mounts.push_back(mount);
            else
                conflict("mount", mount.containerPath, same->hostPath, mount.hostPath);
        }
        for (const auto& device : from.devices) {
            const auto same = std::find_if(result.devices.begin(), result.devices.end(),
                                           [&](const auto& old) { return old.containerPath == device.containerPath; });
            if (same == result.devices.end())
                result.devices.push_back(device);
            else
                conflict("device", device.containerPath, same->hostPath, device.hostPath);
        }
        for (const auto& name : from.cdiDevices)
            if (std::find(result.cdiDevices.begin(), result.cdiDevices.end(), name) == result.cdiDevices.end())
                result.cdiDevices.push_back(name);
    }
    return result;
}

std::vector<ContainerDevices> DeviceState::grouped(const std::string& podUid, const std::string& container) const {
    std::map<std::string, std::map<std::vector<std::int64_t>, IdSet>> groups;
    for (const auto& entry : entries) {
        if (entry.podUid != podUid || entry.container != container)
            continue;
        std::map<std::string, std::vector<std::int64_t>> numaOf;
        for (const auto& [node, ids] : entry.ids)
            for (const auto& id : ids) {
                auto& nodes = numaOf[id];
                if (node >= 0)
                    nodes.push_back(node);
            }
        for (const auto& [id, nodes] : numaOf)
            groups[entry.resource][nodes].insert(id);
    }
    std::vector<ContainerDevices> result;
    for (const auto& [resource, byNuma] : groups)
        for (const auto& [nodes, ids] : byNuma)
            result.push_back({resource, {ids.begin(), ids.end()}, nodes});
    return result;
}

std::optional<std::int64_t> deviceCount(const nlohmann::json& quantity) {
    return wholeAmount(quantity);
}

} // namespace rdmalab::cluster
