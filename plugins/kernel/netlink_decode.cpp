#include "plugins/kernel/netlink_decode.h"

#include <array>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

namespace rdmalab::plugin {

namespace {

constexpr std::array<std::pair<const char*, std::uint32_t>, 5> kMacvlanModes{
    {{"private", 1}, {"vepa", 2}, {"bridge", 4}, {"passthru", 8}, {"source", 16}}};
constexpr std::array<const char*, 3> kIpvlanModes{"l2", "l3", "l3s"};

// The attributes of one message by type; later ones win, as in the kernel.
template <std::size_t Count>
class Attributes {
public:
    template <typename Header>
    Attributes(const nlmsghdr& message, const Header*) {
        parse(nlmsg_attrdata(&message, sizeof(Header)), nlmsg_attrlen(&message, sizeof(Header)));
    }
    explicit Attributes(const nlattr* nest) { parse(static_cast<nlattr*>(nla_data(nest)), nla_len(nest)); }

    const nlattr* get(int type) const { return found_[static_cast<std::size_t>(type)]; }
    bool has(int type) const { return get(type) != nullptr; }
    std::uint32_t u32(int type, std::uint32_t otherwise = 0) const {
        return has(type) && nla_len(get(type)) >= 4 ? nla_get_u32(get(type)) : otherwise;
    }
    std::string text(int type) const {
        if (!has(type))
            return "";
        std::string value(static_cast<const char*>(nla_data(get(type))), static_cast<std::size_t>(nla_len(get(type))));
        return value.substr(0, value.find('\0'));
    }
    std::optional<IpAddress> ip(int type, int family) const {
        if (!has(type) || nla_len(get(type)) < (family == AF_INET ? 4 : 16))
            return std::nullopt;
        return IpAddress::fromBytes(static_cast<const unsigned char*>(nla_data(get(type))), family);
    }

private:
    void parse(nlattr* attribute, int left) {
        for (; nla_ok(attribute, left); attribute = nla_next(attribute, &left))
            if (const auto type = static_cast<std::size_t>(nla_type(attribute)); type < Count)
                found_[type] = attribute;
    }
    std::array<const nlattr*, Count> found_{};
};

template <typename Header>
const Header* headerOf(const nlmsghdr& message, int type) {
    if (message.nlmsg_type != type || nlmsg_datalen(&message) < static_cast<int>(sizeof(Header)))
        return nullptr;
    return static_cast<const Header*>(nlmsg_data(&message));
}

std::string hardwareAddressText(const nlattr* attribute) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    const auto* bytes = static_cast<const unsigned char*>(nla_data(attribute));
    for (int i = 0; i < nla_len(attribute); ++i) {
        if (i > 0)
            text += ':';
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

std::string encapName(unsigned type) {
    switch (type) {
    case ARPHRD_ETHER:
        return "ether";
    case ARPHRD_LOOPBACK:
        return "loopback";
    case ARPHRD_INFINIBAND:
        return "infiniband";
    case ARPHRD_NONE:
        return "none";
    default:
        return "unknown" + std::to_string(type);
    }
}

std::string modeText(const std::string& kind, const nlattr* data) {
    const Attributes<8> info(data);
    if (kind == "macvlan" || kind == "macvtap") {
        const auto number = info.u32(IFLA_MACVLAN_MODE);
        for (const auto& [name, value] : kMacvlanModes)
            if (value == number)
                return name;
    }
    if (kind == "ipvlan" && info.has(IFLA_IPVLAN_MODE)) {
        const auto number = nla_get_u16(info.get(IFLA_IPVLAN_MODE));
        if (number < kIpvlanModes.size())
            return kIpvlanModes[number];
    }
    return "";
}

// The same attribute again and again in a nest.
std::vector<std::string> textsIn(const nlattr* nest, int type) {
    std::vector<std::string> texts;
    int left = nla_len(nest);
    for (auto* item = static_cast<nlattr*>(nla_data(nest)); nla_ok(item, left); item = nla_next(item, &left))
        if (nla_type(item) == type) {
            const std::string text(static_cast<const char*>(nla_data(item)), static_cast<std::size_t>(nla_len(item)));
            texts.push_back(text.substr(0, text.find('\0')));
        }
    return texts;
}

} // namespace

std::optional<Link> decodeLink(const nlmsghdr& message) {
    const auto* header = headerOf<ifinfomsg>(message, RTM_NEWLINK);
    if (header == nullptr || header->ifi_family != AF_UNSPEC)
        return std::nullopt;
    const Attributes<IFLA_MAX + 1> attributes(message, header);
    Link link;
    link.index = header->ifi_index;
    link.name = attributes.text(IFLA_IFNAME);
    if (attributes.has(IFLA_ADDRESS))
        link.mac = hardwareAddressText(attributes.get(IFLA_ADDRESS));
    link.encap = encapName(header->ifi_type);
    link.mtu = static_cast<int>(attributes.u32(IFLA_MTU));
    link.parentIndex = static_cast<int>(attributes.u32(IFLA_LINK));
    link.parentElsewhere = attributes.has(IFLA_LINK_NETNSID);
    link.up = (header->ifi_flags & IFF_UP) != 0;
    link.lowerUp = (header->ifi_flags & IFF_LOWER_UP) != 0;
    link.multicast = (header->ifi_flags & IFF_MULTICAST) != 0;
    link.broadcast = (header->ifi_flags & IFF_BROADCAST) != 0;
    if (attributes.has(IFLA_PROP_LIST))
        link.altNames = textsIn(attributes.get(IFLA_PROP_LIST), IFLA_ALT_IFNAME);
    if (attributes.has(IFLA_LINKINFO)) {
        const Attributes<IFLA_INFO_MAX + 1> info(attributes.get(IFLA_LINKINFO));
        link.kind = info.text(IFLA_INFO_KIND);
        if (info.has(IFLA_INFO_DATA))
            link.mode = modeText(link.kind, info.get(IFLA_INFO_DATA));
    }
    return link;
}

std::optional<LinkAddress> decodeAddress(const nlmsghdr& message) {
    const auto* header = headerOf<ifaddrmsg>(message, RTM_NEWADDR);
    if (header == nullptr || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
        return std::nullopt;
    const Attributes<IFA_MAX + 1> attributes(message, header);
    // IFA_LOCAL is the link's own address; IFA_ADDRESS differs from it on point-to-point links. IPv6 often has only the latter.
    auto ip = attributes.ip(IFA_LOCAL, header->ifa_family);
    if (!ip)
        ip = attributes.ip(IFA_ADDRESS, header->ifa_family);
    if (!ip)
        return std::nullopt;
    return LinkAddress{static_cast<int>(header->ifa_index), Address{Cidr{*ip, header->ifa_prefixlen}, header->ifa_scope}};
}

std::optional<Route> decodeRoute(const nlmsghdr& message) {
    const auto* header = headerOf<rtmsg>(message, RTM_NEWROUTE);
    if (header == nullptr || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) ||
        (header->rtm_flags & RTM_F_CLONED) != 0 || header->rtm_type < RTN_UNICAST || header->rtm_type > RTN_MULTICAST)
        return std::nullopt;
    const Attributes<RTA_MAX + 1> attributes(message, header);
    if (attributes.has(RTA_MULTIPATH))
        return std::nullopt;
    Route route;
    route.family = header->rtm_family;
    if (const auto dst = attributes.ip(RTA_DST, header->rtm_family))
        route.dst = Cidr{*dst, header->rtm_dst_len};
    route.gateway = attributes.ip(RTA_GATEWAY, header->rtm_family);
    route.source = attributes.ip(RTA_PREFSRC, header->rtm_family);
    route.linkIndex = static_cast<int>(attributes.u32(RTA_OIF));
    route.table = static_cast<int>(attributes.u32(RTA_TABLE, header->rtm_table));
    route.scope = header->rtm_scope;
    route.priority = static_cast<int>(attributes.u32(RTA_PRIORITY));
    route.protocol = header->rtm_protocol;
    return route;
}

std::optional<Rule> decodeRule(const nlmsghdr& message) {
    const auto* header = headerOf<fib_rule_hdr>(message, RTM_NEWRULE);
    if (header == nullptr || header->action != FR_ACT_TO_TBL)
        return std::nullopt;
    const Attributes<FRA_MAX + 1> attributes(message, header);
    Rule rule;
    rule.family = header->family;
    rule.priority = static_cast<int>(attributes.u32(FRA_PRIORITY));
    rule.table = static_cast<int>(attributes.u32(FRA_TABLE, header->table));
    if (const auto from = attributes.ip(FRA_SRC, header->family))
        rule.from = Cidr{*from, header->src_len};
    if (const auto to = attributes.ip(FRA_DST, header->family))
        rule.to = Cidr{*to, header->dst_len};
    rule.mark = attributes.u32(FRA_FWMARK);
    return rule;
}

std::optional<Neighbour> decodeNeighbour(const nlmsghdr& message) {
    const auto* header = headerOf<ndmsg>(message, RTM_NEWNEIGH);
    if (header == nullptr || (header->ndm_family != AF_INET && header->ndm_family != AF_INET6) ||
        (header->ndm_state & (NUD_NOARP | NUD_FAILED | NUD_INCOMPLETE)) != 0)
        return std::nullopt;
    const Attributes<NDA_MAX + 1> attributes(message, header);
    const auto ip = attributes.ip(NDA_DST, header->ndm_family);
    if (!ip || !attributes.has(NDA_LLADDR))
        return std::nullopt;
    return Neighbour{*ip, hardwareAddressText(attributes.get(NDA_LLADDR)), header->ndm_ifindex,
                     (header->ndm_state & NUD_PERMANENT) != 0};
}

std::vector<unsigned char> parseHardwareAddress(const std::string& text) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    };
    std::vector<unsigned char> bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0 || (i + 2 < text.size() && text[i + 2] != ':'))
            return {};
        bytes.push_back(static_cast<unsigned char>(high * 16 + low));
    }
    const bool complete = text.size() + 1 == bytes.size() * 3 && (bytes.size() == 6 || bytes.size() == 20);
    return complete ? bytes : std::vector<unsigned char>{};
}

std::optional<std::uint32_t> macvlanModeNumber(const std::string& mode) {
    for (const auto& [name, value] : kMacvlanModes)
        if (mode == name)
            return value;
    return std::nullopt;
}

} // namespace rdmalab::plugin
