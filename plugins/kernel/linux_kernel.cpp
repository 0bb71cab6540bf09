#include "plugins/kernel/linux_kernel.h"

#include "plugins/kernel/announce.h"
#include "plugins/kernel/netlink_decode.h"
#include "plugins/kernel/netlink_socket.h"
#include "plugins/kernel/netns.h"
#include "util/syscall.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rdmalab::plugin {

namespace {

const LinuxKernel& asLinux(const Kernel& kernel) {
    const auto* const real = dynamic_cast<const LinuxKernel*>(&kernel);
    if (real == nullptr)
        throw KernelError("the other namespace is not one of this kernel", EINVAL);
    return *real;
}

void putMac(NetlinkMessage& message, int attribute, const std::string& mac) {
    const auto bytes = parseHardwareAddress(mac);
    if (bytes.empty())
        throw KernelError(fmt::format("address {}: invalid MAC address", mac), EINVAL);
    message.put(attribute, bytes.data(), bytes.size());
}

ifinfomsg linkHeader(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    return header;
}

void putIp(NetlinkMessage& message, int attribute, const IpAddress& ip) {
    message.put(attribute, ip.data(), ip.size());
}

int familyOf(const Route& route) {
    return route.dst ? route.dst->address.family() : route.gateway ? route.gateway->family() : route.family;
}

rtmsg routeHeader(const Route& route) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(familyOf(route));
    header.rtm_dst_len = static_cast<unsigned char>(route.dst ? route.dst->prefix : 0);
    header.rtm_table = static_cast<unsigned char>(route.table < 256 ? route.table : 0);
    return header;
}

void putRoute(NetlinkMessage& message, const Route& route) {
    if (route.dst && route.dst->prefix > 0)
        putIp(message, RTA_DST, route.dst->network());
    if (route.gateway)
        putIp(message, RTA_GATEWAY, *route.gateway);
    if (route.source)
        putIp(message, RTA_PREFSRC, *route.source);
    if (route.linkIndex != 0)
        message.putU32(RTA_OIF, static_cast<std::uint32_t>(route.linkIndex));
    if (route.table >= 256)
        message.putU32(RTA_TABLE, static_cast<std::uint32_t>(route.table));
    if (route.priority != 0)
        message.putU32(RTA_PRIORITY, static_cast<std::uint32_t>(route.priority));
}

void putRule(NetlinkMessage& message, const Rule& rule) {
    fib_rule_hdr header{};
    header.family = static_cast<unsigned char>(rule.from ? rule.from->address.family()
                                               : rule.to ? rule.to->address.family()
                                                         : rule.family);
    header.src_len = static_cast<unsigned char>(rule.from ? rule.from->prefix : 0);
    header.dst_len = static_cast<unsigned char>(rule.to ? rule.to->prefix : 0);
    header.table = static_cast<unsigned char>(rule.table < 256 ? rule.table : 0);
    header.action = FR_ACT_TO_TBL;
    message.header(header);
    if (header.src_len != 0)
        putIp(message, FRA_SRC, rule.from->network());
    if (header.dst_len != 0)
        putIp(message, FRA_DST, rule.to->network());
    if (rule.priority >= 0)
        message.putU32(FRA_PRIORITY, static_cast<std::uint32_t>(rule.priority));
    if (rule.table >= 256)
        message.putU32(FRA_TABLE, static_cast<std::uint32_t>(rule.table));
    if (rule.mark != 0)
        message.putU32(FRA_FWMARK, rule.mark);
}

// A key could leave /proc/sys/net by ".."; such a key is a mistake of the caller's.
std::string sysctlPath(const std::string& key) {
    if (key.empty() || key.front() == '/' || ("/" + key + "/").find("/../") != std::string::npos)
        throw KernelError(fmt::format("invalid net sysctl key: \"{}\"", key), EINVAL);
    return "/proc/sys/net/" + key;
}

[[noreturn]] void failOn(const char* action, const std::string& path) {
    const int code = errno;
    throw KernelError(fmt::format("{} {}: {}", action, path, goErrnoText(code)), code);
}

} // namespace

// The namespace's descriptor and the netlink socket in it.
class LinuxKernel::Socket {
public:
    explicit Socket(UniqueFd netns) : netns_(std::move(netns)) {
        runInNetns(netns_.get(), [this] { netlink_ = std::make_unique<NetlinkSocket>(); });
    }
    int netns() const noexcept { return netns_.get(); }
    NetlinkSocket& netlink() noexcept { return *netlink_; }

    // One answer type at a time, collected through a decoder that says nullopt for what is to be left out.
    template <typename Value, typename Header>
    std::vector<Value> dump(int type, const Header& header, std::optional<Value> (*decode)(const nlmsghdr&)) {
        std::vector<Value> found;
        netlink_->dump(
            [&](NetlinkMessage& message) {
                message.header(header);
                if (type == RTM_GETLINK)
                    message.putU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
            },
            type,
            [&](const nlmsghdr& reply) {
                if (auto value = decode(reply))
                    found.push_back(std::move(*value));
            },
            [&] { found.clear(); });
        return found;
    }

    std::optional<Link> link(NetlinkMessage& message) {
        message.putU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        std::optional<Link> found;
        try {
            netlink_->request(message, [&](const nlmsghdr& reply) { found = decodeLink(reply); });
        } catch (const KernelError& error) {
            if (error.code() != ENODEV)
                throw;
        }
        return found;
    }

private:
    UniqueFd netns_;
    std::unique_ptr<NetlinkSocket> netlink_;
};

LinuxKernel::LinuxKernel() : socket_(std::make_unique<Socket>(openCurrentNetns())) {}

LinuxKernel::LinuxKernel(int netnsFd)
    : socket_(std::make_unique<Socket>(
          UniqueFd(checked("duplicate network namespace descriptor", ::fcntl(netnsFd, F_DUPFD_CLOEXEC, 0))))) {}

LinuxKernel::~LinuxKernel() = default;

int LinuxKernel::netnsFd() const noexcept {
    return socket_->netns();
}

void LinuxKernel::inside(const std::function<void()>& action) const {
    runInNetns(socket_->netns(), action);
}

std::unique_ptr<Kernel> LinuxKernel::openNetns(const std::string& path) {
    return std::make_unique<LinuxKernel>(openNetnsPath(path).get());
}

std::unique_ptr<Kernel> LinuxKernel::temporaryNetns() {
    return std::make_unique<LinuxKernel>(newNetns().get());
}

bool LinuxKernel::sameNetns(const Kernel& other) const {
    const auto* const real = dynamic_cast<const LinuxKernel*>(&other);
    return real != nullptr && sameNetnsFd(netnsFd(), real->netnsFd());
}

std::vector<Link> LinuxKernel::links() {
    return socket_->dump(RTM_GETLINK, linkHeader(0), &decodeLink);
}

std::optional<Link> LinuxKernel::linkByName(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ)
        return std::nullopt; // the kernel would say ERANGE; no link has such a name
    NetlinkMessage message(RTM_GETLINK, 0);
    message.header(linkHeader(0)).put(IFLA_IFNAME, name);
    return socket_->link(message);
}

std::optional<Link> LinuxKernel::linkByIndex(int index) {
    if (index <= 0)
        return std::nullopt;
    NetlinkMessage message(RTM_GETLINK, 0);
    message.header(linkHeader(index));
    return socket_->link(message);
}

void LinuxKernel::addMacvlan(const MacvlanSpec& spec, Kernel& target) {
    const auto mode = macvlanModeNumber(spec.mode);
    if (!mode)
        throw KernelError(fmt::format("unknown macvlan mode: \"{}\"", spec.mode), EINVAL);
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header(linkHeader(0)).putU32(IFLA_LINK, static_cast<std::uint32_t>(spec.masterIndex)).put(IFLA_IFNAME, spec.name);
    if (spec.mtu > 0)
        message.putU32(IFLA_MTU, static_cast<std::uint32_t>(spec.mtu));
    if (!spec.mac.empty())
        putMac(message, IFLA_ADDRESS, spec.mac);
    message.putU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(asLinux(target).netnsFd()));
    message.nest(IFLA_LINKINFO, [&] {
        message.put(IFLA_INFO_KIND, std::string("macvlan"));
        message.nest(IFLA_INFO_DATA, [&] {
            message.putU32(IFLA_MACVLAN_MODE, *mode);
            if (spec.bcQueueLength > 0)
                message.putU32(IFLA_MACVLAN_BC_QUEUE_LEN, spec.bcQueueLength);
        });
    });
    socket_->netlink().request(message);
}

void LinuxKernel::addVeth(const VethSpec& spec, Kernel& peerNetns) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header(linkHeader(0)).put(IFLA_IFNAME, spec.name);
    if (spec.mtu > 0)
        message.putU32(IFLA_MTU, static_cast<std::uint32_t>(spec.mtu));
    if (!spec.mac.empty())
        putMac(message, IFLA_ADDRESS, spec.mac);
    message.nest(IFLA_LINKINFO, [&] {
        message.put(IFLA_INFO_KIND, std::string("veth"));
        message.nest(IFLA_INFO_DATA, [&] {
            message.nest(VETH_INFO_PEER, [&] {
                message.header(linkHeader(0)).put(IFLA_IFNAME, spec.peerName);
                if (spec.mtu > 0)
                    message.putU32(IFLA_MTU, static_cast<std::uint32_t>(spec.mtu));
                if (!spec.peerMac.empty())
                    putMac(message, IFLA_ADDRESS, spec.peerMac);
                message.putU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(asLinux(peerNetns).netnsFd()));
            });
        });
    });
    socket_->netlink().request(message);
}

void LinuxKernel::deleteLink(int index) {
    NetlinkMessage message(RTM_DELLINK, 0);
    socket_->netlink().request(message.header(linkHeader(index)));
}

void LinuxKernel::renameLink(int index, const std::string& name) {
    NetlinkMessage message(RTM_SETLINK, 0);
    socket_->netlink().request(message.header(linkHeader(index)).put(IFLA_IFNAME, name));
}

void LinuxKernel::setLinkUp(int index, bool up) {
    ifinfomsg header = linkHeader(index);
    header.ifi_change = IFF_UP;
    header.ifi_flags = up ? static_cast<unsigned>(IFF_UP) : 0;
    NetlinkMessage message(RTM_NEWLINK, 0);
    socket_->netlink().request(message.header(header));
}

void LinuxKernel::setLinkMac(int index, const std::string& mac) {
    NetlinkMessage message(RTM_SETLINK, 0);
    message.header(linkHeader(index));
    putMac(message, IFLA_ADDRESS, mac);
    socket_->netlink().request(message);
}

void LinuxKernel::setLinkMtu(int index, int mtu) {
    NetlinkMessage message(RTM_SETLINK, 0);
    socket_->netlink().request(message.header(linkHeader(index)).putU32(IFLA_MTU, static_cast<std::uint32_t>(mtu)));
}

void LinuxKernel::setLinkTxQueueLength(int index, int length) {
    NetlinkMessage message(RTM_SETLINK, 0);
    socket_->netlink().request(message.header(linkHeader(index)).putU32(IFLA_TXQLEN, static_cast<std::uint32_t>(length)));
}

void LinuxKernel::moveLink(int index, Kernel& target) {
    NetlinkMessage message(RTM_SETLINK, 0);
    message.header(linkHeader(index)).putU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(asLinux(target).netnsFd()));
    socket_->netlink().request(message);
}

void LinuxKernel::deleteLinkAltName(int index, const std::string& name) {
    NetlinkMessage message(RTM_DELLINKPROP, 0);
    message.header(linkHeader(index)).nest(IFLA_PROP_LIST, [&] { message.put(IFLA_ALT_IFNAME, name); });
    socket_->netlink().request(message);
}

void LinuxKernel::announceAddress(int linkIndex, const IpAddress& ip) {
    const auto link = linkByIndex(linkIndex);
    if (!link)
        throw KernelError("Link not found", ENODEV);
    const auto mac = parseHardwareAddress(link->mac);
    if (link->encap != "ether" || mac.size() != 6)
        throw KernelError(fmt::format("invalid Ethernet MAC address: \"{}\"", link->mac), EINVAL);
    inside([&] { ip.isV4() ? sendGratuitousArp(linkIndex, mac, ip) : sendNeighbourAdvertisement(linkIndex, mac, ip); });
}

std::vector<Address> LinuxKernel::addresses(int linkIndex) {
    const auto all = socket_->dump(RTM_GETADDR, ifaddrmsg{}, &decodeAddress);
    std::vector<Address> found;
    for (const auto& [index, address] : all)
        if (linkIndex == 0 || index == linkIndex)
            found.push_back(address);
    return found;
}

void LinuxKernel::addAddress(int linkIndex, const Cidr& address) {
    ifaddrmsg header{};
    header.ifa_family = static_cast<unsigned char>(address.address.family());
    header.ifa_prefixlen = static_cast<unsigned char>(address.prefix);
    header.ifa_index = static_cast<unsigned>(linkIndex);
    NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    message.header(header);
    putIp(message, IFA_LOCAL, address.address);
    putIp(message, IFA_ADDRESS, address.address);
    if (address.address.isV4() && address.prefix < 31)
        putIp(message, IFA_BROADCAST, address.broadcast());
    socket_->netlink().request(message);
}

std::vector<Route> LinuxKernel::routes(int table) {
    std::vector<Route> found;
    for (const int family : {AF_INET, AF_INET6}) {
        rtmsg header{};
        header.rtm_family = static_cast<unsigned char>(family);
        for (auto& route : socket_->dump(RTM_GETROUTE, header, &decodeRoute))
            if (table == 0 || route.table == table)
                found.push_back(std::move(route));
    }
    return found;
}

void LinuxKernel::addRoute(const Route& route) {
    rtmsg header = routeHeader(route);
    header.rtm_scope = static_cast<unsigned char>(route.scope);
    header.rtm_protocol = static_cast<unsigned char>(route.protocol);
    header.rtm_type = RTN_UNICAST;
    NetlinkMessage message(RTM_NEWROUTE, route.exclusive ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE);
    message.header(header);
    putRoute(message, route);
    socket_->netlink().request(message);
}

void LinuxKernel::deleteRoute(const Route& route) {
    // As ip(8) asks: neither protocol nor type nor an unset scope narrows the search.
    rtmsg header = routeHeader(route);
    header.rtm_scope = static_cast<unsigned char>(route.scope != 0 ? route.scope : static_cast<int>(RT_SCOPE_NOWHERE));
    NetlinkMessage message(RTM_DELROUTE, 0);
    message.header(header);
    putRoute(message, route);
    socket_->netlink().request(message);
}

std::vector<Rule> LinuxKernel::rules() {
    std::vector<Rule> found;
    for (const int family : {AF_INET, AF_INET6}) {
        fib_rule_hdr header{};
        header.family = static_cast<unsigned char>(family);
        for (auto& rule : socket_->dump(RTM_GETRULE, header, &decodeRule))
            found.push_back(std::move(rule));
    }
    return found;
}

void LinuxKernel::addRule(const Rule& rule) {
    NetlinkMessage message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
    putRule(message, rule);
    socket_->netlink().request(message);
}

void LinuxKernel::deleteRule(const Rule& rule) {
    NetlinkMessage message(RTM_DELRULE, 0);
    putRule(message, rule);
    socket_->netlink().request(message);
}

void LinuxKernel::setNeighbour(const Neighbour& neighbour) {
    ndmsg header{};
    header.ndm_family = static_cast<unsigned char>(neighbour.ip.family());
    header.ndm_ifindex = neighbour.linkIndex;
    header.ndm_state = neighbour.permanent ? NUD_PERMANENT : NUD_REACHABLE;
    NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    message.header(header);
    putIp(message, NDA_DST, neighbour.ip);
    putMac(message, NDA_LLADDR, neighbour.mac);
    socket_->netlink().request(message);
}

std::vector<Neighbour> LinuxKernel::neighbours() {
    return socket_->dump(RTM_GETNEIGH, ndmsg{}, &decodeNeighbour);
}

std::string LinuxKernel::sysctl(const std::string& key) {
    const std::string path = sysctlPath(key);
    std::string value;
    inside([&] {
        // /proc/sys/net shows the namespace of the thread that opens it.
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd.valid())
            failOn("open", path);
        char buffer[4096];
        const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
        if (size == -1)
            failOn("read", path);
        value.assign(buffer, static_cast<std::size_t>(size));
    });
    if (!value.empty() && value.back() == '\n')
        value.pop_back();
    return value;
}

void LinuxKernel::setSysctl(const std::string& key, const std::string& value) {
    const std::string path = sysctlPath(key);
    inside([&] {
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!fd.valid())
            failOn("open", path);
        if (::write(fd.get(), value.data(), value.size()) == -1)
            failOn("write", path);
    });
}

} // namespace rdmalab::plugin
