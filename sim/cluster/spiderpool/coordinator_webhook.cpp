// Spiderpool pkg/coordinatormanager/coordinator_{mutate,validate}.go.
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/webhooks.h"
#include "util/ip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace rdmalab::cluster {
namespace {

using Errors = std::vector<FieldError>;

// "10.0.0.1" -> "10.0.0.1/32"; a network keeps only its network bits. Empty when it is neither.
std::string asPrefix(const std::string& text) {
    if (const auto ip = IpAddress::parse(text))
        return fmt::format("{}/{}", ip->str(), ip->bits());
    if (const auto cidr = Cidr::parse(text))
        return fmt::format("{}/{}", cidr->network().str(), cidr->prefix);
    return {};
}

void setDefault(Json& spec, const char* key, Json value) {
    if (!spec.contains(key))
        spec[key] = std::move(value);
}

Errors macPrefixRule(const std::string& prefix, bool old) {
    if (prefix.empty())
        return {};
    const auto hex = [&](std::size_t i) { return std::isxdigit(static_cast<unsigned char>(prefix[i])) != 0; };
    if (prefix.size() != 5 || prefix[2] != ':' || !hex(0) || !hex(1) || !hex(3) || !hex(4))
        return {FieldError::invalid("spec.podMACPrefix", Json(prefix).dump(), "not a valid MAC prefix")};
    if (std::stoi(prefix.substr(0, 2), nullptr, 16) & 1)
        return {FieldError::invalid("spec.podMACPrefix", Json(prefix).dump(),
                                    old ? "not a unicast MAC" : "not a unicast MAC: the lowest bit of the first byte must be 0")};
    return {};
}

Errors policyRouteRules(const Json& routes) {
    std::size_t i = 0;
    for (const Json& route : routes) {
        const std::string field = fmt::format("spec.policyRoutes[{}]", i++), dst = stringAt(route, {"dst"}),
                          gw = stringAt(route, {"gw"});
        const auto prefix = Cidr::parse(asPrefix(dst));
        if (!prefix)
            return {FieldError::invalid(field + ".dst", Json(dst).dump(), "invalid CIDR address: " + dst)};
        const auto via = IpAddress::parse(gw);
        if (!via)
            return {FieldError::invalid(field + ".gw", Json(gw).dump(), "gw is an invalid IP address")};
        if (via->version() != prefix->address.version())
            return {FieldError::invalid(field, route.dump(), "dst and gw must use the same IP family")};
    }
    return {};
}

} // namespace

void mutateCoordinator(Json& object, const WebhookContext& context) {
    Json& spec = object["spec"];
    setDefault(spec, "mode", "auto");
    setDefault(spec, "tunePodRoutes", true);
    setDefault(spec, "hostRuleTable", 500);
    if (context.old()) {
        setDefault(spec, "hostRPFilter", 0);
        setDefault(spec, "detectIPConflict", false);
        setDefault(spec, "detectGateway", false);
    } else {
        setDefault(spec, "podRPFilter", 0);
        setDefault(spec, "txQueueLen", 0);
        setDefault(spec, "vethLinkAddress", "");
        setDefault(spec, "vethMTU", 1500);
    }
    if (isTerminating(object) || !spec.contains("podCIDRType"))
        return;
    if (const auto list = spec.find("hijackCIDR"); list != spec.end())
        for (Json& entry : *list)
            if (const auto text = entry.get<std::string>(); text.find('/') == std::string::npos) {
                const auto ip = IpAddress::parse(text);
                if (!ip)
                    return;
                entry = fmt::format("{}/{}", text, ip->bits());
            }
    if (const auto list = spec.find("policyRoutes"); list != spec.end())
        for (Json& route : *list) {
            const std::string prefix = asPrefix(stringAt(route, {"dst"}));
            if (prefix.empty())
                return;
            route["dst"] = prefix;
        }
    addFinalizer(object, spiderpoolFinalizer);
}

Errors validateCoordinatorSpec(const Json& spec, bool isCoordinator, const WebhookContext& context) {
    if (isCoordinator && !spec.contains("podCIDRType"))
        return {FieldError::notSupported("spec.podCIDRType", "\"\"",
                                         {"\"auto\"", "\"cluster\"", "\"calico\"", "\"cilium\"", "\"none\""})};
    std::size_t i = 0;
    for (const Json& entry : at(spec, {"hijackCIDR"})) {
        const auto text = entry.get<std::string>();
        if (asPrefix(text).empty())
            return {FieldError::invalid(fmt::format("spec.extraCIDR[{}]", i), Json(text).dump(),
                                        text.find('/') == std::string::npos ? "invalid IP address: " + text
                                                                            : "invalid CIDR address: " + text)};
        ++i;
    }
    if (!context.old())
        if (auto errors = policyRouteRules(at(spec, {"policyRoutes"})); !errors.empty())
            return errors;
    if (auto errors = macPrefixRule(stringAt(spec, {"podMACPrefix"}), context.old()); !errors.empty())
        return errors;
    if (intAt(spec, {"txQueueLen"}) < 0)
        return {FieldError::invalid("spec.txQueueLen", at(spec, {"txQueueLen"}).dump(), "txQueueLen can't be less than 0")};
    const char* filterKey = context.old() ? "hostRPFilter" : "podRPFilter";
    const std::string filterField = std::string("spec.") + filterKey;
    const Json& filter = at(spec, {filterKey});
    if (isCoordinator && filter.is_null())
        return {FieldError::notSupported(filterField, "\"null\"", {"\"0\"", "\"1\"", "\"2\""})};
    // Since v1.0 a negative number means "leave it alone".
    if (filter.is_number_integer() && (filter > 2 || (context.old() && filter < 0)))
        return {FieldError::notSupported(filterField, filter.dump(), {"\"0\"", "\"1\"", "\"2\""})};
    if (const std::string address = stringAt(spec, {"vethLinkAddress"}); !address.empty() && !IpAddress::parse(address))
        return {FieldError::invalid("spec.vethLinkAddress", Json(address).dump(), "vethLinkAddress is an invalid IP address")};
    if (const Json& mtu = at(spec, {"vethMTU"}); mtu.is_number_integer() && mtu <= 0)
        return {FieldError::invalid("spec.vethMTU", mtu.dump(), "vethMTU must be greater than 0")};
    return {};
}

Errors validateCoordinator(const Json& object, const Json*, const WebhookContext& context) {
    return validateCoordinatorSpec(at(object, {"spec"}), true, context);
}

} // namespace rdmalab::cluster
