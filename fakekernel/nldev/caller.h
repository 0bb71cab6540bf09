// Who sends a request, and what the world looks like from there.
#pragma once

#include "sim/hardware/machine_spec.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace rdmalab::fakekernel::nldev {

using hardware::NetnsId;

struct VisibleNetdev {
    std::string name;
    int ifindex = 0;
    bool vlan = false; // an 802.1Q interface
};

struct ResolvedNetns {
    int error = 0; // EBADF: no such descriptor; EINVAL: no network namespace; EPERM: no CAP_NET_ADMIN over its user namespace
    NetnsId netns = 0;
};

struct Caller {
    NetnsId socketNetns = hardware::defaultNodeNetns; // what counts for visibility
    NetnsId threadNetns = hardware::defaultNodeNetns; // of the thread that sends: what counts for moving a device away
    std::uint32_t portId = 0;                         // of the socket
    bool netAdmin = false;                            // CAP_NET_ADMIN in the initial user namespace
    bool capAck = false, extAck = false;              // socket options NETLINK_CAP_ACK, NETLINK_EXT_ACK
    // Length of the largest buffer that anybody has received with on this socket so far; 0: none yet. Dumps fill datagrams up
    // to it, but never less than 3776 bytes.
    std::size_t largestReceive = 0;
    // The same at the moment when the second datagram of a dump is made: the kernel makes it during the first receive.
    std::size_t nextReceive = 0;

    // All of these may be empty.
    std::function<ResolvedNetns(std::uint32_t descriptor)> resolveNetns;             // EBADF for everything
    std::function<bool()> otherNamespaces;                                           // than the node's own exist: no
    std::function<std::optional<VisibleNetdev>(const std::string& name)> findNetdev; // in socketNetns
    std::function<std::uint32_t(std::uint32_t pid)> pidSeen; // a pid of the node as the caller sees it, 0 not at all: unchanged
};

} // namespace rdmalab::fakekernel::nldev
