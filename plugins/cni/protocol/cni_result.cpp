#include "plugins/cni/protocol/cni_result.h"

#include "plugins/cni/protocol/go_json.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;

enum class Family { v02, v04, v10, none };

Family familyOf(const std::string& version) {
    if (version.empty() || version == "0.1.0" || version == "0.2.0")
        return Family::v02;
    if (version == "0.3.0" || version == "0.3.1" || version == "0.4.0")
        return Family::v04;
    if (version == "1.0.0" || version == "1.1.0")
        return Family::v10;
    return Family::none;
}

std::string familyVersions(Family family) {
    switch (family) {
    case Family::v02:
        return "[0.1.0 0.2.0]";
    case Family::v04:
        return "[0.3.0 0.3.1 0.4.0]";
    default:
        return "[1.0.0 1.1.0]";
    }
}

Cidr cidrOf(const std::string& text) {
    const auto parsed = Cidr::parse(text);
    if (!parsed)
        throw std::runtime_error("invalid CIDR address: " + text);
    return *parsed;
}

std::optional<IpAddress> gatewayOf(const Json& object, const char* key) {
    const auto text = stringOf(object, key);
    if (text.empty())
        return std::nullopt;
    const auto parsed = IpAddress::parse(text);
    if (!parsed)
        throw std::runtime_error("invalid IP address: " + text);
    return parsed;
}

CniRoute parseRoute(const Json& object) {
    CniRoute route;
    route.dst = cidrOf(stringOf(object, "dst"));
    route.dst.address = route.dst.network();
    route.gateway = gatewayOf(object, "gw");
    route.mtu = static_cast<int>(intOf(object, "mtu"));
    route.advmss = static_cast<int>(intOf(object, "advmss"));
    route.priority = static_cast<int>(intOf(object, "priority"));
    if (memberOf(object, "table").is_number())
        route.table = static_cast<int>(intOf(object, "table"));
    if (memberOf(object, "scope").is_number())
        route.scope = static_cast<int>(intOf(object, "scope"));
    return route;
}

template <typename J>
J printRoute(const CniRoute& route) {
    J out = J::object();
    out["dst"] = route.dst.str();
    if (route.gateway)
        out["gw"] = route.gateway->str();
    if (route.mtu != 0)
        out["mtu"] = route.mtu;
    if (route.advmss != 0)
        out["advmss"] = route.advmss;
    if (route.priority != 0)
        out["priority"] = route.priority;
    if (route.table)
        out["table"] = *route.table;
    if (route.scope)
        out["scope"] = *route.scope;
    return out;
}

template <typename J>
J printDns(const CniDns& dns) {
    J out = J::object();
    if (!dns.nameservers.empty())
        out["nameservers"] = dns.nameservers;
    if (!dns.domain.empty())
        out["domain"] = dns.domain;
    if (!dns.search.empty())
        out["search"] = dns.search;
    if (!dns.options.empty())
        out["options"] = dns.options;
    return out;
}

void parse02(const Json& object, CniResult& result) {
    for (const char* key : {"ip4", "ip6"}) {
        const auto& config = memberOf(object, key);
        if (!config.is_object())
            continue;
        CniIp ip;
        ip.address = cidrOf(stringOf(config, "ip"));
        ip.gateway = gatewayOf(config, "gateway");
        const auto& routes = memberOf(config, "routes");
        if (routes.is_array())
            for (const auto& route : routes)
                result.routes.push_back(parseRoute(route));
        result.ips.push_back(ip);
    }
}

void parseLists(const Json& object, CniResult& result) {
    if (const auto& interfaces = memberOf(object, "interfaces"); interfaces.is_array())
        for (const auto& entry : interfaces)
            result.interfaces.push_back({stringOf(entry, "name"), stringOf(entry, "mac"), stringOf(entry, "sandbox"),
                                         static_cast<int>(intOf(entry, "mtu")), stringOf(entry, "socketPath"),
                                         stringOf(entry, "pciID")});
    if (const auto& ips = memberOf(object, "ips"); ips.is_array())
        for (const auto& entry : ips) {
            CniIp ip;
            ip.address = cidrOf(stringOf(entry, "address"));
            ip.gateway = gatewayOf(entry, "gateway");
            if (memberOf(entry, "interface").is_number())
                ip.interface = static_cast<int>(intOf(entry, "interface"));
            result.ips.push_back(ip);
        }
    if (const auto& routes = memberOf(object, "routes"); routes.is_array())
        for (const auto& route : routes)
            result.routes.push_back(parseRoute(route));
}

std::string print02(const CniResult& result, const std::string& version) {
    Ordered out;
    out["cniVersion"] = version;
    for (const int family : {4, 6}) {
        const auto ip = std::find_if(result.ips.begin(), result.ips.end(),
                                     [family](const CniIp& entry) { return entry.address.address.version() == family; });
        if (ip == result.ips.end())
            continue;
        Ordered config;
        config["ip"] = ip->address.str();
        if (ip->gateway)
            config["gateway"] = ip->gateway->str();
        for (const auto& route : result.routes)
            if (route.dst.address.version() == family) {
                CniRoute plain{route.dst, route.gateway, 0, 0, 0, std::nullopt, std::nullopt};
                config["routes"].push_back(printRoute<Ordered>(plain));
            }
        out[family == 4 ? "ip4" : "ip6"] = config;
    }
    if (out.size() == 1)
        throw std::runtime_error("cannot convert: no valid IP addresses");
    out["dns"] = printDns<Ordered>(result.dns);
    return goJson(out, 4);
}

std::string print04(const CniResult& result, const std::string& version) {
    Ordered out;
    out["cniVersion"] = version;
    for (const auto& interface : result.interfaces) {
        Ordered entry{{"name", interface.name}};
        if (!interface.mac.empty())
            entry["mac"] = interface.mac;
        if (!interface.sandbox.empty())
            entry["sandbox"] = interface.sandbox;
        out["interfaces"].push_back(entry);
    }
    for (const auto& ip : result.ips) {
        Ordered entry{{"version", std::to_string(ip.address.address.version())}};
        if (ip.interface)
            entry["interface"] = *ip.interface;
        entry["address"] = ip.address.str();
        if (ip.gateway)
            entry["gateway"] = ip.gateway->str();
        out["ips"].push_back(entry);
    }
    for (const auto& route : result.routes)
        out["routes"].push_back(
            printRoute<Ordered>({route.dst, route.gateway, 0, 0, 0, std::nullopt, std::nullopt})); // all that 0.x knows
    out["dns"] = printDns<Ordered>(result.dns);
    return goJson(out, 4);
}

std::string print10(const CniResult& result, const std::string& version) {
    Json out{{"cniVersion", version}};
    for (const auto& interface : result.interfaces) {
        Json entry{{"name", interface.name}};
        if (!interface.mac.empty())
            entry["mac"] = interface.mac;
        if (!interface.sandbox.empty())
            entry["sandbox"] = interface.sandbox;
        if (interface.mtu != 0)
            entry["mtu"] = interface.mtu;
        if (!interface.socketPath.empty())
            entry["socketPath"] = interface.socketPath;
        if (!interface.pciId.empty())
            entry["pciID"] = interface.pciId;
        out["interfaces"].push_back(entry);
    }
    for (const auto& ip : result.ips) {
        Json entry{{"address", ip.address.str()}};
        if (ip.interface)
            entry["interface"] = *ip.interface;
        if (ip.gateway)
            entry["gateway"] = ip.gateway->str();
        out["ips"].push_back(entry);
    }
    for (const auto& route : result.routes)
        out["routes"].push_back(printRoute<Json>(route));
    if (const Json dns = printDns<Json>(result.dns); !dns.empty())
        out["dns"] = dns;
    return goJson(out, 4);
}

} // namespace

CniDns parseCniDns(const Json& object) {
    return {stringsOf(object, "nameservers"), stringOf(object, "domain"), stringsOf(object, "search"),
            stringsOf(object, "options")};
}

CniResult CniResult::parse(const Json& object, const std::string& version) {
    const Family family = familyOf(version);
    if (family == Family::none)
        throw std::runtime_error("unsupported CNI result version " + goQuote(version));
    const auto own = stringOf(object, "cniVersion");
    if (!own.empty() && familyOf(own) != family)
        throw std::runtime_error("result type supports " + familyVersions(family) + " but unmarshalled CNIVersion is " +
                                 goQuote(own));
    CniResult result;
    if (family == Family::v02)
        parse02(object, result);
    else
        parseLists(object, result);
    result.dns = parseCniDns(memberOf(object, "dns"));
    return result;
}

std::string CniResult::print(const std::string& version) const {
    switch (familyOf(version)) {
    case Family::v02:
        return print02(*this, version.empty() ? "0.1.0" : version);
    case Family::v04:
        return print04(*this, version);
    case Family::v10:
        return print10(*this, version);
    default:
        throw std::runtime_error("no converter for CNI result version 1.1.0 to " + version);
    }
}

const std::vector<std::string>& allCniVersions() {
    static const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
    return versions;
}

bool versionAtLeast(const std::string& version, const std::string& minimum) {
    const auto numbers = [](const std::string& text) {
        std::array<int, 3> parts{-1, -1, -1};
        if (std::sscanf(text.c_str(), "%d.%d.%d", &parts[0], &parts[1], &parts[2]) < 1)
            parts = {-1, -1, -1};
        for (auto& part : parts)
            part = std::max(part, parts[0] < 0 ? -1 : 0);
        return parts;
    };
    const auto left = numbers(version);
    return left[0] >= 0 && left >= numbers(minimum);
}

} // namespace rdmalab::plugin
