#include "sim/hardware/rdma_view.h"

#include <fmt/format.h>

namespace rdmalab::hardware {

PortState portState(const Port& port) noexcept {
    // An InfiniBand port trains on its own, whatever the IPoIB interface on it does.
    if (port.linkLayer == LinkLayer::infiniband)
        return port.cabled ? PortState::active : PortState::down;
    return port.carrier() ? PortState::active : PortState::down;
}

PhysicalState physicalState(const Port& port) noexcept {
    if (portState(port) == PortState::active)
        return PhysicalState::linkUp;
    return port.linkLayer == LinkLayer::infiniband ? PhysicalState::polling : PhysicalState::disabled;
}

std::string_view portStateName(PortState state) noexcept {
    switch (state) {
    case PortState::down:
        return "DOWN";
    case PortState::init:
        return "INIT";
    case PortState::armed:
        return "ARMED";
    case PortState::active:
        return "ACTIVE";
    }
    return "NOP";
}

std::string_view physicalStateName(PhysicalState state) noexcept {
    switch (state) {
    case PhysicalState::sleep:
        return "SLEEP";
    case PhysicalState::polling:
        return "POLLING";
    case PhysicalState::disabled:
        return "DISABLED";
    case PhysicalState::linkUp:
        return "LINK_UP";
    }
    return "NOP";
}

RdmaView linksOf(const Machine& machine, NetnsId viewer) {
    RdmaView view;
    for (const Nic* nic : machine.rdmaDevicesVisibleFrom(viewer)) {
        RdmaLink link;
        link.index = nic->rdma->index;
        link.device = nic->rdma->name;
        link.state = portState(nic->port);
        link.physicalState = physicalState(nic->port);
        if (nic->port.netns == viewer)
            link.netdev = nic->port.netdev;
        view.links.push_back(std::move(link));
    }
    return view;
}

std::string rdmaLinkLine(const RdmaLink& link) {
    std::string line = fmt::format("link {}/{} state {} physical_state {} ", link.device, link.port, portStateName(link.state),
                                   physicalStateName(link.physicalState));
    if (link.netdev)
        line += fmt::format("netdev {} ", *link.netdev);
    return line;
}

} // namespace rdmalab::hardware
