#include "fakesysfs/vfio.h"

#include <set>

namespace rdmalab::fakesysfs {
namespace {

constexpr unsigned miscMajor = 10, containerMinor = 196; // include/linux/miscdevice.h: VFIO_MINOR
constexpr unsigned groupMajor = 511;                     // dynamic majors are given out from the top

} // namespace

std::vector<VfioNode> vfioNodes(const hardware::Machine& machine) {
    std::set<unsigned> groups;
    bool any = false;
    const auto look = [&](const hardware::PciFunction& pci) {
        if (pci.driver != "vfio-pci")
            return;
        any = true;
        if (pci.iommuGroup)
            groups.insert(*pci.iommuGroup);
    };
    for (const auto& nic : machine.nics())
        look(nic->pci);
    for (const auto& plain : machine.plainFunctions())
        look(plain->pci);
    std::vector<VfioNode> nodes;
    if (any)
        nodes.push_back({"vfio", "misc", miscMajor, containerMinor, 0666});
    for (const unsigned group : groups)
        nodes.push_back({std::to_string(group), "vfio", groupMajor, group, 0600});
    return nodes;
}

} // namespace rdmalab::fakesysfs
