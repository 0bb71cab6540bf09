// The RDMA devices of a machine's NICs.
#pragma once

#include "fakekernel/nldev/caller.h"
#include "fakekernel/nldev/devices.h"

#include <functional>

namespace rdmalab::fakekernel::nldev {

// What netlink alone can set (adaptive moderation, counter mode, privileged Q_Keys) is kept in the machine under names that
// begin with "nldev/". The machine must be locked by the caller, for as long as this lives or for each call.
class MachineDevices : public Devices {
public:
    // Interface number of a port's netdev in its namespace as it really is there; without one, Port::ifindex.
    using IfindexOf = std::function<int(const std::string& netdev, NetnsId netns)>;

    explicit MachineDevices(hardware::Machine& machine, IfindexOf ifindexOf = {})
        : machine_(machine), ifindexOf_(std::move(ifindexOf)) {}

    std::vector<Device> all() const override;
    // The device of a NIC that has one.
    Device describe(const hardware::Nic& nic) const;
    NetnsId nodeNetns() const override { return machine_.netns(); }
    hardware::RdmaNetnsMode mode() const override { return machine_.rdmaNetnsMode(); }
    bool copyOnFork() const override { return machine_.copyOnFork(); }
    bool privilegedQkey() const override;
    std::optional<hardware::CharDevice> rdmaCm() const override { return machine_.rdmaCm(); }

    int setMode(hardware::RdmaNetnsMode mode) override;
    int setPrivilegedQkey(bool on) override;
    int rename(std::uint32_t index, const std::string& name) override;
    int move(std::uint32_t index, NetnsId netns) override;
    int setAdaptiveModeration(std::uint32_t index, bool on) override;
    int setCounterMode(std::uint32_t index, std::uint32_t mode, std::uint32_t mask) override;
    // EOPNOTSUPP: a machine has the devices of its cards only.
    int addSoftRoce(const std::string& name, const DeviceNetdev& netdev) override;
    int remove(std::uint32_t index) override;

private:
    const hardware::Nic* find(std::uint32_t index) const;

    hardware::Machine& machine_;
    IfindexOf ifindexOf_;
};

} // namespace rdmalab::fakekernel::nldev
