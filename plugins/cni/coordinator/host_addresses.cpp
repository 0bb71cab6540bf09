#include "plugins/cni/coordinator/host_addresses.h"

#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::coordinator {

namespace {

bool isMulticast(const IpAddress& ip) {
    return ip.isV4() ? (ip.data()[0] & 0xf0) == 0xe0 : ip.data()[0] == 0xff;
}

bool belongsToContainers(const std::string& name) {
    static const char* const parts[] = {"docker",  "cbr",       "dummy", "virbr",         "lxcbr", "veth",
                                        "flannel", "kube-ipvs", "cni",   "vx-submariner", "ciliu"};
    if (name == "lo" || name.starts_with("cali"))
        return true;
    return std::any_of(std::begin(parts), std::end(parts),
                       [&](const char* part) { return name.find(part) != std::string::npos; });
}

bool contains(const Route& route, const IpAddress& ip) {
    return route.dst ? route.dst->address.isV4() == ip.isV4() && Cidr{route.dst->network(), route.dst->prefix}.contains(ip)
                     : route.family == ip.family();
}

// The kernel's lookup: tables in the order of the rules, the longest prefix and then the lowest metric within a table.
std::optional<Route> lookup(Kernel& host, const IpAddress& dst) {
    auto rules = host.rules();
    std::stable_sort(rules.begin(), rules.end(), [](const Rule& a, const Rule& b) { return a.priority < b.priority; });
    for (const auto& rule : rules) {
        if (rule.family != dst.family() || rule.from || rule.mark != 0 || (rule.to && !rule.to->contains(dst)))
            continue;
        std::optional<Route> best;
        for (const auto& route : host.routes(rule.table)) {
            if (!contains(route, dst))
                continue;
            const int length = route.dst ? route.dst->prefix : 0;
            const int bestLength = best && best->dst ? best->dst->prefix : 0;
            if (!best || length > bestLength || (length == bestLength && route.priority < best->priority))
                best = route;
        }
        if (best)
            return best;
    }
    return std::nullopt;
}

} // namespace

std::vector<Cidr> unicastAddresses(Kernel& kernel, int linkIndex, Families families) {
    std::vector<Cidr> out;
    for (const auto& address : kernel.addresses(linkIndex)) {
        const auto& ip = address.cidr.address;
        if (!ip.isLinkLocal() && !isMulticast(ip) && families.has(ip))
            out.push_back(address.cidr);
    }
    return out;
}

std::optional<IpAddress> sourceAddress(Kernel& host, const IpAddress& dst) {
    const auto route = lookup(host, dst);
    if (!route)
        throw std::runtime_error("network is unreachable");
    if (route->source)
        return route->source;
    const Families family{dst.isV4(), !dst.isV4()};
    const auto own = unicastAddresses(host, route->linkIndex, family);
    const auto& towards = route->gateway ? *route->gateway : dst;
    for (const auto& address : own)
        if (address.contains(towards))
            return address.address;
    if (!own.empty())
        return own.front().address;
    // A link without an address borrows one.
    for (const auto& link : host.links())
        if (link.name != "lo")
            if (const auto others = unicastAddresses(host, link.index, family); !others.empty())
                return others.front().address;
    return std::nullopt;
}

std::vector<IpAddress> hostAddressesForPod(Kernel& host, const std::vector<Cidr>& podAddresses, Families families) {
    std::vector<IpAddress> out;
    const auto addOnce = [&out](const IpAddress& ip) {
        if (std::find(out.begin(), out.end(), ip) == out.end())
            out.push_back(ip);
    };
    for (const auto& pod : podAddresses) {
        try {
            if (const auto source = sourceAddress(host, pod.address))
                addOnce(*source);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(
                fmt::format("failed to get IPAddressOnNode: failed to GetGatewayIP for pod ip {} : failed to RouteGet Pod "
                            "IP({}): {}",
                            pod.str(), pod.address.str(), error.what()));
        }
    }
    for (const auto& link : host.links())
        if (!belongsToContainers(link.name))
            for (const auto& address : unicastAddresses(host, link.index, families))
                addOnce(address.address);
    return out;
}

} // namespace rdmalab::plugin::coordinator
