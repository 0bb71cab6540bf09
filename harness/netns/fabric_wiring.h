// The fabric of a lab in the kernel: a bridge per switch in the lab's own network namespace.
#pragma once

#include "util/unique_fd.h"

#include <string>

namespace rdmalab::harness {

// Adds a bridge, up, without STP, forwarding from the start. Runs in the calling thread's network namespace.
void addSwitchBridge(const std::string& name, int mtu);

struct PortWire {
    std::string netdev; // name on the node
    std::string mac;
    std::string fabricName; // the other end, in the calling thread's namespace
    std::string bridge;     // empty: the cable hangs loose
    int mtu = 1500;
    bool up = true;
};
// For interfaces that are no NIC's (those are PortWires'). Makes the veth pair; the node's end appears in `nodeNetns` only, with
// its final name and address. Throws plugin::KernelError.
void wirePort(const PortWire& wire, const UniqueFd& nodeNetns);
} // namespace rdmalab::harness
