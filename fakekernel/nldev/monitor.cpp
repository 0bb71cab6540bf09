#include "fakekernel/nldev/monitor.h"

#include "fakekernel/nldev/commands.h"

namespace rdmalab::fakekernel::nldev {

std::string eventMessage(EventType type, const Device& device) {
    Datagram datagram(goodSize);
    const std::size_t message = datagram.begin(messageType(clientNldev, cmdMonitor), 0, 0, 0);
    const bool sameNetns = device.netdev && device.netdev->netns == device.netns;
    const auto netdev = [&] {
        datagram.u32(attrNdevIndex, static_cast<std::uint32_t>(device.netdev->ifindex));
        datagram.text(attrNdevName, device.netdev->name);
    };
    switch (type) {
    case EventType::registered:
    case EventType::unregistered:
    case EventType::renamed:
        putHandle(datagram, device);
        break;
    case EventType::netdevAttached:
    case EventType::netdevDetached:
        // One in another namespace leaves nothing of the message but its type.
        if (device.netdev && !sameNetns)
            break;
        putHandle(datagram, device);
        datagram.u32(attrPortIndex, 1);
        if (device.netdev)
            netdev();
        break;
    case EventType::netdevRenamed:
        if (sameNetns)
            netdev();
        break;
    }
    datagram.u8(attrEventType, static_cast<std::uint8_t>(type));
    datagram.end(message);
    return datagram.take();
}

Monitor::Monitor(const hardware::Machine& machine, const MachineDevices& devices, const KernelProfile& profile)
    : devices_(devices), profile_(profile) {
    for (const auto& nic : machine.nics())
        if (nic->rdma)
            known_[nic->rdma->instance] = look(*nic);
}

Monitor::Known Monitor::look(const hardware::Nic& nic) const {
    return {nic.rdma->name, nic.port.netdev, nic.port.netns};
}

std::vector<Monitor::Message> Monitor::messagesFor(const hardware::HardwareEvent& event) {
    using hardware::HardwareChange;
    std::vector<Message> messages;
    if (!event.nic || !event.nic->rdma)
        return messages;
    const hardware::Nic& nic = *event.nic;
    Device device = devices_.describe(nic);
    const auto say = [&](EventType type) { messages.emplace_back(device.netns, eventMessage(type, device)); };
    const auto detach = [&] {
        const std::optional<DeviceNetdev> netdev = std::exchange(device.netdev, std::nullopt); // gone when this is sent
        say(EventType::netdevDetached);
        device.netdev = netdev;
    };
    switch (event.change) {
    case HardwareChange::rdmaAdded:
        known_[nic.rdma->instance] = look(nic);
        say(EventType::registered);
        if (device.netdev)
            say(EventType::netdevAttached);
        break;
    case HardwareChange::rdmaRemoved:
        known_.erase(nic.rdma->instance);
        say(EventType::unregistered);
        break;
    case HardwareChange::rdmaDevice: {
        Known& known = known_[nic.rdma->instance];
        if (known.name != device.name && profile_.renameEvents) // and nothing of a move
            say(EventType::renamed);
        known = look(nic);
        break;
    }
    case HardwareChange::netdevAdded:
        if (auto found = known_.find(nic.rdma->instance); found != known_.end()) {
            found->second = look(nic);
            say(EventType::netdevAttached);
        }
        break;
    case HardwareChange::netdevRemoved:
        if (known_.count(nic.rdma->instance))
            detach();
        break;
    case HardwareChange::netdev: {
        Known& known = known_[nic.rdma->instance];
        if (known.netdevNetns != nic.port.netns) { // for the driver, it went and came
            detach();
            say(EventType::netdevAttached);
        } else if (known.netdev != nic.port.netdev && profile_.renameEvents) {
            say(EventType::netdevRenamed);
        }
        known = look(nic);
        break;
    }
    default:
        break;
    }
    return messages;
}

} // namespace rdmalab::fakekernel::nldev
