// Spiderpool pkg/subnetmanager/subnet_{mutate,validate}.go and pkg/reservedipmanager/reservedip_{mutate,validate}.go.
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/ip_ranges.h"
#include "sim/cluster/spiderpool/webhooks.h"
#include "sim/cluster/store.h"

#include <fmt/format.h>

namespace rdmalab::cluster {
namespace {

using namespace ipam_rules;
using Errors = std::vector<FieldError>;

std::vector<IpRange> usable(const Json& object) {
    return usableRanges(strings(at(object, {"spec", "ips"})), strings(at(object, {"spec", "excludeIPs"})));
}

Errors againstOthers(const Json& subnet, int version, const WebhookContext& context) {
    const std::string cidr = stringAt(subnet, {"spec", "subnet"});
    const auto invalid = [&](const std::string& text) {
        return Errors{FieldError::invalid("spec.subnet", Json(cidr).dump(), text)};
    };
    for (const ObjectPtr& other : context.store->list("SpiderSubnet")) {
        if (intAt(*other, {"spec", "ipVersion"}) != version)
            continue;
        if (nameOf(*other) == nameOf(subnet))
            return {{"spec.subnet", fmt::format("Internal error: subnet {} AlreadyExists", nameOf(subnet))}};
        const std::string theirs = stringAt(*other, {"spec", "subnet"});
        if (cidrsOverlap(cidr, theirs))
            return invalid(fmt::format("overlap with Subnet {} which 'spec.subnet' is {}", nameOf(*other), theirs));
    }
    for (const ObjectPtr& pool : context.store->list("SpiderIPPool")) {
        if (intAt(*pool, {"spec", "ipVersion"}) != version)
            continue;
        const std::string theirs = stringAt(*pool, {"spec", "subnet"});
        if (theirs != cidr) {
            if (cidrsOverlap(cidr, theirs))
                return invalid(fmt::format("overlap with SpiderIPPool '{}' resource 'spec.subnet' {}", nameOf(*pool), theirs));
        } else if (!subtractRanges(usable(*pool), usable(subnet)).empty()) {
            return {
                FieldError::invalid("spec.ips", at(subnet, {"spec", "ips"}).dump(),
                                    fmt::format("SpiderIPPool '{}' owns some IP addresses that SpiderSubnet '{}' can't control",
                                                nameOf(*pool), nameOf(subnet)))};
        }
    }
    return {};
}

Errors inUseRules(const Json& subnet) {
    const Json pools = Json::parse(stringAt(subnet, {"status", "controlledIPPools"}, "{}"), nullptr, false);
    if (pools.is_object())
        for (const auto& [name, allocation] : pools.items()) {
            const auto lost = subtractRanges(parseRanges(strings(at(allocation, {"ips"}))), usable(subnet));
            if (!lost.empty())
                return {FieldError::forbidden(
                    "spec.ips",
                    fmt::format("remove some IP ranges {} that is being used by IPPool {}, total IP addresses of an Subnet "
                                "are jointly determined by 'spec.ips' and 'spec.excludeIPs'",
                                printList(lost), name))};
        }
    return {};
}

} // namespace

void mutateSubnet(Json& object, const WebhookContext&) {
    if (isTerminating(object))
        return;
    addFinalizer(object, spiderpoolFinalizer);
    Json& spec = object["spec"];
    deriveVersionFromSubnet(spec);
    if (!isCidr(static_cast<int>(intAt(spec, {"ipVersion"})), stringAt(spec, {"subnet"})))
        return;
    object["metadata"]["labels"]["ipam.spidernet.io/subnet-cidr"] = cidrLabel(stringAt(spec, {"subnet"}));
    mergeList(spec, "ips");
    mergeList(spec, "excludeIPs");
}

Errors validateSubnet(const Json& object, const Json* old, const WebhookContext& context) {
    const Json& spec = object["spec"];
    if (old)
        if (auto errors = unchangeable(spec, at(*old, {"spec"})); !errors.empty())
            return errors;
    if (auto errors = ipVersion(spec, context, "is not generated correctly, 'spec.subnet' may be invalid"); !errors.empty())
        return errors;
    const int version = static_cast<int>(intAt(spec, {"ipVersion"}));
    const std::string cidr = stringAt(spec, {"subnet"});
    if (!old) {
        if (auto errors = cidrFormat(version, cidr, !context.old()); !errors.empty())
            return errors;
        if (context.store)
            if (auto errors = againstOthers(object, version, context); !errors.empty())
                return errors;
    }
    for (const char* key : {"ips", "excludeIPs"}) {
        const auto texts = strings(at(spec, {key}));
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (auto errors = containsRange(fmt::format("spec.{}[{}]", key, i), version, cidr, texts[i]); !errors.empty())
                return errors;
    }
    if (auto errors = gateway(version, spec); !errors.empty())
        return errors;
    if (auto errors = routes(version, spec); !errors.empty())
        return errors;
    return old ? inUseRules(object) : Errors{};
}

void mutateReservedIp(Json& object, const WebhookContext&) {
    Json& spec = object["spec"];
    const auto ips = strings(at(spec, {"ips"}));
    if (isTerminating(object) || ips.empty())
        return;
    if (!spec.contains("ipVersion")) {
        for (const int version : {4, 6})
            if (isOrderedRange(version, ips.front()))
                spec["ipVersion"] = version;
        if (!spec.contains("ipVersion"))
            return;
    }
    mergeList(spec, "ips");
}

Errors validateReservedIp(const Json& object, const Json* old, const WebhookContext& context) {
    const Json& spec = at(object, {"spec"});
    if (old) {
        const Json &now = at(spec, {"ipVersion"}), &before = at(*old, {"spec", "ipVersion"});
        if (!now.is_null() && !before.is_null() && now != before)
            return {FieldError::forbidden("spec.ipVersion", "is not changeable")};
    }
    if (auto errors = ipVersion(spec, context, "is not generated correctly, 'spec.ips' is empty or 'spec.ips[0]' may be invalid");
        !errors.empty())
        return errors;
    const int version = static_cast<int>(intAt(spec, {"ipVersion"}));
    const auto ips = strings(at(spec, {"ips"}));
    for (std::size_t i = 0; i < ips.size(); ++i)
        if (!isOrderedRange(version, ips[i]))
            return {FieldError::invalid(fmt::format("spec.ips[{}]", i), Json(ips[i]).dump(),
                                        fmt::format("invalid IP range format in IPv{} '{}'", version, ips[i]))};
    return {};
}

} // namespace rdmalab::cluster
