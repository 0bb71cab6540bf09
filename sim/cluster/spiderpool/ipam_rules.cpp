#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/ip_ranges.h"
#include "sim/cluster/spiderpool/webhooks.h"

#include <fmt/format.h>

#include <set>

namespace rdmalab::cluster::ipam_rules {
namespace {

std::string quoted(const std::string& text) {
    return Json(text).dump();
}

std::string notPartOf(const std::string& subnet) {
    return fmt::format("not pertains to the 'spec.subnet' {} of IPPool", subnet);
}

// Upstream compares a single address as text.
bool rangeHolds(int version, const std::string& range, const std::string& ip) {
    if (!isOrderedRange(version, range) || !isAddress(version, ip))
        return false;
    return range.find('-') == std::string::npos ? range == ip : IpRange::parse(range)->contains(*IpAddress::parse(ip));
}

} // namespace

std::vector<std::string> strings(const Json& list) {
    std::vector<std::string> texts;
    for (const Json& item : list)
        if (item.is_string())
            texts.push_back(item.get<std::string>());
    return texts;
}

std::string cidrLabel(const std::string& cidr) {
    // Upstream prints the parsed network, so that host bits vanish.
    const auto parsed = Cidr::parse(cidr);
    std::string label = parsed ? fmt::format("{}/{}", parsed->network().str(), parsed->prefix) : cidr;
    for (char& c : label)
        if (c == '.' || c == ':' || c == '/')
            c = '-';
    return label;
}

std::vector<FieldError> ipVersion(const Json& spec, const WebhookContext& context, const char* underivable) {
    const Json& version = at(spec, {"ipVersion"});
    if (version.is_null())
        return {FieldError::invalid("spec.ipVersion", "\"null\"", underivable)};
    if (version == 4 && !context.enableIPv4)
        return {FieldError::forbidden("spec.ipVersion", "IPv4 is disabled")};
    if (version == 6 && !context.enableIPv6)
        return {FieldError::forbidden("spec.ipVersion", "IPv6 is disabled")};
    return {};
}

std::vector<FieldError> unchangeable(const Json& spec, const Json& oldSpec) {
    const Json &now = at(spec, {"ipVersion"}), &before = at(oldSpec, {"ipVersion"});
    if (!now.is_null() && !before.is_null() && now != before)
        return {FieldError::forbidden("spec.ipVersion", "is not changeable")};
    if (at(spec, {"subnet"}) != at(oldSpec, {"subnet"}))
        return {FieldError::forbidden("spec.subnet", "is not changeable")};
    return {};
}

std::vector<FieldError> cidrFormat(int version, const std::string& subnet, bool mustBeFormatted) {
    if (!isCidr(version, subnet))
        return {FieldError::invalid("spec.subnet", quoted(subnet),
                                    fmt::format("invalid CIDR format in IPv{} '{}'", version, subnet))};
    const Cidr cidr = *Cidr::parse(subnet);
    const std::string formatted = fmt::format("{}/{}", cidr.network().str(), cidr.prefix);
    if (mustBeFormatted && formatted != subnet)
        return {FieldError::invalid("spec.subnet", quoted(subnet),
                                    fmt::format("unformatted subnet {}, please change it to {}", subnet, formatted))};
    return {};
}

std::vector<FieldError> containsRange(const std::string& field, int version, const std::string& subnet,
                                      const std::string& range) {
    if (!isCidr(version, subnet))
        return {FieldError::invalid(field, quoted(range), fmt::format("invalid CIDR format in IPv{} '{}'", version, subnet))};
    if (!isOrderedRange(version, range))
        return {FieldError::invalid(field, quoted(range), fmt::format("invalid IP range format in IPv{} '{}'", version, range))};
    const Cidr cidr = *Cidr::parse(subnet);
    const IpRange parsed = *IpRange::parse(range);
    if (!cidr.contains(parsed.first) || !cidr.contains(parsed.last))
        return {FieldError::invalid(field, quoted(range), notPartOf(subnet))};
    return {};
}

std::vector<FieldError> containsAddress(const std::string& field, int version, const std::string& subnet, const std::string& ip) {
    if (!isCidr(version, subnet))
        return {FieldError::invalid(field, quoted(ip), fmt::format("invalid CIDR format in IPv{} '{}'", version, subnet))};
    if (!isAddress(version, ip))
        return {FieldError::invalid(field, quoted(ip), fmt::format("invalid IP format in IPv{} '{}'", version, ip))};
    if (!Cidr::parse(subnet)->contains(*IpAddress::parse(ip)))
        return {FieldError::invalid(field, quoted(ip), notPartOf(subnet))};
    return {};
}

std::vector<FieldError> gateway(int version, const Json& spec) {
    const Json& value = at(spec, {"gateway"});
    if (!value.is_string())
        return {};
    const auto gw = value.get<std::string>();
    if (auto errors = containsAddress("spec.gateway", version, stringAt(spec, {"subnet"}), gw); !errors.empty())
        return errors;
    for (const std::string& range : strings(at(spec, {"excludeIPs"})))
        if (rangeHolds(version, range, gw))
            return {};
    const auto ips = strings(at(spec, {"ips"}));
    for (std::size_t i = 0; i < ips.size(); ++i)
        if (rangeHolds(version, ips[i], gw))
            return {FieldError::invalid(fmt::format("spec.ips[{}]", i), quoted(ips[i]),
                                        fmt::format("conflicts with 'spec.gateway' {}, add the gateway IP address to "
                                                    "'spec.excludeIPs' or remove it from 'spec.ips'",
                                                    gw))};
    return {};
}

std::vector<FieldError> routes(int version, const Json& spec) {
    std::set<std::string> seen;
    std::size_t i = 0;
    for (const Json& route : at(spec, {"routes"})) {
        const std::string dst = stringAt(route, {"dst"}), field = fmt::format("spec.routes[{}].", i++);
        if (dst == (version == 4 ? "0.0.0.0/0" : "::/0"))
            return {
                FieldError::invalid(field + "dst", quoted(dst), "please specify 'spec.gateway' to configure the default route")};
        if (!seen.insert(dst).second)
            return {FieldError::invalid(field + "dst", quoted(dst), "duplicate route with the same dst")};
        if (!isCidr(version, dst))
            return {
                FieldError::invalid(field + "dst", quoted(dst), fmt::format("invalid CIDR format in IPv{} '{}'", version, dst))};
        if (auto errors = containsAddress(field + "gw", version, stringAt(spec, {"subnet"}), stringAt(route, {"gw"}));
            !errors.empty())
            return errors;
    }
    return {};
}

bool cidrsOverlap(const std::string& a, const std::string& b) {
    const auto x = Cidr::parse(a), y = Cidr::parse(b);
    if (!x || !y || x->address.version() != y->address.version())
        return false;
    return x->prefix <= y->prefix ? x->contains(y->network()) : y->contains(x->network());
}

void deriveVersionFromSubnet(Json& spec) {
    if (spec.contains("ipVersion"))
        return;
    if (const auto cidr = Cidr::parse(stringAt(spec, {"subnet"})))
        spec["ipVersion"] = cidr->address.version();
}

void mergeList(Json& spec, const char* key) {
    const auto texts = strings(at(spec, {key}));
    const int version = static_cast<int>(intAt(spec, {"ipVersion"}));
    if (texts.size() < 2)
        return;
    for (const std::string& text : texts)
        if (!isOrderedRange(version, text))
            return;
    Json merged = Json::array();
    for (const IpRange& range : parseRanges(texts))
        merged.push_back(range.str());
    spec[key] = std::move(merged);
}

} // namespace rdmalab::cluster::ipam_rules
