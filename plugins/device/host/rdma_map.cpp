#include "plugins/device/host/rdma_map.h"

#include "plugins/device/host/pci_functions.h"
#include "plugins/kernel/files.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace rdmalab::plugin {

namespace {

const std::string deviceNodes = "/dev/infiniband";

} // namespace

std::vector<std::string> RdmaMap::devicesOf(const std::string& pciAddress) const {
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : entriesOf(files_, pciFunctionPath(pciAddress) + "/infiniband"))
        if (entry.kind == FileKind::directory)
            names.push_back(entry.name);
    return names;
}

std::vector<std::string> RdmaMap::characterDevicesOf(const std::string& rdmaDevice) {
    if (!read_)
        readClasses();
    std::vector<std::string> nodes;
    for (const auto& kind : kinds_) {
        const auto found = kind.find(rdmaDevice);
        if (found == kind.end())
            continue;
        for (const std::string& entry : found->second) {
            nodes.push_back(deviceNodes + "/" + entry);
            if (firstOnly_)
                break;
        }
    }
    if (connectionManager_)
        nodes.push_back(deviceNodes + "/rdma_cm");
    return nodes;
}

void RdmaMap::readClasses() {
    read_ = true;
    const std::pair<std::string_view, std::vector<std::pair<std::string_view, std::size_t>>> classes[] = {
        {"infiniband_cm", {{"ucm", 0}}}, {"infiniband_mad", {{"issm", 1}, {"umad", 2}}}, {"infiniband_verbs", {{"uverbs", 3}}}};
    for (const auto& [className, prefixes] : classes) {
        const std::string directory = "/sys/class/" + std::string(className);
        for (const DirectoryEntry& entry : entriesOf(files_, directory)) {
            const auto prefix = std::find_if(prefixes.begin(), prefixes.end(),
                                             [&](const auto& candidate) { return entry.name.starts_with(candidate.first); });
            if (prefix == prefixes.end())
                continue;
            if (const auto owner = attributeOf(files_, directory + "/" + entry.name + "/ibdev"))
                kinds_[prefix->second][*owner].push_back(entry.name);
        }
    }
    connectionManager_ = files_.exists(deviceNodes + "/rdma_cm");
}

} // namespace rdmalab::plugin
