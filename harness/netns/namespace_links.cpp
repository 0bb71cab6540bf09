#include "harness/netns/namespace_links.h"

#include "plugins/kernel/netlink_decode.h"
#include "plugins/kernel/netlink_socket.h"
#include "util/syscall.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <tuple>

namespace rdmalab::harness {

namespace {

// Room for the notifications of some hundred VFs that come at once; beyond it everything is read anew.
constexpr int receiveBuffer = 4 << 20;

UniqueFd openEvents() {
    UniqueFd fd(checked("rtnetlink socket", ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receiveBuffer, sizeof receiveBuffer); // the default would do, too
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    checked("bind rtnetlink socket", ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return fd;
}

bool same(const plugin::Link& a, const plugin::Link& b) {
    const auto facts = [](const plugin::Link& l) {
        return std::tie(l.name, l.kind, l.mac, l.mtu, l.parentIndex, l.parentElsewhere, l.up);
    };
    return facts(a) == facts(b);
}

} // namespace

NamespaceLinks::NamespaceLinks(const UniqueFd& netns) : kernel_(netns.get()) {
    kernel_.inside([this] {
        events_ = openEvents(); // before the dump: nothing may happen unseen in between
        dumps_ = std::make_unique<plugin::NetlinkSocket>();
    });
    readAll();
}

NamespaceLinks::~NamespaceLinks() = default;

void NamespaceLinks::readAll() {
    links_.clear();
    for (auto& link : kernel_.links())
        links_.emplace(link.index, link);
    readAddresses();
    ++generation_;
}

bool NamespaceLinks::readAddresses() {
    std::multimap<int, Cidr> found;
    dumps_->dump([](plugin::NetlinkMessage& message) { message.header(ifaddrmsg{}); }, RTM_GETADDR,
                 [&](const nlmsghdr& reply) {
                     if (const auto address = plugin::decodeAddress(reply))
                         found.emplace(address->linkIndex, address->address.cidr);
                 },
                 [&] { found.clear(); });
    if (found == addresses_)
        return false;
    addresses_ = std::move(found);
    return true;
}

bool NamespaceLinks::drain() {
    bool changed = false, addressesToo = false;
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
        sockaddr_nl from{};
        socklen_t size = sizeof from;
        const auto got =
            ::recvfrom(events_.get(), buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if ((got < 0 && errno == ENOBUFS) || got > static_cast<ssize_t>(sizeof buffer)) {
            readAll();
            changed = true;
            continue;
        }
        checked("receive rtnetlink notification", got);
        if (from.nl_pid != 0)
            continue; // only the kernel is believed
        int left = static_cast<int>(got);
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(message, left); message = nlmsg_next(message, &left)) {
            if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR) {
                addressesToo = true;
            } else if (message->nlmsg_type == RTM_DELLINK) {
                const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
                if (header->ifi_family == AF_UNSPEC && links_.erase(header->ifi_index) > 0) {
                    ++generation_;
                    changed = true;
                }
            } else if (const auto link = plugin::decodeLink(*message)) {
                const auto known = links_.find(link->index);
                if (known == links_.end() || known->second.name != link->name)
                    ++generation_;
                changed = changed || known == links_.end() || !same(known->second, *link);
                links_[link->index] = *link;
            }
        }
    }
    return (addressesToo && readAddresses()) || changed;
}

bool NamespaceLinks::look(int ifindex) {
    drain(); // what is older must not come later
    const auto link = kernel_.linkByIndex(ifindex);
    if (!link)
        return false;
    links_[ifindex] = *link;
    ++generation_;
    return true;
}

const plugin::Link* NamespaceLinks::findPeerOf(int otherEnd) const {
    for (const auto& [index, link] : links_)
        if (link.parentIndex == otherEnd && link.parentElsewhere && link.kind == "veth")
            return &link;
    return nullptr;
}

std::vector<Cidr> NamespaceLinks::addresses(int ifindex) const {
    std::vector<Cidr> found;
    const auto [begin, end] = addresses_.equal_range(ifindex);
    for (auto each = begin; each != end; ++each)
        found.push_back(each->second);
    return found;
}

} // namespace rdmalab::harness
