#include "plugins/device/rdma_shared/rsdp_discovery.h"

#include "plugins/device/host/pci_functions.h"
#include "plugins/device/host/rdma_map.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rdmalab::plugin {

namespace {

// Throws std::runtime_error with the reason why the function is no candidate.
RdmaNic inspect(const PciFunction& function, Files& files, Kernel& kernel, RdmaMap& rdmaMap, RsdpRelease release,
                const PluginLog& log) {
    const std::string path = pciFunctionPath(function.address);
    RdmaNic nic{function.address, function.vendor, function.deviceId, {}, {}, {}, {}};

    const auto netdevs = entriesOf(files, path + "/net");
    if (!netdevs.empty())
        nic.ifName = netdevs.front().name;
    if (netdevs.size() > 1) {
        std::vector<std::string> names;
        for (const DirectoryEntry& entry : netdevs)
            names.push_back(entry.name);
        log(fmt::format("Warning: found several names for device {} [{}], using first name {}", function.address,
                        fmt::join(names, " "), nic.ifName));
    }

    try {
        nic.driver = baseName(files.readLink(path + "/driver"));
    } catch (const SystemError& e) {
        throw std::runtime_error(fmt::format("error getting driver info for device {} readlink {}/driver: {}", function.address,
                                             path, goErrnoText(e.code())));
    }

    if (!nic.ifName.empty()) {
        const auto link = kernel.linkByName(nic.ifName);
        if (!link)
            throw std::runtime_error("Link not found");
        nic.linkType = link->encap;
    }

    for (const std::string& device : rdmaMap.devicesOf(function.address))
        for (std::string& node : rdmaMap.characterDevicesOf(device))
            nic.nodes.push_back(std::move(node));
    std::vector<std::string_view> required = {"rdma_cm", "umad", "uverbs"};
    if (release == RsdpRelease::untilV1_5_1)
        required.insert(required.begin(), "issm");
    for (const std::string_view kind : required)
        if (std::none_of(nic.nodes.begin(), nic.nodes.end(),
                         [&](const std::string& node) { return baseName(node).find(kind) != std::string::npos; }))
            throw std::runtime_error(
                fmt::format("missing RDMA device spec for device {}, RDMA device \"{}\" not found", function.address, kind));
    return nic;
}

std::vector<PciFunction> networkFunctions(Files& files) {
    auto functions = pciFunctions(files);
    std::erase_if(functions, [](const PciFunction& function) { return function.baseClass != "02"; });
    return functions;
}

} // namespace

RsdpDiscovery discoverRdmaNics(Files& files, Kernel& kernel, RsdpRelease release, const PluginLog& log) {
    log("discovering host network devices");
    const auto functions = networkFunctions(files);
    if (functions.empty())
        log("Warning: DiscoverHostDevices(): no PCI network device found");
    RdmaMap rdmaMap(files, release == RsdpRelease::untilV1_5_1);
    RsdpDiscovery result;
    for (const PciFunction& function : functions) {
        log(fmt::format("DiscoverHostDevices(): device found: {:<12}\t{:<12}\t{:<20}\t{:<40}", function.address,
                        function.baseClass, function.vendor, function.deviceId));
        try {
            result.nics.push_back(inspect(function, files, kernel, rdmaMap, release, log));
        } catch (const std::runtime_error& e) {
            result.dropped.emplace_back(e.what());
        }
    }
    return result;
}

std::vector<RdmaNic> selectRdmaNics(const std::vector<RdmaNic>& nics, const RsdpSelectors& selectors) {
    const std::pair<const std::vector<std::string>&, std::string RdmaNic::*> filters[] = {
        {selectors.vendors, &RdmaNic::vendor},
        {selectors.deviceIds, &RdmaNic::deviceId},
        {selectors.drivers, &RdmaNic::driver},
        {selectors.ifNames, &RdmaNic::ifName},
        {selectors.linkTypes, &RdmaNic::linkType}};
    std::vector<RdmaNic> selected;
    for (const RdmaNic& nic : nics)
        if (std::all_of(std::begin(filters), std::end(filters), [&](const auto& filter) {
                const auto& [wanted, field] = filter;
                return wanted.empty() || std::find(wanted.begin(), wanted.end(), nic.*field) != wanted.end();
            }))
            selected.push_back(nic);
    return selected;
}

} // namespace rdmalab::plugin
