// Spiderpool pkg/ippoolmanager/ippool_{mutate,validate,subnet_validate}.go, pkg/ip/subnet.go.
#include "sim/cluster/label_selector.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/ip_ranges.h"
#include "sim/cluster/spiderpool/webhooks.h"
#include "sim/cluster/store.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {
namespace {

using namespace ipam_rules;
using Errors = std::vector<FieldError>;

constexpr const char* cidrLabelKey = "ipam.spidernet.io/ippool-cidr";
constexpr const char* subnetCidrLabelKey = "ipam.spidernet.io/subnet-cidr";
constexpr const char* ownerSubnetLabelKey = "ipam.spidernet.io/owner-spider-subnet";
constexpr const char* autoPoolLabelKey = "ipam.spidernet.io/owner-application-name";
constexpr const char* jointly = "total IP addresses of an IPPool are jointly determined by 'spec.ips' and 'spec.excludeIPs'";

bool isAutoPool(const Json& pool) {
    return labelOf(pool, autoPoolLabelKey).has_value();
}

std::vector<IpRange> usable(const Json& object) {
    return usableRanges(strings(at(object, {"spec", "ips"})), strings(at(object, {"spec", "excludeIPs"})));
}

// A range with the text it came from: overlaps are reported in the user's words.
struct WrittenRange {
    std::string text;
    IpRange range;
};

// pkg/ip NewCIDR: what v1.2 takes for the pool's addresses, or its complaint.
std::vector<WrittenRange> writtenRanges(const Json& pool, std::string& problem) {
    const auto cidr = Cidr::parse(stringAt(pool, {"spec", "subnet"}));
    if (!cidr) {
        problem = "invalid CIDR address: " + stringAt(pool, {"spec", "subnet"});
        return {};
    }
    const auto parse = [&](const std::string& text) -> std::optional<IpRange> {
        std::vector<std::string> ends;
        for (std::size_t start = 0;;) {
            const auto dash = text.find('-', start);
            ends.push_back(text.substr(start, dash == std::string::npos ? dash : dash - start));
            if (dash == std::string::npos)
                break;
            start = dash + 1;
        }
        if (ends.size() > 2 || (ends.size() == 1 && text.find('/') != std::string::npos)) {
            problem = "invalid range: " + text;
            return std::nullopt;
        }
        std::vector<IpAddress> addresses;
        for (const std::string& end : ends) {
            const auto ip = IpAddress::parse(end);
            if (!ip || !cidr->contains(*ip)) {
                problem = (ip ? "not match base subnet: " : "invalid IP address: ") + end;
                return std::nullopt;
            }
            addresses.push_back(*ip);
        }
        return IpRange{addresses.front(), addresses.back()};
    };
    std::vector<WrittenRange> ranges;
    for (const std::string& text : strings(at(pool, {"spec", "ips"}))) {
        auto range = parse(text);
        if (!range)
            return {};
        if (range->last < range->first)
            std::swap(range->first, range->last);
        const IpRange a = *range;
        for (const auto& [otherText, b] : ranges) {
            if (a.first >= b.first && a.last <= b.last)
                problem = fmt::format("range {} is already covered by {}", text, otherText);
            else if (a.first <= b.first && a.last >= b.last)
                problem = fmt::format("range {} covers {}", text, otherText);
            else if (a.first <= b.last && b.first <= a.last)
                problem = fmt::format("range {} overlaps with {}", text, otherText);
            if (!problem.empty())
                return {};
        }
        ranges.push_back({text, a});
    }
    for (const std::string& text : strings(at(pool, {"spec", "excludeIPs"}))) {
        const auto cut = parse(text);
        if (!cut)
            return {};
        std::vector<WrittenRange> left;
        for (const auto& [otherText, range] : ranges)
            for (const IpRange& rest : subtractRanges({range}, {*cut}))
                left.push_back({otherText, rest});
        ranges = std::move(left);
    }
    return ranges;
}

Errors againstOtherPools(const Json& pool, const std::function<std::string(const Json&)>& overlap,
                         const WebhookContext& context) {
    if (!context.store)
        return {};
    const std::string label = cidrLabel(stringAt(pool, {"spec", "subnet"}));
    for (const ObjectPtr& other : context.store->list("SpiderIPPool")) {
        if (nameOf(*other) == nameOf(pool) || labelOf(*other, cidrLabelKey) != label)
            continue;
        if (const std::string ranges = overlap(*other); !ranges.empty())
            return {FieldError::forbidden(
                "spec.ips", fmt::format("overlap with IPPool {} in IP ranges {}, {}", nameOf(*other), ranges, jointly))};
    }
    return {};
}

Errors availableIpsOld(const Json& pool, int version, const WebhookContext& context) {
    const std::string subnet = stringAt(pool, {"spec", "subnet"});
    for (const char* key : {"ips", "excludeIPs"}) {
        const auto texts = strings(at(pool, {"spec", key}));
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (auto errors = containsRange(fmt::format("spec.{}[{}]", key, i), version, subnet, texts[i]); !errors.empty())
                return errors;
    }
    const auto mine = usable(pool);
    if (mine.empty())
        return {};
    return againstOtherPools(
        pool,
        [&](const Json& other) {
            const auto common = intersectRanges(mine, usable(other));
            return common.empty() ? std::string() : printList(common);
        },
        context);
}

Errors availableIps(const Json& pool, const WebhookContext& context) {
    std::string problem;
    const auto mine = writtenRanges(pool, problem);
    const auto onSubnet = [](const Json& of, const std::string& text) {
        return Errors{FieldError::invalid("spec.subnet", at(of, {"spec", "subnet"}).dump(), text)};
    };
    if (!problem.empty())
        return onSubnet(pool, problem);
    return againstOtherPools(
        pool,
        [&](const Json& other) {
            std::string otherProblem;
            std::vector<std::string> overlaps;
            const auto theirs = writtenRanges(other, otherProblem);
            for (const auto& [text, range] : mine)
                for (const auto& [otherText, otherRange] : theirs)
                    if (range.first <= otherRange.last && otherRange.first <= range.last)
                        overlaps.push_back(otherText);
            return overlaps.empty() ? std::string() : printList(overlaps);
        },
        context);
}

Errors specRules(const Json& pool, int version, const WebhookContext& context) {
    if (auto errors = context.old() ? availableIpsOld(pool, version, context) : availableIps(pool, context); !errors.empty())
        return errors;
    if (auto errors = gateway(version, pool["spec"]); !errors.empty())
        return errors;
    return routes(version, pool["spec"]);
}

Errors cidrRules(const Json& pool, int version, const WebhookContext& context) {
    const std::string subnet = stringAt(pool, {"spec", "subnet"});
    if (auto errors = cidrFormat(version, subnet, !context.old()); !errors.empty())
        return errors;
    if (!context.store)
        return {};
    for (const ObjectPtr& other : context.store->list("SpiderIPPool")) {
        if (intAt(*other, {"spec", "ipVersion"}) != version)
            continue;
        if (nameOf(*other) == nameOf(pool))
            return {{"spec.subnet", fmt::format("Internal error: IPPool {} {}", nameOf(pool),
                                                context.old() ? "already exists" : "AlreadyExists")}};
        const std::string theirs = stringAt(*other, {"spec", "subnet"});
        if (theirs != subnet && cidrsOverlap(subnet, theirs))
            return {FieldError::invalid("spec.subnet", Json(subnet).dump(),
                                        fmt::format("overlap with IPPool {} which 'spec.subnet' is {}", nameOf(*other), theirs))};
    }
    return {};
}

Errors affinityRules(const Json& pool) {
    const Json& affinity = at(pool, {"spec", "podAffinity"});
    if (affinity.is_null())
        return {};
    const auto complaint = [&](const char* text) { return FieldError::invalid("spec.podAffinity", affinity.dump(), text); };
    Errors errors;
    if (isAutoPool(pool)) {
        for (const auto& [key, value] : at(affinity, {"matchLabels"}).items())
            if (!key.starts_with("ipam.spidernet.io/"))
                errors.push_back(
                    complaint("it's invalid to add additional podAffinity matchLabels for auto-created SpiderIPPool"));
        if (!at(affinity, {"matchExpressions"}).empty())
            errors.push_back(
                complaint("it's invalid to add additional podAffinity matchExpressions for auto-created SpiderIPPool"));
        return errors;
    }
    errors = labelSelectorProblems(affinity, "spec.podAffinity");
    if (at(affinity, {"matchLabels"}).empty() && at(affinity, {"matchExpressions"}).empty())
        errors.push_back(complaint("empty podAffinity is invalid for SpiderIPPool"));
    return errors;
}

Errors inUseRules(const Json& pool) {
    const Json records = Json::parse(stringAt(pool, {"status", "allocatedIPs"}, "{}"), nullptr, false);
    const auto total = usable(pool);
    if (records.is_object())
        for (const auto& [text, record] : records.items()) {
            const auto ip = IpAddress::parse(text);
            if (!ip || std::any_of(total.begin(), total.end(), [&](const IpRange& range) { return range.contains(*ip); }))
                continue;
            return {FieldError::forbidden("spec.ips", fmt::format("remove an IP address {} that is being used by Pod {}, {}",
                                                                  text, stringAt(record, {"pod"}), jointly))};
        }
    return {};
}

Errors controllerSubnetRules(const Json& pool, const WebhookContext& context) {
    const Json& owner = controllerOf(pool);
    if (!context.store || !context.enableSpiderSubnet || stringAt(owner, {"kind"}) != "SpiderSubnet")
        return {};
    const ObjectPtr subnet = context.store->find("SpiderSubnet", "", stringAt(owner, {"name"}));
    if (!subnet)
        return {{"spec.subnet", fmt::format("Internal error: failed to get controller Subnet {}", stringAt(owner, {"name"}))}};
    const auto outside = subtractRanges(usable(pool), usable(*subnet));
    if (outside.empty())
        return {};
    return {
        FieldError::forbidden("spec.ips", fmt::format("add some IP ranges {} that are not contained in controller Subnet {}, {}",
                                                      printList(outside), nameOf(*subnet), jointly))};
}

void inheritFromSubnet(Json& pool, const WebhookContext& context) {
    const Json& owner = controllerOf(pool);
    if (!owner.is_null() && labelOf(pool, ownerSubnetLabelKey) == stringAt(owner, {"name"}))
        return;
    const std::string label = cidrLabel(stringAt(pool, {"spec", "subnet"}));
    for (const ObjectPtr& subnet : context.store->list("SpiderSubnet")) {
        if (labelOf(*subnet, subnetCidrLabelKey) != label)
            continue;
        if (stringAt(owner, {"uid"}) != uidOf(*subnet)) {
            Json& owners = pool["metadata"]["ownerReferences"];
            if (!owners.is_array())
                owners = Json::array();
            owners.push_back(controllerReference(*subnet));
        }
        pool["metadata"]["labels"][ownerSubnetLabelKey] = nameOf(*subnet);
        Json& spec = pool["spec"];
        for (const char* key : {"gateway", "vlan", "routes"}) {
            const Json& theirs = at(*subnet, {"spec", key});
            // An explicitly empty list of routes stays empty.
            if (!theirs.is_null() && !spec.contains(key) && !(theirs.is_array() && theirs.empty()))
                spec[key] = theirs;
        }
        return;
    }
}

} // namespace

void mutateIpPool(Json& object, const WebhookContext& context) {
    if (isTerminating(object))
        return;
    addFinalizer(object, spiderpoolFinalizer);
    Json& spec = object["spec"];
    deriveVersionFromSubnet(spec);
    const int version = static_cast<int>(intAt(spec, {"ipVersion"}));
    if (!isCidr(version, stringAt(spec, {"subnet"})))
        return;
    object["metadata"]["labels"][cidrLabelKey] = cidrLabel(stringAt(spec, {"subnet"}));
    if (context.enableSpiderSubnet && context.store)
        inheritFromSubnet(object, context);
    // A list that cannot be merged also keeps the second one from being merged.
    for (const char* key : {"ips", "excludeIPs"}) {
        const auto texts = strings(at(spec, {key}));
        if (texts.size() > 1 &&
            !std::all_of(texts.begin(), texts.end(), [&](const std::string& text) { return isOrderedRange(version, text); }))
            return;
        mergeList(spec, key);
    }
}

Errors validateIpPool(const Json& object, const Json* old, const WebhookContext& context) {
    if (old)
        if (auto errors = unchangeable(object["spec"], at(*old, {"spec"})); !errors.empty())
            return errors;
    if (auto errors = ipVersion(object["spec"], context, "is not generated correctly, 'spec.subnet' may be invalid");
        !errors.empty())
        return errors;
    const int version = static_cast<int>(intAt(object, {"spec", "ipVersion"}));
    if (!old)
        if (auto errors = cidrRules(object, version, context); !errors.empty())
            return errors;
    Errors errors = specRules(object, version, context);
    if (old && !errors.empty())
        return errors;
    for (FieldError& error : affinityRules(object))
        errors.push_back(std::move(error));
    if (old && errors.empty())
        errors = inUseRules(object);
    return errors.empty() ? controllerSubnetRules(object, context) : errors;
}

} // namespace rdmalab::cluster
