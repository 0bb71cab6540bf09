// What writing to the attributes of a PCI function, a driver or the bus does (spec sysfs-and-rdma-abi 2; drivers/pci/pci-sysfs.c,
// drivers/pci/iov.c, drivers/base/bus.c).
#pragma once

#include "fakesysfs/node.h"
#include "sim/hardware/machine.h"

#include <string>
#include <string_view>

namespace rdmalab::fakesysfs {

// Attributes of one function. Each store looks the function up again, by address and instance: ENODEV when it is gone. All are
// empty, and the files cannot be written, when there is no machine.
class PciWrites {
public:
    PciWrites(hardware::Machine* machine, const hardware::PciFunction& pci)
        : machine_(machine), address_(pci.address), instance_(pci.instance) {}

    Directory::Write numVfs() const;
    Directory::Write vfAutoprobe() const;
    Directory::Write vfMsixCount() const;
    Directory::Write driverOverride() const;
    Directory::Write enable() const;
    Directory::Write numaNode() const;
    Directory::Write remove() const;
    Directory::Write rescan() const;
    Directory::Write reset() const;
    Directory::Write resetMethod() const;
    Directory::Write flag(const std::string& name) const; // any number; kept as 0 or 1
    Directory::Write config() const;
    Directory::Write mlx5NumVfs() const;
    // sriov/VF/FILE of NVIDIA's own driver.
    Directory::Write vfAttribute(unsigned vf, const std::string& file) const;

private:
    template <typename Store>
    Directory::Write onFunction(Store store) const;

    hardware::Machine* machine_;
    hardware::PciAddress address_;
    std::uint64_t instance_;
};

// Those of a bridge, which has no instance: it stays as long as the machine.
class BridgeWrites {
public:
    BridgeWrites(hardware::Machine* machine, const hardware::PciAddress& address) : machine_(machine), address_(address) {}
    Directory::Write remove() const; // everything below it
    Directory::Write rescan() const;
    Directory::Write numaNode() const;
    Directory::Write enable() const;

private:
    hardware::Machine* machine_;
    hardware::PciAddress address_;
};

// bus/pci/NAME and bus/pci/drivers/DRIVER/NAME.
Directory::Write busStore(hardware::Machine* machine, const std::string& name);
Directory::Write driverStore(hardware::Machine* machine, const std::string& driver, const std::string& name);

// Values that are only kept, with their default. `owner` is an instance, 0 the machine.
std::string keptText(const hardware::Machine& machine, std::uint64_t owner, const std::string& name, std::string otherwise);
using Check = std::string (*)(std::string_view text); // what is kept of a text; throws SystemError
Directory::Write keepStore(hardware::Machine* machine, std::uint64_t owner, const std::string& name, Check check);
std::string keepFlag(std::string_view text); // any number: 0 or 1

} // namespace rdmalab::fakesysfs
