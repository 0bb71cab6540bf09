#include "fakesysfs/fuse/machine_changes.h"

namespace rdmalab::fakesysfs {

Changes changesOf(const hardware::Machine& machine, const hardware::HardwareEvent& event) {
    using hardware::HardwareChange;
    switch (event.change) {
    case HardwareChange::link:
    case HardwareChange::address:
    case HardwareChange::vfSettings:
        return {};
    case HardwareChange::netnsMode:
        return {true, {}};
    default:
        break;
    }
    Changes changes;
    if (const hardware::Nic* nic = event.nic) {
        changes.instances.insert(nic->pci.instance);
        if (const hardware::Nic* pf = machine.physfn(*nic))
            changes.instances.insert(pf->pci.instance); // virtfnN
        return changes;
    }
    if (const auto address = hardware::PciAddress::parse(event.subject))
        if (const hardware::PciFunction* function = machine.findFunction(*address)) {
            changes.instances.insert(function->instance);
            return changes;
        }
    changes.everything = true;
    return changes;
}

} // namespace rdmalab::fakesysfs
