#include "sim/kernel/reachability.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace rdmalab::kernel {

namespace {

constexpr int kMaxHops = 16;

std::string place(const LinkRecord& link) {
    return link.netns->name + ": " + link.name;
}

// The kernel takes the larger of conf/all and the link's own for these.
int largerConf(const WorldState& world, const LinkRecord& link, const char* leaf) {
    const std::string all = world.sysctl(*link.netns, std::string("ipv4/conf/all/") + leaf);
    return std::max(std::atoi(all.c_str()), WorldState::confValue(link, std::string("ipv4/conf/") + leaf));
}

bool better(const RouteEntry& a, const RouteEntry& b) {
    const int first = a.route.dst ? a.route.dst->prefix : 0, second = b.route.dst ? b.route.dst->prefix : 0;
    return first != second ? first > second : a.route.priority < b.route.priority;
}

bool hasWord(const plugin::IptablesRule& rule, const char* word) {
    return std::find(rule.begin(), rule.end(), word) != rule.end();
}

std::string valueOf(const plugin::IptablesRule& rule, const char* word) {
    const auto found = std::find(rule.begin(), rule.end(), word);
    return found == rule.end() || found + 1 == rule.end() ? "" : *(found + 1);
}

} // namespace

const RouteEntry* Reachability::lookUp(const NetnsState& netns, const Flow& flow) const {
    const int family = flow.dst.family();
    for (const plugin::Rule& rule : netns.rules) {
        if (rule.family != family || (rule.from && !(flow.src && rule.from->contains(*flow.src))) ||
            (rule.to && !rule.to->contains(flow.dst)) || (rule.mark != 0 && rule.mark != flow.mark))
            continue;
        const RouteEntry* best = nullptr;
        for (const RouteEntry& entry : netns.routes) {
            const plugin::Route& route = entry.route;
            if (route.table != rule.table || route.family != family || (route.dst && !route.dst->contains(flow.dst)) ||
                (best != nullptr && !better(entry, *best)))
                continue;
            const LinkRecord* const out = WorldState::findLink(netns, route.linkIndex);
            const std::string conf = family == AF_INET ? "ipv4/conf/" : "ipv6/conf/";
            if (out == nullptr ||
                (WorldState::confValue(*out, conf + "ignore_routes_with_linkdown") != 0 && !world_.lowerUp(*out)))
                continue;
            best = &entry;
        }
        if (best != nullptr)
            return best;
    }
    return nullptr;
}

std::optional<IpAddress> Reachability::chooseSource(const NetnsState& netns, const plugin::Route& route,
                                                    const IpAddress& nextHop) const {
    if (route.source)
        return route.source;
    const LinkRecord* const out = WorldState::findLink(netns, route.linkIndex);
    const bool linkLocal = !nextHop.isV4() && nextHop.isLinkLocal() && !route.gateway;
    std::optional<IpAddress> chosen;
    const auto consider = [&](const LinkRecord& link) {
        for (const AddressEntry& address : link.addresses) {
            const IpAddress& ip = address.cidr.address;
            if (ip.family() != nextHop.family() || address.scope == RT_SCOPE_HOST ||
                (!ip.isV4() && ip.isLinkLocal() != linkLocal))
                continue;
            if (address.cidr.contains(nextHop)) {
                chosen = ip;
                return;
            }
            if (!chosen)
                chosen = ip;
        }
    };
    consider(*out);
    for (const auto& link : netns.links)
        if (!chosen)
            consider(*link);
    return chosen;
}

std::string Reachability::separation(const LinkRecord& out, const LinkRecord& in) const {
    const LinkRecord& sender = out.master != nullptr ? *out.master : out;
    const LinkRecord& receiver = in.master != nullptr ? *in.master : in;
    if (!in.up)
        return place(in) + " is down";
    if (&sender == &receiver) {
        if (out.master == nullptr || in.master == nullptr)
            return fmt::format("{} and {}: a macvlan and its master cannot reach each other", place(out), place(in));
        if (&out == &in)
            return place(in) + " would have to reach itself";
        if (out.mode != "bridge" || in.mode != "bridge")
            return fmt::format("{} and {}: macvlan mode {} keeps links on one master apart", place(out), place(in),
                               out.mode != "bridge" ? out.mode : in.mode);
        return "";
    }
    if (const std::string problem = world_.carrierProblem(in); !problem.empty())
        return fmt::format("{} has no carrier: {}", place(in), problem);
    if (in.master == nullptr && std::any_of(in.macvlans.begin(), in.macvlans.end(),
                                            [](const LinkRecord* upper) { return upper->up && upper->mode == "passthru"; }))
        return fmt::format("{}: its passthru macvlan takes every frame", place(in));
    if (sender.peer == &receiver)
        return "";
    if (sender.physical && receiver.physical) {
        const std::string broken = world_.brokenCabling(sender, receiver);
        return broken.empty() ? "" : fmt::format("between {} and {}: {}", place(sender), place(receiver), broken);
    }
    return fmt::format("{} and {} are on different networks", place(out), place(in));
}

const LinkRecord* Reachability::neighbour(const LinkRecord& out, const IpAddress& nextHop, std::string& why) const {
    std::string fixedMac;
    for (const plugin::Neighbour& entry : out.netns->neighbours)
        if (entry.linkIndex == out.index && entry.ip == nextHop)
            fixedMac = entry.mac;
    why.clear();
    // A link that gets the frame and does not take it tells most; then what is wrong with the owner; then its other links.
    int told = 0;
    const auto tryLink = [&](const LinkRecord& in, const LinkRecord* owner) {
        std::string problem = separation(out, in);
        int rank = owner == &in ? 2 : 1;
        if (problem.empty()) {
            rank = 3;
            if (!fixedMac.empty() && in.mac != fixedMac)
                problem = fmt::format("{}: the neighbour entry for {} says {}, but {} has {}", place(out), nextHop.str(),
                                      fixedMac, place(in), in.mac);
            else if (fixedMac.empty() && owner != &in && nextHop.isV4() && largerConf(world_, in, "arp_ignore") > 0)
                problem = fmt::format("{} does not answer for {} (arp_ignore)", place(in), nextHop.str());
        }
        if (!problem.empty() && rank > told) {
            why = problem;
            told = rank;
        }
        return problem.empty();
    };
    for (const LinkRecord* const owner : world_.ownersOf(nextHop)) {
        if (owner->netns == out.netns)
            continue;
        if (tryLink(*owner, owner))
            return owner;
        if (nextHop.isV4() || !fixedMac.empty()) // IPv6 answers only for the link's own addresses
            for (const auto& other : owner->netns->links)
                if (other.get() != owner && !other->loopback() && tryLink(*other, owner))
                    return other.get();
    }
    // The other end of a veth gets the frame when it answers in somebody's place, or when its MAC is written down.
    if (out.peer != nullptr && out.peer->netns != out.netns && out.peer->up) {
        const bool proxy = nextHop.isV4() && largerConf(world_, *out.peer, "proxy_arp") > 0;
        const RouteEntry* const onward = proxy ? lookUp(*out.peer->netns, {std::nullopt, nextHop, 0}) : nullptr;
        if (fixedMac == out.peer->mac || (onward != nullptr && onward->route.linkIndex != out.peer->index))
            return out.peer;
    }
    if (why.empty())
        why = fmt::format("{}: no link anywhere has the address {}", place(out), nextHop.str());
    return nullptr;
}

std::string Reachability::refusedOnArrival(const LinkRecord& in, const Flow& flow) const {
    if (!flow.dst.isV4() || in.loopback())
        return "";
    const NetnsState& netns = *in.netns;
    if (WorldState::ownerIn(netns, *flow.src) != nullptr && WorldState::confValue(in, "ipv4/conf/accept_local") == 0)
        return fmt::format("{}: drops packets from {}, which is an address of its own namespace", place(in), flow.src->str());
    const int filter = largerConf(world_, in, "rp_filter");
    if (filter == 0)
        return "";
    const std::uint32_t mark = largerConf(world_, in, "src_valid_mark") > 0 ? flow.mark : 0;
    const RouteEntry* const back = lookUp(netns, {flow.dst, *flow.src, mark});
    if (back == nullptr || (filter == 1 && back->route.linkIndex != in.index))
        return fmt::format("{}: rp_filter {} drops packets from {}", place(in), filter, flow.src->str());
    return "";
}

Reachability::Delivery Reachability::send(const NetnsState& from, Flow flow) const {
    const NetnsState* netns = &from;
    const auto stopped = [](std::string why) { return Delivery{nullptr, nullptr, {}, std::move(why)}; };
    if (flow.src && WorldState::ownerIn(from, *flow.src) == nullptr)
        return stopped(fmt::format("{}: {} is not an address of this namespace", from.name, flow.src->str()));
    for (int hop = 0; hop < kMaxHops; ++hop) {
        const RouteEntry* route = lookUp(*netns, flow);
        if (route == nullptr)
            return stopped(fmt::format("{}: no route to {}", netns->name, flow.dst.str()));
        if (!flow.src) {
            flow.src = route->type == RouteType::local
                           ? std::optional(flow.dst)
                           : chooseSource(*netns, route->route, route->route.gateway.value_or(flow.dst));
            if (!flow.src)
                return stopped(fmt::format("{}: no source address for {}", netns->name, flow.dst.str()));
            route = lookUp(*netns, flow); // rules may look at the source
            if (route == nullptr)
                return stopped(fmt::format("{}: no route to {} from {}", netns->name, flow.dst.str(), flow.src->str()));
        }
        if (route->type == RouteType::local) {
            const LinkRecord* const lo = WorldState::findLink(*netns, "lo");
            if (lo == nullptr || !lo->up)
                return stopped(netns->name + ": lo is down");
            return {netns, lo, *flow.src, ""};
        }
        if (route->type != RouteType::unicast)
            return stopped(fmt::format("{}: {} is no single host's address", netns->name, flow.dst.str()));
        const LinkRecord& out = *WorldState::findLink(*netns, route->route.linkIndex);
        if (!out.up)
            return stopped(place(out) + " is down");
        if (const std::string problem = world_.carrierProblem(out); !problem.empty())
            return stopped(fmt::format("{} has no carrier: {}", place(out), problem));
        std::string why;
        const LinkRecord* const in = neighbour(out, route->route.gateway.value_or(flow.dst), why);
        if (in == nullptr)
            return stopped(why);
        if (std::string refused = refusedOnArrival(*in, flow); !refused.empty())
            return stopped(refused);
        netns = in->netns;
        if (WorldState::ownerIn(*netns, flow.dst) != nullptr)
            return {netns, in, *flow.src, ""};
        const bool v4 = flow.dst.isV4();
        const bool forwards = v4 ? WorldState::confValue(*in, "ipv4/conf/forwarding") != 0
                                 : world_.sysctl(*netns, "ipv6/conf/all/forwarding") != "0";
        if (!forwards)
            return stopped(fmt::format("{}: does not forward packets for {} ({} is 0)", netns->name, flow.dst.str(),
                                       v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"));
        flow.mark = 0; // a mark does not travel
    }
    return stopped(fmt::format("{}: packets to {} go round in circles", from.name, flow.dst.str()));
}

std::uint32_t Reachability::answerMark(const NetnsState& netns, const LinkRecord& in, int family) {
    const auto found = netns.iptables.find({"mangle", family});
    if (found == netns.iptables.end())
        return 0;
    std::uint32_t mark = 0;
    bool saved = false, restored = false;
    for (const plugin::IptablesRule& rule : found->second) {
        const std::string target = valueOf(rule, "-j");
        const std::string onLink = valueOf(rule, "-i");
        if (rule[3] == "PREROUTING" && target == "MARK" && (onLink.empty() || onLink == in.name))
            mark = static_cast<std::uint32_t>(std::strtoul(valueOf(rule, "--set-xmark").c_str(), nullptr, 0));
        saved = saved || (rule[3] == "PREROUTING" && target == "CONNMARK" && hasWord(rule, "--save-mark"));
        restored = restored || (rule[3] == "OUTPUT" && target == "CONNMARK" && hasWord(rule, "--restore-mark"));
    }
    return saved && restored ? mark : 0;
}

Reach Reachability::roundTrip(const NetnsState& from, const std::optional<IpAddress>& src, const IpAddress& dst) const {
    const Delivery there = send(from, {src, dst, 0});
    if (there.netns == nullptr)
        return {false, there.why};
    const Delivery back = send(*there.netns, {dst, there.src, answerMark(*there.netns, *there.in, dst.family())});
    if (back.netns == nullptr)
        return {false, "on the way back: " + back.why};
    if (back.netns != &from)
        return {false, fmt::format("on the way back: the answer to {} arrives in {}", there.src.str(), back.netns->name)};
    return {};
}

} // namespace rdmalab::kernel
