#include "fakekernel/nldev/commands.h"

#include <cerrno>

namespace rdmalab::fakekernel::nldev {

bool validPort(std::uint32_t port) {
    return port == 1;
}

void putHandle(Datagram& into, const Device& device) {
    into.u32(attrDevIndex, device.index);
    into.text(attrDevName, device.name);
}

void putDevice(Datagram& into, const Device& device) {
    putHandle(into, device);
    into.u32(attrPortIndex, 1); // here the number of ports
    into.u64(attrCapFlags, device.capFlags);
    if (!device.firmware.empty())
        into.text(attrFwVersion, device.firmware);
    into.u64(attrNodeGuid, device.nodeGuid);
    into.u64(attrSysImageGuid, device.systemImageGuid);
    into.u8(attrDevNodeType, device.nodeType);
    into.u8(attrDevDim, device.adaptiveModeration);
    into.u8(attrNameAssignType, device.nameAssignType);
    into.text(attrDevProtocol, device.protocol);
}

void putPort(Datagram& into, const Device& device, NetnsId viewer) {
    putHandle(into, device);
    into.u32(attrPortIndex, 1);
    if (device.protocol == "ib") {
        into.u64(attrCapFlags, device.portCapFlags);
        into.u64(attrSubnetPrefix, device.subnetPrefix);
        into.u32(attrLid, device.lid);
        into.u32(attrSmLid, device.smLid);
        into.u8(attrLmc, device.lmc);
    }
    into.u8(attrPortState, device.portState);
    into.u8(attrPortPhysState, device.physicalState);
    if (device.netdev && device.netdev->netns == viewer) {
        into.u32(attrNdevIndex, static_cast<std::uint32_t>(device.netdev->ifindex));
        into.text(attrNdevName, device.netdev->name);
    }
}

int finish(Datagram& datagram, std::size_t message, std::string& reply) {
    if (datagram.full())
        return EMSGSIZE;
    datagram.end(message);
    reply = datagram.take();
    return 0;
}

} // namespace rdmalab::fakekernel::nldev
