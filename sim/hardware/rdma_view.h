// What `rdma link` shows to one viewer, computed from the model.
#pragma once

#include "sim/hardware/machine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::hardware {

// Values as in sysfs and netlink.
enum class PortState : int { down = 1, init = 2, armed = 3, active = 4 };
enum class PhysicalState : int { sleep = 1, polling = 2, disabled = 3, linkUp = 5 };

PortState portState(const Port& port) noexcept;
// An Ethernet port without link is Disabled (mlx5), an InfiniBand port that is up without a partner Polling.
PhysicalState physicalState(const Port& port) noexcept;
std::string_view portStateName(PortState state) noexcept;         // "ACTIVE": in netlink tools and in sysfs
std::string_view physicalStateName(PhysicalState state) noexcept; // "LINK_UP": iproute2's word

struct RdmaLink {
    std::uint32_t index = 0;
    std::string device;
    unsigned port = 1;
    PortState state = PortState::down;
    PhysicalState physicalState = PhysicalState::disabled;
    std::optional<std::string> netdev; // only when it is in the viewer's namespace
};

struct RdmaView {
    std::vector<RdmaLink> links;
};

RdmaView linksOf(const Machine& machine, NetnsId viewer);
// One line of `rdma link` (iproute2), with the blank it ends in and without a newline:
// "link mlx5_0/1 state ACTIVE physical_state LINK_UP netdev ens6f0np0 ".
std::string rdmaLinkLine(const RdmaLink& link);

} // namespace rdmalab::hardware
