// The RDMA shared device plugin without a transport: what it advertises and what a container gets.
// Behaviour: spec device-plugins.md section 2 (Mellanox/k8s-rdma-shared-dev-plugin, pkg/resources).
#pragma once

#include "plugins/device/rdma_shared/rsdp_config.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;
class Kernel;

struct RsdpResource {
    std::string fullName;           // "spidernet.io/hca_shared_devices"
    std::string socketName;         // "hca_shared_devices.sock"
    std::int64_t deviceCount = 0;   // ids "0" .. deviceCount-1, all healthy, no topology
    std::vector<std::string> nodes; // device nodes every container gets: host path = container path, permissions "rwm"
};

class RdmaSharedPlugin {
public:
    // Checks the RDMA network namespace mode, discovers the NICs and sets the selected netdevs up.
    // Throws RsdpFatal: `Exiting.. can not change : ...`. `files` and `kernel` must outlive the plugin.
    RdmaSharedPlugin(RsdpConfig config, RsdpRelease release, Files& files, Kernel& kernel, PluginLog log);

    const RsdpConfig& config() const { return config_; }
    const std::vector<RsdpResource>& resources() const { return resources_; } // in the order of the configuration

    // Looks at the host again; returns the indices of the resources whose list has to be sent again.
    std::vector<std::size_t> rediscover();

private:
    RsdpConfig config_;
    RsdpRelease release_;
    Files& files_;
    Kernel& kernel_;
    PluginLog log_;
    std::vector<RsdpResource> resources_;
};

} // namespace rdmalab::plugin
