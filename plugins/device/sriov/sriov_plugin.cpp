#include "plugins/device/sriov/sriov_plugin.h"

#include "plugins/device/host/rdma_map.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <set>

namespace rdmalab::plugin {

namespace {

const std::string deviceInfoDirectory = "/var/run/k8s.cni.cncf.io/devinfo/dp";
const std::string vhostNetNode = "/dev/vhost-net", tunNode = "/dev/net/tun";

// Only dots become underscores; what a shell cannot read as a name stays so.
std::string environmentName(const SdpResourceConfig& config) {
    std::string name = "PCIDEVICE_" + config.prefix + "_" + config.name;
    for (char& c : name)
        c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::string deviceInfoPrefix(const SdpPool& pool) {
    return pool.config.prefix + "-" + pool.config.name + "-";
}

std::string deviceInfoFile(const SdpPool& pool, const std::string& device) {
    std::string name = deviceInfoPrefix(pool) + device + "-device.json";
    std::replace(name.begin(), name.end(), '/', '-');
    return deviceInfoDirectory + "/" + name;
}

// "uverbs" of "/dev/infiniband/uverbs0"; empty for what is no such node.
std::string kindOf(const std::string& node) {
    const std::string name = baseName(node);
    for (const char* kind : {"uverbs", "umad", "issm", "rdma_cm"})
        if (name.starts_with(kind))
            return kind;
    return "";
}

} // namespace

struct SriovPlugin::Info {
    std::map<std::string, std::map<std::string, std::string>> providers; // sorted, as Go prints a map
    std::vector<SdpDeviceNode> nodes;
};

std::optional<int> SdpPool::topologyOf(const SdpPoolDevice& device) const {
    if (config.excludeTopology || device.device.numaNode < 0)
        return std::nullopt;
    return device.device.numaNode;
}

SriovPlugin::SriovPlugin(std::vector<SdpResourceConfig> resources, Files& files, Kernel& kernel, PluginLog log)
    : files_(files), log_(std::move(log)), vhostNet_(files.exists(vhostNetNode)) {
    const SdpDiscovery discovery(files, kernel, log_);
    std::set<std::string> claimed;
    for (SdpResourceConfig& resource : resources) {
        SdpPool pool;
        pool.config = std::move(resource);
        for (const SdpSelectors& selectors : pool.config.selectors)
            for (SdpDevice& device : discovery.select(pool.config.type, selectors)) {
                if (!claimed.insert(device.pciAddress).second) {
                    log_(fmt::format("Cannot add device [{}]. Already allocated.", device.pciAddress));
                    continue;
                }
                pool.devices.push_back({std::move(device), selectors.isRdma, selectors.needVhostNet, selectors.vdpaType});
            }
        if (pool.devices.empty()) {
            log_(fmt::format("no devices in device pool, skipping creating resource server for {}", pool.config.name));
            continue;
        }
        std::sort(pool.devices.begin(), pool.devices.end(),
                  [](const auto& a, const auto& b) { return a.device.pciAddress < b.device.pciAddress; });
        pools_.push_back(std::move(pool));
    }
}

SriovPlugin::Info SriovPlugin::infoOf(const SdpPool& pool, const SdpPoolDevice& entry) const {
    const SdpDevice& device = entry.device;
    Info info;
    info.providers["generic"]["deviceID"] = device.pciAddress;
    const auto add = [&](const std::string& host, const std::string& container) { info.nodes.push_back({host, container}); };
    if (device.driver == "vfio-pci") {
        std::string group;
        try {
            group = baseName(files_.readLink(pciFunctionPath(device.pciAddress) + "/iommu_group"));
        } catch (const SystemError& error) {
            log_(fmt::format("GetVFIODeviceFile error: {}", goErrnoText(error.code())));
        }
        if (!group.empty()) {
            const auto name = attributeOf(files_, pciFunctionPath(device.pciAddress) + "/iommu_group/name");
            const std::string container = "/dev/vfio/" + group;
            add("/dev/vfio/vfio", "/dev/vfio/vfio");
            add(name == "vfio-noiommu" ? "/dev/vfio/noiommu-" + group : container, container);
            info.providers["vfio"] = {{"mount", "/dev/vfio/vfio"}, {"dev-mount", container}};
        }
    } else if (device.driver == "uio" || device.driver == "igb_uio") {
        const auto uio = entriesOf(files_, pciFunctionPath(device.pciAddress) + "/uio");
        if (!uio.empty()) {
            add("/dev/" + uio.front().name, "/dev/" + uio.front().name);
            info.providers["uio"]["mount"] = "/dev/" + uio.front().name;
        }
    }
    if (entry.isRdma) {
        RdmaMap map(files_); // anew: names and nodes are those of this moment
        const auto devices = map.devicesOf(device.pciAddress);
        auto& rdma = info.providers["rdma"];
        for (const std::string& name : devices)
            for (const std::string& node : map.characterDevicesOf(name)) {
                add(node, node);
                if (const std::string kind = kindOf(node); !kind.empty())
                    rdma.try_emplace(kind, node);
            }
        if (!devices.empty())
            rdma["rdma_dev"] = devices.front();
    }
    if (entry.vhostNet && vhostNet_) {
        add(vhostNetNode, vhostNetNode);
        add(tunNode, tunNode);
        info.providers["vhost"] = {{"net-mount", vhostNetNode}, {"tun-mount", tunNode}};
    }
    for (const std::string& key : {std::string("*"), device.pciAddress})
        if (const auto extra = pool.config.additionalInfo.find(key); extra != pool.config.additionalInfo.end())
            for (const auto& [name, value] : extra->second)
                info.providers["extra"][name] = value;
    return info;
}

void SriovPlugin::writeDeviceInfo(const SdpPool& pool, const SdpPoolDevice& entry) const {
    nlohmann::ordered_json pci = {{"pci-address", entry.device.pciAddress}};
    if (entry.isRdma) {
        const auto devices = RdmaMap(files_).devicesOf(entry.device.pciAddress);
        if (!devices.empty())
            pci["rdma-device"] = fmt::format("{}", fmt::join(devices, ","));
    }
    const nlohmann::ordered_json content = {{"type", "pci"}, {"version", "1.1.0"}, {"pci", pci}};
    files_.makeDirectories(deviceInfoDirectory, 0755);
    files_.write(deviceInfoFile(pool, entry.device.pciAddress), content.dump(), 0444);
}

SdpAllocation SriovPlugin::allocate(const SdpPool& pool, const std::vector<std::string>& devices) {
    SdpAllocation allocation;
    nlohmann::json all = nlohmann::json::object(); // sorted keys, as encoding/json writes a map
    std::set<std::string> seen;
    for (const std::string& id : devices) {
        const auto found = std::find_if(pool.devices.begin(), pool.devices.end(),
                                        [&](const SdpPoolDevice& one) { return one.device.pciAddress == id; });
        if (found == pool.devices.end()) {
            if (pool.config.type == SdpDeviceType::netDevice)
                throw SdpRefusal("storeDeviceInfoFile: Only pciNetDevices are supported");
            continue;
        }
        const Info info = infoOf(pool, *found);
        for (const SdpDeviceNode& node : info.nodes)
            if (seen.insert(node.hostPath).second)
                allocation.nodes.push_back(node);
        all[id] = info.providers;
        if (pool.config.type == SdpDeviceType::netDevice)
            writeDeviceInfo(pool, *found);
    }
    const std::string name = environmentName(pool.config);
    allocation.environment[name] = fmt::format("{}", fmt::join(devices, ","));
    allocation.environment[name + "_INFO"] = all.dump();
    return allocation;
}

void SriovPlugin::removeDeviceInfo(const SdpPool& pool) {
    std::string prefix = deviceInfoPrefix(pool);
    std::replace(prefix.begin(), prefix.end(), '/', '-');
    for (const DirectoryEntry& entry : entriesOf(files_, deviceInfoDirectory))
        if (entry.name.starts_with(prefix) && entry.name.ends_with("-device.json"))
            files_.remove(deviceInfoDirectory + "/" + entry.name);
}

} // namespace rdmalab::plugin
