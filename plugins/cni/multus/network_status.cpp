#include "plugins/cni/multus/network_status.h"

#include "plugins/cni/protocol/go_json.h"

#include <fmt/format.h>

namespace rdmalab::plugin::multus {

namespace {

using Ordered = nlohmann::ordered_json;

Ordered dnsOf(const CniDns& dns) {
    auto out = Ordered::object();
    if (!dns.nameservers.empty())
        out["nameservers"] = dns.nameservers;
    if (!dns.domain.empty())
        out["domain"] = dns.domain;
    if (!dns.search.empty())
        out["search"] = dns.search;
    return out;
}

Ordered statusOf(const CniResult& result, const std::string& name, const CniInterface* interface,
                 const std::vector<std::string>& ips, bool isDefault, const std::string& deviceInfo) {
    Ordered out{{"name", name}};
    if (interface != nullptr && !interface->name.empty())
        out["interface"] = interface->name;
    if (!ips.empty())
        out["ips"] = ips;
    if (interface != nullptr && !interface->mac.empty())
        out["mac"] = interface->mac;
    if (interface != nullptr && interface->mtu != 0)
        out["mtu"] = interface->mtu;
    if (isDefault)
        out["default"] = true;
    out["dns"] = dnsOf(result.dns);
    if (!deviceInfo.empty())
        out["device-info"] = Ordered::parse(deviceInfo);
    for (const auto& route : result.routes)
        if (route.dst.isDefault())
            out["gateway"].push_back(route.gateway ? route.gateway->str() : "<nil>");
    return out;
}

} // namespace

std::vector<std::string> networkStatuses(const CniResult& result, const std::string& networkName, bool isDefault,
                                         const std::string& deviceInfo) {
    std::vector<std::string> out;
    const auto add = [&](const CniInterface* interface, const std::vector<std::string>& ips) {
        out.push_back(goJson(statusOf(result, networkName, interface, ips, isDefault, deviceInfo), 4));
    };
    if (result.interfaces.size() == 1) {
        std::vector<std::string> ips;
        for (const auto& ip : result.ips)
            ips.push_back(ip.address.address.str());
        const auto& only = result.interfaces.front();
        add(only.sandbox.empty() ? nullptr : &only, ips); // an interface of the node is not the pod's
        return out;
    }
    std::vector<int> inPod;
    for (std::size_t i = 0; i < result.interfaces.size(); ++i)
        if (!result.interfaces[i].sandbox.empty())
            inPod.push_back(static_cast<int>(i));
    for (const int index : inPod) {
        std::vector<std::string> ips;
        for (const auto& ip : result.ips)
            if (ip.interface ? *ip.interface == index : index == inPod.back())
                ips.push_back(ip.address.address.str());
        add(&result.interfaces[static_cast<std::size_t>(index)], ips);
    }
    return out;
}

std::string networkStatusAnnotation(const std::vector<std::string>& statuses) {
    return fmt::format("[{}]", fmt::join(statuses, ","));
}

} // namespace rdmalab::plugin::multus
