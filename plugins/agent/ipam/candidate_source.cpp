#include "plugins/agent/ipam/candidate_source.h"

#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <fnmatch.h>

#include <set>

namespace rdmalab::plugin::ipam {

namespace {

constexpr const char* poolsAnnotation = "ipam.spidernet.io/ippools";
constexpr const char* poolAnnotation = "ipam.spidernet.io/ippool";
constexpr const char* subnetsAnnotation = "ipam.spidernet.io/subnets";
constexpr const char* subnetAnnotation = "ipam.spidernet.io/subnet";

std::string badAnnotation(const char* name) {
    return fmt::format("wrong input, invalid format of Pod annotation '{}'", name);
}

Json parsed(const std::string& text, bool isList, const std::string& complaint) {
    Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded() || (isList ? !value.is_array() : !value.is_object()))
        throw std::runtime_error(fmt::format("{}: it is no JSON {}", complaint, isList ? "list" : "object"));
    return value;
}

bool hasWildcard(const std::string& name) {
    return name.find_first_of("*?[") != std::string::npos;
}

} // namespace

bool leavesOutNicNames(const Json& pod) {
    const auto text = annotation(pod, poolsAnnotation);
    const Json list = text ? Json::parse(*text, nullptr, false) : Json();
    if (!list.is_array() || list.empty())
        return false;
    for (const Json& item : list)
        if (!textAt(item, {"interface"}).empty())
            return false;
    return true;
}

std::vector<NicRequest> CandidateSource::select(const AddArgs& args, const Json& pod, const TopController& controller) const {
    checkSubnetAnnotations(pod, controller);
    if (const auto text = annotation(pod, poolsAnnotation))
        return fromPoolsAnnotation(*text, args.ifName);
    if (const auto text = annotation(pod, poolAnnotation)) {
        const Json pools = parsed(*text, false, badAnnotation(poolAnnotation));
        return {requestOf(args, textsAt(pools, {"ipv4"}), textsAt(pools, {"ipv6"}))};
    }
    const Json ns = kube_.get(resource::ns, "", args.podNs);
    std::vector<std::string> pools[2];
    const char* keys[2] = {"ipam.spidernet.io/default-ipv4-ippool", "ipam.spidernet.io/default-ipv6-ippool"};
    for (int family = 0; family < 2; ++family)
        if (const auto text = annotation(ns, keys[family]))
            pools[family] = textsAt(
                parsed(*text, true, fmt::format("wrong input, invalid format of Namespace annotation '{}'", keys[family])), {});
    if (!pools[0].empty() || !pools[1].empty())
        return {requestOf(args, pools[0], pools[1])};
    if (!args.v4Pools.empty() || !args.v6Pools.empty())
        return {requestOf(args, args.v4Pools, args.v6Pools)};
    return {clusterDefaults(args)};
}

void CandidateSource::checkSubnetAnnotations(const Json& pod, const TopController& controller) const {
    const bool present = annotation(pod, subnetsAnnotation) || annotation(pod, subnetAnnotation);
    if (!present || !config_.enableSpiderSubnet)
        return;
    const bool old = config_.release == AgentRelease::v0_8;
    if (!old && !config_.enableAutoPool)
        throw std::runtime_error(fmt::format("it's invalid to use '{}' or '{}' annotation when Auto-Pool feature is disabled",
                                             subnetsAnnotation, subnetAnnotation));
    if (controller.isPod()) {
        if (old)
            return; // goes on with the other sources
        throw std::runtime_error(
            "failed to get IPPool candidates from Subnet: SpiderSubnet feature doesn't support no-controller pod");
    }
    throw std::runtime_error(
        fmt::format("failed to get IPPool candidates from Subnet: auto-created IPPools (annotation '{}') are not "
                    "implemented in profile {}",
                    annotation(pod, subnetsAnnotation) ? subnetsAnnotation : subnetAnnotation, plugin::nameOf(config_.release)));
}

std::vector<NicRequest> CandidateSource::fromPoolsAnnotation(const std::string& text, const std::string& nic) const {
    const std::string complaint = badAnnotation(poolsAnnotation);
    const Json list = parsed(text, true, complaint);
    const auto refuse = [&](const std::string& why) { throw std::runtime_error(complaint + ": " + why); };
    if (list.empty())
        refuse("value requires at least one item");
    const bool namesGiven = !textAt(list.front(), {"interface"}).empty();
    std::set<std::string> seen;
    std::vector<NicRequest> requests;
    for (const Json& item : list) {
        NicRequest request;
        request.nic = textAt(item, {"interface"});
        if (request.nic.empty() == namesGiven)
            refuse("NIC should be either all specified or all unspecified");
        if (!namesGiven)
            request.nic = std::to_string(requests.size());
        // 0.8 means to check this too, but never does.
        if (!seen.insert(request.nic).second && config_.release != AgentRelease::v0_8)
            refuse("duplicate interface " + request.nic);
        request.cleanGateway = flagAt(item, {"cleangateway"});
        for (const int version : {4, 6})
            if (auto pools = textsAt(item, {version == 4 ? "ipv4" : "ipv6"}); !pools.empty())
                request.candidates.push_back({version, expanded(pools, version), {}});
        requests.push_back(std::move(request));
    }
    if (namesGiven && !seen.contains(nic) && config_.release != AgentRelease::v0_8)
        refuse(fmt::format("interface {} must be specified", nic));
    return requests;
}

NicRequest CandidateSource::requestOf(const AddArgs& args, const std::vector<std::string>& v4,
                                      const std::vector<std::string>& v6) const {
    NicRequest request{args.ifName, args.cleanGateway, {}};
    if (!v4.empty())
        request.candidates.push_back({4, expanded(v4, 4), {}});
    if (!v6.empty())
        request.candidates.push_back({6, expanded(v6, 6), {}});
    return request;
}

// Wildcards came with 1.0; before, they are names like any other.
std::vector<std::string> CandidateSource::expanded(const std::vector<std::string>& names, int version) const {
    if (config_.release == AgentRelease::v0_8 || std::none_of(names.begin(), names.end(), hasWildcard))
        return names;
    const Json pools = kube_.list(resource::ipPool, "");
    std::vector<std::string> result;
    for (const auto& name : names) {
        if (!hasWildcard(name)) {
            result.push_back(name);
            continue;
        }
        for (const Json& pool : pools)
            if (numberAt(pool, {"spec", "ipVersion"}) == version &&
                ::fnmatch(name.c_str(), nameOf(pool).c_str(), FNM_PATHNAME) == 0)
                result.push_back(nameOf(pool));
    }
    return result;
}

NicRequest CandidateSource::clusterDefaults(const AddArgs& args) const {
    NicRequest request{args.ifName, args.cleanGateway, {}};
    Candidate v4{4, {}, {}}, v6{6, {}, {}};
    for (const Json& pool : kube_.list(resource::ipPool, ""))
        if (flagAt(pool, {"spec", "default"})) {
            Candidate& candidate = numberAt(pool, {"spec", "ipVersion"}) == 4 ? v4 : v6;
            candidate.pools.push_back(nameOf(pool));
            candidate.objects[nameOf(pool)] = pool;
        }
    if (v4.pools.empty() && v6.pools.empty())
        throw std::runtime_error("no IPPool available, no pool selection rules of any type are specified");
    for (Candidate* candidate : {&v4, &v6})
        if (!candidate->pools.empty())
            request.candidates.push_back(std::move(*candidate));
    return request;
}

} // namespace rdmalab::plugin::ipam
