#include "plugins/device/sriov/sdp_devices.h"

#include "plugins/device/host/rdma_map.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace rdmalab::plugin {

namespace {

std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string firstOf(const std::vector<DirectoryEntry>& entries) {
    return entries.empty() ? std::string() : entries.front().name;
}

bool contains(const std::vector<std::string>& list, const std::string& wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
}

bool allows(const std::vector<std::string>& list, const std::string& value) {
    return list.empty() || contains(list, value);
}

// The uplink of a PF in switchdev mode has a switch id and a port name p0, p1, ...; in legacy mode any netdev is the PF.
std::string pfNetdev(Files& files, const std::string& physfn) {
    const auto netdevs = entriesOf(files, physfn + "/net");
    for (const DirectoryEntry& entry : netdevs) {
        const auto switchId = attributeOf(files, physfn + "/net/" + entry.name + "/phys_switch_id");
        if (!switchId || switchId->empty())
            continue;
        const auto port = attributeOf(files, physfn + "/net/" + entry.name + "/phys_port_name");
        if (!port || (port->size() > 1 && port->front() == 'p' && number(port->substr(1))))
            return entry.name;
    }
    return firstOf(netdevs);
}

} // namespace

bool matchesPf(const std::vector<std::string>& entries, const std::string& pf, int vfIndex, bool ignoreCase,
               const PluginLog& log) {
    for (const std::string& entry : entries) {
        const auto hash = entry.find('#');
        const std::string name = entry.substr(0, hash);
        if (ignoreCase ? ::strcasecmp(name.c_str(), pf.c_str()) != 0 : name != pf)
            continue;
        if (hash == std::string::npos)
            return true;
        std::string_view ranges = std::string_view(entry).substr(hash + 1);
        while (true) {
            const auto comma = ranges.find(',');
            const std::string_view range = ranges.substr(0, comma);
            const auto dash = range.find('-');
            const auto first = number(range.substr(0, dash));
            const auto last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
            if (!first || !last) {
                log(fmt::format("Failed to parse {} PF {} selector, probably incorrect separator character usage", pf,
                                ignoreCase ? "name" : "address"));
                return false;
            }
            if (vfIndex >= *first && vfIndex <= *last)
                return true;
            if (comma == std::string_view::npos)
                return false;
            ranges.remove_prefix(comma + 1);
        }
    }
    return false;
}

SdpDiscovery::SdpDiscovery(Files& files, Kernel& kernel, PluginLog log)
    : files_(files), kernel_(kernel), log_(std::move(log)), functions_(pciFunctions(files)) {}

std::optional<SdpDevice> SdpDiscovery::describe(const PciFunction& function) const {
    const std::string path = pciFunctionPath(function.address);
    SdpDevice device;
    device.pciAddress = function.address;
    device.vendor = function.vendor;
    device.deviceId = function.deviceId;
    try {
        device.driver = baseName(files_.readLink(path + "/driver"));
    } catch (const SystemError& error) {
        log_(fmt::format("error creating new device: \"error getting driver info for device {} readlink {}/driver: {}\"",
                         function.address, path, goErrnoText(error.code())));
        return std::nullopt;
    }
    device.netdev = firstOf(entriesOf(files_, path + "/net"));
    device.pfName = device.netdev;
    device.pfAddress = function.address;
    if (files_.linkStatus(path + "/physfn").kind == FileKind::symlink) {
        device.isVf = true;
        device.pfAddress = baseName(files_.readLink(path + "/physfn"));
        device.pfName = pfNetdev(files_, path + "/physfn");
        for (int index = 0;; ++index) { // without holes: the first missing one ends the search
            const std::string link = fmt::format("{}/physfn/virtfn{}", path, index);
            if (files_.linkStatus(link).kind != FileKind::symlink)
                break;
            if (baseName(files_.readLink(link)) == function.address) {
                device.vfIndex = index;
                break;
            }
        }
    }
    const std::string asked = device.netdev.empty() ? device.pfName : device.netdev;
    if (!asked.empty()) {
        const auto link = kernel_.linkByName(asked);
        if (!link) {
            log_(fmt::format("error creating new device: \"error getting link type for device {}: Link not found\"",
                             function.address));
            return std::nullopt;
        }
        if (!device.netdev.empty() || device.isVf)
            device.linkType = link->encap;
    }
    device.acpiIndex = attributeOf(files_, path + "/acpi_index").value_or("");
    device.numaNode = number(attributeOf(files_, path + "/numa_node").value_or("-1")).value_or(-1);
    const RdmaMap map(files_);
    device.rdmaDevices = map.devicesOf(function.address);
    if (device.linkType == "infiniband" && !device.rdmaDevices.empty())
        device.pKey =
            attributeOf(files_, fmt::format("{}/infiniband/{}/ports/1/pkeys/0", path, device.rdmaDevices.front())).value_or("");
    return device;
}

std::vector<SdpDevice> SdpDiscovery::select(SdpDeviceType type, const SdpSelectors& selectors) const {
    std::vector<SdpDevice> selected;
    if (type == SdpDeviceType::auxNetDevice)
        return selected; // sub-functions hang on the auxiliary bus; a host without them has none
    const std::string wantedClass = type == SdpDeviceType::accelerator ? "12" : "02";
    for (const PciFunction& function : functions_) {
        if (function.baseClass != wantedClass)
            continue;
        const std::string path = pciFunctionPath(function.address);
        if (type == SdpDeviceType::netDevice && files_.exists(path + "/sriov_totalvfs") &&
            number(attributeOf(files_, path + "/sriov_numvfs").value_or("0")).value_or(0) > 0)
            continue; // the functions of a PF in use are offered, not the PF
        const auto device = describe(function);
        if (!device)
            continue;
        if (!allows(selectors.vendors, device->vendor) || !allows(selectors.devices, device->deviceId) ||
            !allows(selectors.drivers, device->driver) || !allows(selectors.pciAddresses, device->pciAddress) ||
            !allows(selectors.acpiIndexes, device->acpiIndex))
            continue;
        if (!selectors.pfNames.empty() &&
            !(device->isVf && matchesPf(selectors.pfNames, device->pfName, device->vfIndex, true, log_)))
            continue;
        if (!selectors.rootDevices.empty() &&
            !(device->isVf && matchesPf(selectors.rootDevices, device->pfAddress, device->vfIndex, false, log_)))
            continue;
        if (!allows(selectors.linkTypes, device->linkType) || !allows(selectors.pKeys, device->pKey))
            continue;
        if (!selectors.ddpProfiles.empty())
            continue; // neither devlink nor ddptool tells a profile on a host without Intel's tools
        if (selectors.isRdma && device->rdmaDevices.empty()) {
            log_(fmt::format("RDMA resources for {} not found. Are RDMA modules loaded?", device->pciAddress));
            continue;
        }
        selected.push_back(*device);
    }
    return selected;
}

} // namespace rdmalab::plugin
