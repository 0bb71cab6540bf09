#include "plugins/cni/protocol/configure_interface.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

constexpr int mainTable = 254;

void enableIpv6(Kernel& netns, const std::string& ifName) {
    for (const std::string& name : {std::string("lo"), ifName}) {
        const auto key = "ipv6/conf/" + name + "/disable_ipv6";
        std::string value;
        try {
            value = netns.sysctl(key);
        } catch (const KernelError&) {
            continue; // a kernel without IPv6 says so when the address is added
        }
        if (value == "0" || value == "0\n")
            continue;
        try {
            netns.setSysctl(key, "0");
        } catch (const KernelError& error) {
            throw std::runtime_error(
                fmt::format("failed to enable IPv6 for interface {} (net/{}={}): {}", goQuote(name), key, value, error.what()));
        }
    }
    // The routes of an address would vanish with it when the link goes down.
    try {
        netns.setSysctl("ipv6/conf/" + ifName + "/keep_addr_on_down", "1");
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to enable keep_addr_on_down for {}: {}", goQuote(ifName), error.what()));
    }
}

const char* scopeName(int scope) {
    switch (scope) {
    case 0:
        return "universe";
    case 200:
        return "site";
    case 253:
        return "link";
    case 254:
        return "host";
    default:
        return "nowhere";
    }
}

bool sameDestination(const Route& route, const CniRoute& wanted) {
    if (wanted.dst.isDefault())
        return !route.dst && route.family == wanted.dst.address.family();
    return route.dst && route.dst->prefix == wanted.dst.prefix && route.dst->address == wanted.dst.network();
}

} // namespace

void configureInterface(Kernel& netns, const std::string& ifName, const CniResult& result) {
    if (result.interfaces.empty())
        throw std::runtime_error("no interfaces to configure");
    const auto link = netns.linkByName(ifName);
    if (!link)
        throw std::runtime_error(fmt::format("failed to lookup {}: Link not found", goQuote(ifName)));

    std::optional<IpAddress> gateway4, gateway6;
    bool ipv6 = false;
    for (const auto& ip : result.ips) {
        if (!ip.interface)
            continue;
        const auto index = static_cast<std::size_t>(*ip.interface);
        if (*ip.interface < 0 || index >= result.interfaces.size() || result.interfaces[index].name != ifName)
            throw std::runtime_error(
                fmt::format("failed to add IP addr {} to {}: invalid interface index", ip.address.str(), goQuote(ifName)));
        const bool v4 = ip.address.address.isV4();
        if (!v4 && !ipv6) {
            enableIpv6(netns, ifName);
            ipv6 = true;
        }
        try {
            netns.addAddress(link->index, ip.address);
        } catch (const KernelError& error) {
            throw std::runtime_error(
                fmt::format("failed to add IP addr {} to {}: {}", ip.address.str(), goQuote(ifName), error.what()));
        }
        auto& gateway = v4 ? gateway4 : gateway6;
        if (!gateway)
            gateway = ip.gateway;
    }

    try {
        netns.setLinkUp(link->index, true);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to set {} UP: {}", goQuote(ifName), error.what()));
    }

    for (const auto& wanted : result.routes) {
        const bool v4 = wanted.dst.address.isV4();
        Route route;
        if (!wanted.dst.isDefault())
            route.dst = wanted.dst;
        route.family = wanted.dst.address.family();
        route.gateway = wanted.gateway ? wanted.gateway : v4 ? gateway4 : gateway6;
        route.linkIndex = link->index;
        route.priority = wanted.priority;
        route.table = wanted.table.value_or(mainTable);
        route.scope = wanted.scope.value_or(0);
        route.exclusive = false; // a second interface may bring its own default route
        try {
            netns.addRoute(route);
        } catch (const KernelError& error) {
            throw std::runtime_error(fmt::format("failed to add route '{} via {} dev {} metric {} (Scope: {}, Table: {})': {}",
                                                 wanted.dst.str(), route.gateway ? route.gateway->str() : "<nil>", ifName,
                                                 route.priority, scopeName(route.scope), route.table, error.what()));
        }
    }
}

void checkInterfaceIps(Kernel& netns, const std::string& ifName, const std::vector<CniIp>& ips) {
    const auto link = netns.linkByName(ifName);
    if (!link)
        throw std::runtime_error(fmt::format("cannot find container link {}", ifName));
    const auto addresses = netns.addresses(link->index);
    const auto routes = netns.routes(mainTable);
    for (const auto& ip : ips) {
        if (std::none_of(addresses.begin(), addresses.end(), [&](const Address& address) { return address.cidr == ip.address; }))
            throw std::runtime_error(fmt::format("Failed to match addr {} on interface {}", ip.address.str(), ifName));
        CniRoute prefix;
        prefix.dst = {ip.address.network(), ip.address.prefix};
        const bool host = ip.address.prefix == ip.address.address.bits(); // its route is in the local table only
        if (!host &&
            std::none_of(routes.begin(), routes.end(), [&](const Route& route) { return sameDestination(route, prefix); }))
            throw std::runtime_error(fmt::format("Failed to find route to {} on interface {}", prefix.dst.str(), ifName));
    }
}

void checkRoutes(Kernel& netns, const std::vector<CniRoute>& routes) {
    for (const auto& wanted : routes) {
        const auto present = netns.routes(wanted.table.value_or(mainTable));
        // Of a default route only the existence counts.
        const bool found = std::any_of(present.begin(), present.end(), [&](const Route& route) {
            return sameDestination(route, wanted) &&
                   (wanted.dst.isDefault() || !wanted.gateway || route.gateway == wanted.gateway);
        });
        if (!found)
            throw std::runtime_error(fmt::format("Expected Route {{Dst:{{IP:{} Mask:{}}} GW:{}}} not found in routing table",
                                                 wanted.dst.address.str(), wanted.dst.prefix,
                                                 wanted.gateway ? wanted.gateway->str() : "<nil>"));
    }
}

} // namespace rdmalab::plugin
