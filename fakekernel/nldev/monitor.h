// Notifications of group 4 (RDMA_NLDEV_CMD_MONITOR): what `rdma monitor` prints.
#pragma once

#include "fakekernel/nldev/devices.h"
#include "fakekernel/nldev/kernel_profile.h"
#include "fakekernel/nldev/machine_devices.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace rdmalab::fakekernel::nldev {

enum class EventType : std::uint8_t {
    registered = 0,
    unregistered = 1,
    netdevAttached = 2,
    netdevDetached = 3,
    renamed = 4,       // as of Linux 6.14
    netdevRenamed = 5, // likewise
};
// For the members of the group in the device's own namespace, in both modes. Sequence and sender are 0.
std::string eventMessage(EventType type, const Device& device);

// Turns what happens to a machine into notifications. Feed it every HardwareEvent, with the machine locked.
class Monitor {
public:
    using Message = std::pair<NetnsId, std::string>; // to whom, what

    Monitor(const hardware::Machine& machine, const MachineDevices& devices, const KernelProfile& profile);
    std::vector<Message> messagesFor(const hardware::HardwareEvent& event);

private:
    struct Known {
        std::string name, netdev;
        NetnsId netdevNetns = 0;
    };
    Known look(const hardware::Nic& nic) const;

    const MachineDevices& devices_;
    KernelProfile profile_;
    std::map<std::uint64_t, Known> known_; // by RdmaDevice::instance
};

} // namespace rdmalab::fakekernel::nldev
