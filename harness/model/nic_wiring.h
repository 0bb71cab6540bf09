// Keeps a machine and the in-memory kernels in step: every port of the machine is a link of the world, VFs come and go with
// sriov_numvfs, and what plugins do to such a link shows in the machine.
#pragma once

#include "sim/fabric/fabric.h"
#include "sim/hardware/machine.h"
#include "sim/kernel/model_world.h"

#include <functional>
#include <map>
#include <string>

namespace rdmalab::harness {

class NicWiring {
public:
    // Switch of the PF at that address, "" for a cable that hangs loose.
    using SwitchOf = std::function<std::string(const hardware::Nic&)>;

    // All must outlive it. Adds the links of all ports that the machine has already.
    NicWiring(hardware::Machine& machine, kernel::ModelWorld& world, fabric::Fabric& fabric, kernel::NetnsId node,
              SwitchOf switchOf);
    NicWiring(const NicWiring&) = delete;
    NicWiring& operator=(const NicWiring&) = delete;

    // How the machine calls a namespace of the world.
    static hardware::NetnsId idOf(kernel::NetnsId netns) { return static_cast<hardware::NetnsId>(netns) + 1; }

    // To be called for every change of every link of the world.
    void linkChanged(kernel::NetdevId id, kernel::NetdevChange change, const kernel::NetdevInfo& info);
    // A namespace is gone; its links are back on the node already.
    void namespaceGone(kernel::NetnsId netns);
    // Addresses have no observer: brings those of all ports (and of interfaces on top of them, which have GIDs too) up to date.
    void readAddresses();
    // The NIC's own cable, as a fault pulls it. Throws std::runtime_error when the node has no such port.
    void setCable(const std::string& netdev, bool plugged);

private:
    struct Wire {
        kernel::NetdevId link{};
        fabric::PortId port;
    };

    void machineChanged(const hardware::HardwareEvent& event);
    void addLink(const hardware::Nic& nic);
    void removeLink(const hardware::Nic& nic);
    void applyVfSettings(const hardware::Nic& vf);
    fabric::PortId portFor(const hardware::Nic& nic);
    const hardware::Nic* nicOf(kernel::NetdevId id) const;

    hardware::Machine& machine_;
    kernel::ModelWorld& world_;
    fabric::Fabric& fabric_;
    kernel::NetnsId node_;
    SwitchOf switchOf_;
    std::map<hardware::PciAddress, Wire> wires_; // links that exist
    std::map<kernel::NetdevId, hardware::PciAddress> addresses_;
    std::map<hardware::PciAddress, fabric::PortId> ports_; // of PFs: cables stay when the card goes
    bool ours_ = false;                                    // a change that this class makes itself
    hardware::Machine::Subscription subscription_;
};

} // namespace rdmalab::harness
