// The SR-IOV network device plugin without a transport: its pools, and what a container gets.
// Behaviour: spec device-plugins.md sections 3.2 and 3.3 (sriov-network-device-plugin, pkg/resources, pkg/infoprovider,
// pkg/netdevice).
#pragma once

#include "plugins/device/sriov/sdp_devices.h"

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdmalab::plugin {

struct SdpPoolDevice {
    SdpDevice device;
    bool isRdma = false, vhostNet = false; // of the selector that claimed it
    std::string vdpaType;
};

struct SdpPool {
    SdpResourceConfig config;
    std::vector<SdpPoolDevice> devices; // in the order of their addresses

    std::string socketName() const { return config.prefix + "_" + config.name + ".sock"; }
    // A device's NUMA node, nothing when it is unknown or left out by configuration.
    std::optional<int> topologyOf(const SdpPoolDevice& device) const;
};

struct SdpDeviceNode {
    std::string hostPath, containerPath, permissions = "rw";
};

struct SdpAllocation {
    std::map<std::string, std::string> environment;
    std::vector<SdpDeviceNode> nodes; // each host path once
};

// A request that the kubelet is told to fail; what() is the gRPC message.
class SdpRefusal : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class SriovPlugin {
public:
    // Discovers once. `files` and `kernel` must outlive the plugin.
    SriovPlugin(std::vector<SdpResourceConfig> resources, Files& files, Kernel& kernel, PluginLog log);

    const std::vector<SdpPool>& pools() const { return pools_; } // those with devices, in the order of the configuration
    // For one container. Writes the device-info files of netDevice pools. Throws SdpRefusal for a device that is not the pool's.
    SdpAllocation allocate(const SdpPool& pool, const std::vector<std::string>& devices);
    // Removes the pool's device-info files: when its server starts, and when it stops.
    void removeDeviceInfo(const SdpPool& pool);

private:
    struct Info; // what one device contributes

    Info infoOf(const SdpPool& pool, const SdpPoolDevice& device) const;
    void writeDeviceInfo(const SdpPool& pool, const SdpPoolDevice& device) const;

    Files& files_;
    PluginLog log_;
    bool vhostNet_;
    std::vector<SdpPool> pools_;
};

} // namespace rdmalab::plugin
