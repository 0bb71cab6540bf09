#include "fakesysfs/paths.h"

#include <fmt/format.h>

namespace rdmalab::fakesysfs {

std::string hostBridgePath(const hardware::PciFunction& pci) {
    return fmt::format("devices/pci{:04x}:{:02x}", pci.address.domain, pci.rootBus);
}

std::string rootPortPath(const hardware::PciFunction& pci) {
    return !pci.bridges.empty() ? hostBridgePath(pci) + "/" + pci.bridges.front().str() : "";
}

std::string functionPath(const hardware::PciFunction& pci) {
    return (!pci.bridges.empty() ? rootPortPath(pci) : hostBridgePath(pci)) + "/" + pci.address.str();
}

std::string netdevParentPath(const hardware::Nic& nic, std::size_t number) {
    const std::string function = functionPath(nic.pci);
    return nic.model->childBus.empty() ? function : fmt::format("{}/{}{}", function, nic.model->childBus, number);
}

std::string linkTarget(std::string_view directory, std::string_view target) {
    const std::string_view targetParent = target.substr(0, target.rfind('/'));
    std::string up;
    std::string_view base = directory;
    const auto holds = [&] {
        return base.empty() || targetParent == base || (targetParent.starts_with(base) && targetParent[base.size()] == '/');
    };
    while (!holds()) {
        up += "../";
        const std::size_t slash = base.rfind('/');
        base = slash == std::string_view::npos ? std::string_view() : base.substr(0, slash);
    }
    return up + std::string(base.empty() ? target : target.substr(base.size() + 1));
}

} // namespace rdmalab::fakesysfs
