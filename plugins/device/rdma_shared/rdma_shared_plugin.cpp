#include "plugins/device/rdma_shared/rdma_shared_plugin.h"

#include "plugins/device/rdma_shared/go_text.h"
#include "plugins/device/rdma_shared/rsdp_discovery.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <set>

namespace rdmalab::plugin {

namespace {

// The kernel's own switch, parameter netns_mode of ib_core (drivers/infiniband/core/device.c): Y = shared, N = exclusive.
// Upstream asks NETLINK_RDMA for the same bit.
void requireSharedNetnsMode(Files& files) {
    std::string mode;
    try {
        mode = files.read("/sys/module/ib_core/parameters/netns_mode");
    } catch (const SystemError&) {
        throw RsdpFatal("Exiting.. can not change : can not get RDMA subsystem network namespace mode");
    }
    if (mode.starts_with('N') || mode.starts_with('0'))
        throw RsdpFatal("Exiting.. can not change : incorrect RDMA subsystem network namespace");
}

std::vector<std::string> nodesOf(const std::vector<RdmaNic>& nics) {
    std::vector<std::string> nodes;
    for (const RdmaNic& nic : nics)
        nodes.insert(nodes.end(), nic.nodes.begin(), nic.nodes.end());
    return nodes;
}

// Upstream's rule: another count, or a path that was not there before.
bool changed(const std::vector<std::string>& before, const std::vector<std::string>& now) {
    if (before.size() != now.size())
        return true;
    const std::set<std::string> known(before.begin(), before.end());
    for (const std::string& node : now)
        if (!known.contains(node))
            return true;
    return false;
}

void setUp(Kernel& kernel, const std::vector<RdmaNic>& nics, const PluginLog& log) {
    for (const RdmaNic& nic : nics) {
        if (nic.ifName.empty())
            continue;
        try {
            const auto link = kernel.linkByName(nic.ifName);
            if (link && !link->up)
                kernel.setLinkUp(link->index, true);
        } catch (const KernelError& e) {
            log(fmt::format("Warning: cannot set link {} up: {}", nic.ifName, e.what()));
        }
    }
}

void logDropped(const RsdpDiscovery& discovery, const PluginLog& log) {
    for (const std::string& reason : discovery.dropped)
        log("error creating new device: " + goQuote(reason));
}

} // namespace

RdmaSharedPlugin::RdmaSharedPlugin(RsdpConfig config, RsdpRelease release, Files& files, Kernel& kernel, PluginLog log)
    : config_(std::move(config)), release_(release), files_(files), kernel_(kernel), log_(std::move(log)) {
    requireSharedNetnsMode(files_);
    log_("Discovering host devices");
    const RsdpDiscovery discovery = discoverRdmaNics(files_, kernel_, release_, log_);
    log_("Initializing resource servers");
    for (const RsdpResourceConfig& wanted : config_.resources) {
        log_("Resource: " + wanted.fullName());
        logDropped(discovery, log_); // upstream builds the devices anew for each resource, and says so each time
        const auto nics = selectRdmaNics(discovery.nics, wanted.selectors);
        if (nics.empty())
            log_("Warning: no devices in device pool, creating empty resource server for " + wanted.name);
        setUp(kernel_, nics, log_);
        RsdpResource resource{wanted.fullName(), wanted.name + ".sock", 0, nodesOf(nics)};
        if (resource.nodes.empty())
            log_("Warning: no Rdma Devices were found for resource " + wanted.name);
        else
            resource.deviceCount = wanted.hcaMax;
        resources_.push_back(std::move(resource));
    }
}

std::vector<std::size_t> RdmaSharedPlugin::rediscover() {
    std::vector<std::size_t> updated;
    const RsdpDiscovery discovery = discoverRdmaNics(files_, kernel_, release_, log_);
    for (std::size_t i = 0; i < resources_.size(); ++i) {
        const RsdpResourceConfig& wanted = config_.resources[i];
        logDropped(discovery, log_);
        auto nodes = nodesOf(selectRdmaNics(discovery.nics, wanted.selectors));
        RsdpResource& resource = resources_[i];
        if (!changed(resource.nodes, nodes)) {
            log_(fmt::format("no changes to devices for \"{}\"", resource.fullName));
            log_(fmt::format("exposing \"{}\" devices", resource.deviceCount));
            continue;
        }
        resource.nodes = std::move(nodes);
        resource.deviceCount = resource.nodes.empty() ? 0 : wanted.hcaMax;
        updated.push_back(i);
    }
    return updated;
}

} // namespace rdmalab::plugin
