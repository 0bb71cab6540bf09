#include "harness/netns/port_wires.h"

#include "plugins/kernel/netlink_decode.h"
#include "plugins/kernel/netlink_socket.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>

namespace rdmalab::harness {

namespace {

// Far above what a namespace gives out by itself: a veth in a node whose peer has such an index is a NIC port's.
constexpr int firstWire = 100'001;
// Links of one group can be deleted together.
constexpr std::uint32_t doomedGroup = 100'001;

ifinfomsg endHeader(int index, bool up) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = up ? static_cast<unsigned>(IFF_UP) : 0;
    header.ifi_change = up ? static_cast<unsigned>(IFF_UP) : 0;
    return header;
}

UniqueFd openEvents() {
    UniqueFd fd(checked("rtnetlink socket", ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    checked("bind rtnetlink socket", ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return fd;
}

} // namespace

PortWires::PortWires() : requests_(std::make_unique<plugin::NetlinkSocket>()), events_(openEvents()), next_(firstWire) {
    // A switch's end of a wire has no stack of its own: nothing may be sent from it.
    lab_.setSysctl("ipv6/conf/default/disable_ipv6", "1");
}

PortWires::~PortWires() = default;

int PortWires::add(const Wire& wire, int netns) {
    const std::lock_guard lock(mutex_);
    const int index = next_++;
    plugin::NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header(endHeader(index, wire.live)).put(IFLA_IFNAME, fmt::format("p{}", index - firstWire));
    message.putU32(IFLA_MTU, static_cast<std::uint32_t>(wire.mtu));
    if (!wire.bridge.empty()) {
        const auto bridge = lab_.linkByName(wire.bridge);
        if (!bridge)
            throw plugin::KernelError("switch " + wire.bridge + " does not exist", ENODEV);
        message.putU32(IFLA_MASTER, static_cast<std::uint32_t>(bridge->index));
    }
    message.nest(IFLA_LINKINFO, [&] {
        message.put(IFLA_INFO_KIND, std::string("veth"));
        message.nest(IFLA_INFO_DATA, [&] {
            message.nest(VETH_INFO_PEER, [&] {
                message.header(endHeader(0, false)).put(IFLA_IFNAME, wire.netdev);
                message.putU32(IFLA_MTU, static_cast<std::uint32_t>(wire.mtu));
                if (!wire.mac.empty()) {
                    const auto bytes = plugin::parseHardwareAddress(wire.mac);
                    message.put(IFLA_ADDRESS, bytes.data(), bytes.size());
                }
                message.putU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
            });
        });
    });
    requests_->request(message);
    wires_.insert(index);
    return index;
}

void PortWires::remove(const std::vector<int>& wires) {
    const std::lock_guard lock(mutex_);
    const auto unlessGone = [&](plugin::NetlinkMessage& message) {
        try {
            requests_->request(message);
        } catch (const plugin::KernelError& error) {
            if (error.code() != ENODEV)
                throw;
        }
    };
    for (const int wire : wires) {
        wires_.erase(wire);
        plugin::NetlinkMessage message(RTM_SETLINK, 0);
        unlessGone(message.header(endHeader(wire, false)).putU32(IFLA_GROUP, doomedGroup));
    }
    plugin::NetlinkMessage message(RTM_DELLINK, 0);
    unlessGone(message.header(endHeader(0, false)).putU32(IFLA_GROUP, doomedGroup));
}

void PortWires::setLive(int wire, bool live) {
    const std::lock_guard lock(mutex_);
    try {
        lab_.setLinkUp(wire, live);
    } catch (const plugin::KernelError& error) {
        if (error.code() != ENODEV) // gone with a namespace: takeLost() will say so
            throw;
    }
}

bool PortWires::exists(int wire) {
    const std::lock_guard lock(mutex_);
    return lab_.linkByIndex(wire).has_value();
}

int PortWires::nodeEnd(int wire) {
    const std::lock_guard lock(mutex_);
    const auto link = lab_.linkByIndex(wire);
    return link ? link->parentIndex : 0;
}

std::vector<int> PortWires::takeLost() {
    const std::lock_guard lock(mutex_);
    std::vector<int> lost;
    bool unsure = false;
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
        const auto got = ::recv(events_.get(), buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if ((got < 0 && errno == ENOBUFS) || got > static_cast<ssize_t>(sizeof buffer)) {
            unsure = true; // some notifications are lost
            continue;
        }
        int left = static_cast<int>(checked("receive rtnetlink notification", got));
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(message, left); message = nlmsg_next(message, &left))
            if (message->nlmsg_type == RTM_DELLINK) {
                const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
                if (header->ifi_family == AF_UNSPEC && wires_.erase(header->ifi_index) > 0)
                    lost.push_back(header->ifi_index);
            }
    }
    if (unsure)
        for (auto wire = wires_.begin(); wire != wires_.end();) {
            if (lab_.linkByIndex(*wire)) {
                ++wire;
            } else {
                lost.push_back(*wire);
                wire = wires_.erase(wire);
            }
        }
    return lost;
}

} // namespace rdmalab::harness
