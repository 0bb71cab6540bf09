#include "fakesysfs/paths.h"

#include <fmt/format.h>

namespace rdmalab::fakesysfs {

std::string hostBridgePath(const hardware::PciAddress& address, std::uint8_t rootBus) {
    return fmt::format("devices/pci{:04x}:{:02x}", address.domain, rootBus);
}

std::string bridgePath(const hardware::Bridge& bridge) {
    std::string path = hostBridgePath(bridge.address, bridge.rootBus);
    for (const hardware::PciAddress& above : bridge.bridges)
        path += "/" + above.str();
    return path + "/" + bridge.address.str();
}

std::string parentPath(const hardware::PciFunction& pci) {
    std::string path = hostBridgePath(pci.address, pci.rootBus);
    for (const hardware::PciAddress& above : pci.bridges)
        path += "/" + above.str();
    return path;
}

std::string functionPath(const hardware::PciFunction& pci) {
    return parentPath(pci) + "/" + pci.address.str();
}

bool hasNetdev(const hardware::Nic& nic) {
    return !nic.pci.driver.empty() && nic.pci.driver != "vfio-pci" && !nic.port.netdev.empty();
}

std::string netdevParentPath(const hardware::Machine& machine, const hardware::Nic& nic) {
    const std::string function = functionPath(nic.pci);
    if (nic.model->childBus.empty())
        return function;
    unsigned number = 0; // that bus counts its devices
    for (const auto& other : machine.nics()) {
        if (other.get() == &nic)
            break;
        number += other->model->childBus == nic.model->childBus;
    }
    return fmt::format("{}/{}{}", function, nic.model->childBus, number);
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
