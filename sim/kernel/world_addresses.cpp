// Addresses with the routes that the kernel makes from them, routes, policy rules, neighbours. As measured on Linux 6.18.
#include "sim/kernel/world_state.h"

#include <algorithm>
#include <linux/rtnetlink.h>
#include <string_view>
#include <sys/socket.h>

namespace rdmalab::kernel {

namespace {

bool sameDestination(const plugin::Route& a, const plugin::Route& b) {
    return a.table == b.table && a.family == b.family && a.dst == b.dst;
}

// Destinations are kept as networks, a default without one, as the kernel reports them.
void normalise(plugin::Route& route) {
    if (route.dst) {
        route.family = route.dst->address.family();
        route.dst->address = route.dst->network();
        if (route.dst->prefix == 0)
            route.dst.reset();
    } else if (route.gateway) {
        route.family = route.gateway->family();
    }
    if (route.table == 0)
        route.table = RT_TABLE_MAIN;
    if (route.family == AF_INET6) {
        route.scope = RT_SCOPE_UNIVERSE;
        if (route.priority == 0)
            route.priority = 1024; // IP6_RT_PRIO_USER
    }
}

RouteEntry kernelRoute(const LinkRecord& link, const Cidr& dst, RouteType type) {
    RouteEntry entry;
    plugin::Route& route = entry.route;
    entry.type = type;
    route.family = dst.address.family();
    route.dst = dst;
    route.linkIndex = link.index;
    route.protocol = RTPROT_KERNEL;
    const bool v4 = dst.address.isV4();
    route.table = type == RouteType::unicast ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
    if (v4)
        route.scope = type == RouteType::local ? RT_SCOPE_HOST : RT_SCOPE_LINK;
    else if (type != RouteType::local)
        route.priority = 256; // IP6_RT_PRIO_ADDRCONF
    return entry;
}

// The kernel appends its routes; only an equal one on the same link is there already.
void append(std::vector<RouteEntry>& routes, RouteEntry entry) {
    for (const RouteEntry& other : routes)
        if (other.type == entry.type && other.route.linkIndex == entry.route.linkIndex &&
            sameDestination(other.route, entry.route) && other.route.source == entry.route.source)
            return;
    routes.push_back(std::move(entry));
}

// Modified EUI-64 of an Ethernet MAC.
std::optional<IpAddress> linkLocalOf(const std::string& mac) {
    unsigned char bytes[16] = {0xfe, 0x80};
    if (mac.size() != 17)
        return std::nullopt;
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(std::stoi(mac.substr(i * 3, 2), nullptr, 16)); };
    for (std::size_t i = 0; i < 3; ++i) {
        bytes[8 + i] = octet(i);
        bytes[13 + i] = octet(3 + i);
    }
    bytes[8] ^= 2;
    bytes[11] = 0xff;
    bytes[12] = 0xfe;
    return IpAddress::fromBytes(bytes, AF_INET6);
}

int hostBits(const IpAddress& ip) {
    return ip.bits();
}

} // namespace

std::size_t IpHash::operator()(const IpAddress& ip) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(ip.data()), ip.size()});
}

void WorldState::index(LinkRecord& link, const IpAddress& ip) {
    if (!ip.isLoopback())
        owners_[ip].push_back(&link);
}

void WorldState::unindex(LinkRecord& link, const IpAddress& ip) {
    const auto found = owners_.find(ip);
    if (found == owners_.end())
        return;
    if (const auto place = std::find(found->second.begin(), found->second.end(), &link); place != found->second.end())
        found->second.erase(place);
    if (found->second.empty())
        owners_.erase(found);
}

const std::vector<LinkRecord*>& WorldState::ownersOf(const IpAddress& ip) const {
    static const std::vector<LinkRecord*> nobody;
    const auto found = owners_.find(ip);
    return found == owners_.end() ? nobody : found->second;
}

const LinkRecord* WorldState::ownerIn(const NetnsState& netns, const IpAddress& ip) noexcept {
    for (const auto& link : netns.links)
        for (const AddressEntry& address : link->addresses)
            if (address.cidr.address == ip || (link->loopback() && ip.isV4() && link->up && address.cidr.contains(ip)))
                return link.get();
    return nullptr;
}

void WorldState::addConnectedRoutes(LinkRecord& link, const AddressEntry& address) {
    auto& routes = link.netns->routes;
    const Cidr& cidr = address.cidr;
    const IpAddress& ip = cidr.address;
    if (ip.isV4()) {
        IpAddress source = ip;
        if (address.secondary)
            for (const AddressEntry& primary : link.addresses)
                if (!primary.secondary && primary.cidr.prefix == cidr.prefix && primary.cidr.contains(ip)) {
                    source = primary.cidr.address;
                    break;
                }
        const auto add = [&](const Cidr& dst, RouteType type, bool localTable) {
            RouteEntry entry = kernelRoute(link, dst, type);
            if (localTable)
                entry.route.table = RT_TABLE_LOCAL;
            entry.route.source = source;
            append(routes, std::move(entry));
        };
        add({ip, 32}, RouteType::local, true);
        if (!link.up)
            return;
        if (cidr.prefix < 31)
            add({cidr.broadcast(), 32}, RouteType::broadcast, true);
        if (cidr.prefix < 32 && cidr.prefix > 0 && !address.secondary)
            add({cidr.network(), cidr.prefix}, link.loopback() ? RouteType::local : RouteType::unicast, link.loopback());
        return;
    }
    append(routes, kernelRoute(link, {ip, hostBits(ip)}, RouteType::local));
    if (!link.up || link.loopback())
        return;
    append(routes, kernelRoute(link, {cidr.network(), cidr.prefix}, RouteType::unicast));
}

void WorldState::addAddress(LinkRecord& link, const Cidr& cidr, int scope) {
    const IpAddress& ip = cidr.address;
    if (cidr.prefix < 0 || cidr.prefix > ip.bits())
        refuse(EINVAL);
    if (!ip.isV4() && confValue(link, "ipv6/conf/disable_ipv6") != 0)
        refuse(EACCES);
    AddressEntry added{cidr, scope, false};
    for (const AddressEntry& other : link.addresses) {
        const bool samePrefix = other.cidr.prefix == cidr.prefix && other.cidr.contains(ip);
        if (other.cidr.address == ip && (samePrefix || !ip.isV4()))
            refuse(EEXIST);
        added.secondary = added.secondary || (ip.isV4() && samePrefix);
    }
    if (!ip.isV4() && ip.isLinkLocal())
        added.scope = RT_SCOPE_LINK;
    // The kernel's order: IPv4 primaries in front of secondaries, the newest IPv6 address first with link-local ones behind.
    const auto place = std::find_if(link.addresses.begin(), link.addresses.end(), [&](const AddressEntry& other) {
        if (other.cidr.address.isV4() != ip.isV4())
            return false;
        return ip.isV4() ? !added.secondary && other.secondary : other.cidr.address.isLinkLocal() || !ip.isLinkLocal();
    });
    link.addresses.insert(place, added);
    index(link, ip);
    addConnectedRoutes(link, added);
}

void WorldState::removeAddresses(LinkRecord& link, int family, bool keepStatic) {
    std::erase_if(link.addresses, [&](const AddressEntry& address) {
        const IpAddress& ip = address.cidr.address;
        if (family != 0 && ip.family() != family)
            return false;
        if (keepStatic && !ip.isLinkLocal() && !ip.isLoopback())
            return false;
        unindex(link, ip);
        std::erase_if(link.netns->routes, [&](const RouteEntry& entry) {
            return entry.route.linkIndex == link.index && entry.type != RouteType::multicast &&
                   entry.route.protocol == RTPROT_KERNEL && entry.route.dst &&
                   ((entry.type == RouteType::local && entry.route.dst->address == ip) ||
                    (ip.isV4() ? entry.route.source == ip
                               : entry.route.dst == Cidr{address.cidr.network(), address.cidr.prefix}));
        });
        return true;
    });
}

void WorldState::linkCameUp(LinkRecord& link) {
    if (link.loopback()) {
        if (std::none_of(link.addresses.begin(), link.addresses.end(), [](const auto& a) { return a.cidr.address.isV4(); }))
            addAddress(link, *Cidr::parse("127.0.0.1/8"), RT_SCOPE_HOST);
        if (confValue(link, "ipv6/conf/disable_ipv6") == 0 && ownerIn(*link.netns, *IpAddress::parse("::1")) == nullptr)
            addAddress(link, *Cidr::parse("::1/128"), RT_SCOPE_HOST);
    }
    for (const AddressEntry& address : link.addresses)
        addConnectedRoutes(link, address);
}

void WorldState::linkWentDown(LinkRecord& link) {
    removeAddresses(link, AF_INET6, confValue(link, "ipv6/conf/keep_addr_on_down") > 0);
    // An IPv4 address stays local while its link is down; everything else that goes through the link disappears.
    std::erase_if(link.netns->routes, [&](const RouteEntry& entry) {
        const bool stays = entry.type == RouteType::local && entry.route.dst &&
                           entry.route.dst->prefix == entry.route.dst->address.bits() && !entry.route.gateway;
        return entry.route.linkIndex == link.index && !stays;
    });
    std::erase_if(link.netns->neighbours, [&](const auto& neighbour) { return neighbour.linkIndex == link.index; });
}

void WorldState::makeLinkLocal(LinkRecord& link) {
    if (link.loopback() || confValue(link, "ipv6/conf/disable_ipv6") != 0)
        return;
    append(link.netns->routes, kernelRoute(link, *Cidr::parse("ff00::/8"), RouteType::multicast));
    const bool present = std::any_of(link.addresses.begin(), link.addresses.end(), [](const AddressEntry& address) {
        return !address.cidr.address.isV4() && address.cidr.address.isLinkLocal();
    });
    if (present || confValue(link, "ipv6/conf/addr_gen_mode") != 0)
        return;
    if (const auto ip = linkLocalOf(link.mac))
        addAddress(link, {*ip, 64}, RT_SCOPE_LINK);
}

void WorldState::ipv6Switched(LinkRecord& link, bool disabled) {
    if (disabled) {
        removeAddresses(link, AF_INET6, false);
        std::erase_if(link.netns->routes, [&](const RouteEntry& entry) {
            return entry.route.linkIndex == link.index && entry.route.family == AF_INET6;
        });
        return;
    }
    if (link.up)
        linkCameUp(link);
    if (lowerUp(link))
        makeLinkLocal(link);
}

void WorldState::addRoute(NetnsState& netns, plugin::Route route) {
    normalise(route);
    LinkRecord* out = nullptr;
    if (route.linkIndex != 0) {
        out = &link(netns, route.linkIndex);
        if (!out->up)
            refuse(ENETDOWN);
    }
    if (route.source && ownerIn(netns, *route.source) == nullptr)
        refuse(EINVAL);
    if (route.gateway) {
        const IpAddress& gateway = *route.gateway;
        if (gateway.isV4() && route.scope >= RT_SCOPE_LINK)
            refuse(ENETUNREACH); // nothing is nearer than the link
        const bool own = ownerIn(netns, gateway) != nullptr;
        if (own && !gateway.isV4())
            refuse(EINVAL);
        // A gateway must be a neighbour: some route without a gateway leads to it.
        const RouteEntry* way = nullptr;
        for (const RouteEntry& entry : netns.routes) {
            const bool usable = entry.type == RouteType::unicast && !entry.route.gateway &&
                                entry.route.family == gateway.family() &&
                                (entry.route.table == RT_TABLE_MAIN || entry.route.table == route.table) &&
                                (out == nullptr || entry.route.linkIndex == out->index) &&
                                (!entry.route.dst || entry.route.dst->contains(gateway));
            if (usable &&
                (way == nullptr || (entry.route.dst && (!way->route.dst || entry.route.dst->prefix > way->route.dst->prefix))))
                way = &entry;
        }
        // A link-local gateway is on the link by definition.
        if (way == nullptr && !(out != nullptr && gateway.family() == AF_INET6 && gateway.isLinkLocal()))
            refuse(gateway.isV4() ? ENETUNREACH : EHOSTUNREACH);
        if (out == nullptr)
            route.linkIndex = way->route.linkIndex;
    } else if (out == nullptr) {
        refuse(ENODEV);
    }
    // Without NLM_F_EXCL only the very same route is refused; another one goes in front of those to the same destination
    // (net/ipv4/fib_trie.c, fib_table_insert).
    auto place = netns.routes.end();
    for (auto other = netns.routes.begin(); other != netns.routes.end(); ++other) {
        const plugin::Route& there = other->route;
        if (!sameDestination(there, route) || there.priority != route.priority)
            continue;
        const bool same = there.gateway == route.gateway && there.linkIndex == route.linkIndex && there.scope == route.scope;
        if (route.exclusive || same)
            refuse(EEXIST);
        if (place == netns.routes.end())
            place = other;
    }
    netns.routes.insert(place, {std::move(route), RouteType::unicast});
}

void WorldState::deleteRoute(NetnsState& netns, const plugin::Route& route) {
    plugin::Route wanted = route;
    const int priority = route.priority;
    normalise(wanted);
    const auto found = std::find_if(netns.routes.begin(), netns.routes.end(), [&](const RouteEntry& entry) {
        const plugin::Route& other = entry.route;
        return sameDestination(other, wanted) && (priority == 0 || other.priority == priority) &&
               (wanted.linkIndex == 0 || other.linkIndex == wanted.linkIndex) &&
               (!wanted.gateway || other.gateway == wanted.gateway) && (!wanted.source || other.source == wanted.source) &&
               (wanted.scope == 0 || other.scope == wanted.scope);
    });
    if (found == netns.routes.end())
        refuse(ESRCH);
    netns.routes.erase(found);
}

void WorldState::addRule(NetnsState& netns, plugin::Rule rule) {
    if (rule.from || rule.to)
        rule.family = (rule.from ? rule.from : rule.to)->address.family();
    for (auto* const side : {&rule.from, &rule.to}) {
        if (*side && (*side)->prefix == 0)
            side->reset();
        if (*side)
            (*side)->address = (*side)->network();
    }
    if (rule.priority < 0) {
        // fib_default_rule_pref(): in front of the second rule of the family.
        rule.priority = 0;
        int position = 0;
        for (const plugin::Rule& other : netns.rules)
            if (other.family == rule.family && ++position == 2)
                rule.priority = std::max(0, other.priority - 1);
    }
    auto place = netns.rules.end();
    for (auto other = netns.rules.begin(); other != netns.rules.end(); ++other) {
        if (other->family != rule.family)
            continue;
        if (other->priority == rule.priority && other->table == rule.table && other->from == rule.from && other->to == rule.to &&
            other->mark == rule.mark)
            refuse(EEXIST);
        if (other->priority > rule.priority) {
            place = other;
            break;
        }
    }
    if (place == netns.rules.end()) { // behind the last one of its family
        for (auto other = netns.rules.begin(); other != netns.rules.end(); ++other)
            if (other->family == rule.family)
                place = std::next(other);
    }
    netns.rules.insert(place, std::move(rule));
}

void WorldState::deleteRule(NetnsState& netns, const plugin::Rule& rule) {
    const int family = rule.from ? rule.from->address.family() : rule.to ? rule.to->address.family() : rule.family;
    const auto matches = [](const std::optional<Cidr>& wanted, const std::optional<Cidr>& present) {
        return !wanted || wanted->prefix == 0 ||
               (present && present->prefix == wanted->prefix && present->network() == wanted->network());
    };
    const auto found = std::find_if(netns.rules.begin(), netns.rules.end(), [&](const plugin::Rule& other) {
        return other.family == family && (rule.priority < 0 || other.priority == rule.priority) &&
               (rule.table == 0 || other.table == rule.table) && (rule.mark == 0 || other.mark == rule.mark) &&
               matches(rule.from, other.from) && matches(rule.to, other.to);
    });
    if (found == netns.rules.end())
        refuse(ENOENT);
    netns.rules.erase(found);
}

void WorldState::setNeighbour(NetnsState& netns, const plugin::Neighbour& neighbour) {
    link(netns, neighbour.linkIndex);
    for (plugin::Neighbour& other : netns.neighbours) {
        if (other.ip == neighbour.ip && other.linkIndex == neighbour.linkIndex) {
            other = neighbour;
            return;
        }
    }
    netns.neighbours.push_back(neighbour);
}

} // namespace rdmalab::kernel
