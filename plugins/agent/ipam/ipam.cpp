#include "plugins/agent/ipam/ipam.h"

#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::plugin::ipam {

namespace {

constexpr const char* routesAnnotation = "ipam.spidernet.io/routes";

std::vector<PoolRoute> customRoutes(const Json& pod) {
    const auto text = annotation(pod, routesAnnotation);
    if (!text)
        return {};
    const std::string complaint = fmt::format("wrong input, invalid format of Pod annotation '{}'", routesAnnotation);
    const Json list = Json::parse(*text, nullptr, false);
    if (!list.is_array())
        throw std::runtime_error(complaint + ": it is no JSON list");
    auto routes = routesOf({{"routes", list}});
    for (const auto& route : routes) {
        const auto dst = Cidr::parse(route.dst);
        const auto gw = IpAddress::parse(route.gw);
        if (!dst)
            throw std::runtime_error(fmt::format("{}: invalid CIDR format '{}'", complaint, route.dst));
        if (!gw)
            throw std::runtime_error(fmt::format("{}: invalid IP format '{}'", complaint, route.gw));
        if (dst->address.isV4() != gw->isV4())
            throw std::runtime_error(fmt::format("{}: invalid route format dst '{}' gw '{}'", complaint, route.dst, route.gw));
    }
    return routes;
}

// Each route goes to the NIC from whose subnet its gateway is; what is left over is dropped.
void distribute(const std::vector<PoolRoute>& routes, std::vector<Allocation>& results) {
    for (const PoolRoute& route : routes)
        for (Allocation& result : results) {
            const auto subnet = Cidr::parse(result.address);
            if (subnet && subnet->contains(*IpAddress::parse(route.gw))) {
                result.routes.push_back(route);
                break;
            }
        }
}

void addRoute(Json& routes, const std::string& nic, const std::string& dst, const std::string& gw) {
    routes.push_back({{"ifName", nic}, {"dst", dst}, {"gw", gw}});
}

Json emptyReply() {
    return {{"ips", Json::array()}, {"routes", Json::array()}};
}

std::string fullName(const Json& pod) {
    return textAt(pod, {"metadata", "namespace"}) + "/" + nameOf(pod);
}

} // namespace

Ipam::Ipam(KubeClient& kube, const AgentConfig& config, PoolManager::Sleep sleep)
    : kube_(kube), config_(config), source_(kube, config), filter_(kube, config), pools_(kube, config, std::move(sleep)),
      endpoints_(kube, config) {}

void Ipam::refuseVirtualMachines(const TopController& controller) const {
    if (config_.enableKubevirtStaticIP && controller.isVirtualMachine())
        throw std::runtime_error("static IP addresses of KubeVirt virtual machines are not implemented in profile " +
                                 std::string(plugin::nameOf(config_.release)));
}

Json Ipam::allocate(const AddArgs& args) {
    Json pod;
    try {
        pod = kube_.get(resource::pod, args.podNs, args.podName);
    } catch (const KubeError& error) {
        throw std::runtime_error(fmt::format("failed to get Pod {}/{}: {}", args.podNs, args.podName, error.what()));
    }
    if (!isAlive(pod))
        throw std::runtime_error(fmt::format("dead Pod {}, we cannot allocate IP addresees to it", fullName(pod)));
    TopController controller;
    try {
        controller = topControllerOf(kube_, pod);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to get the top controller of the Pod {}: {}", fullName(pod), error.what()));
    }
    refuseVirtualMachines(controller);
    std::optional<Json> endpoint;
    try {
        endpoint = endpoints_.find(args.podNs, args.podName);
    } catch (const KubeError& error) {
        throw std::runtime_error(fmt::format("failed to get Endpoint {}: {}", fullName(pod), error.what()));
    }

    if (config_.enableStatefulSet && controller.isStatefulSet()) {
        if (endpoint) {
            const bool moved = config_.release != AgentRelease::v0_8 && releaseOutdated(args, pod, controller, *endpoint);
            if (!moved)
                if (const auto answer = staticOnes(args, pod, controller, *endpoint))
                    return *answer;
        }
    } else if (const auto answer = existing(args, pod, endpoint)) {
        return *answer;
    }
    if (config_.release != AgentRelease::v0_8 && endpoint && uidOf(*endpoint) != textAt(pod, {"metadata", "uid"}))
        endpoint.reset();
    try {
        return allocateNew(args, pod, controller, endpoint);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to allocate IP addresses in standard mode: ") + error.what());
    }
}

std::optional<Json> Ipam::existing(const AddArgs& args, const Json& pod, std::optional<Json>& endpoint) {
    if (!endpoint)
        return std::nullopt;
    const auto uid = textAt(pod, {"metadata", "uid"});
    const std::string prefix = "failed to retrieve the existing IP allocation: ";
    if (uidOf(*endpoint) != uid) {
        // Of a pod that had the same name.
        if (config_.release == AgentRelease::v0_8)
            throw std::runtime_error(
                fmt::format("{}currently, the IP allocation of the Pod {} (UID: {}) is being recycled. You may "
                            "create two Pods with the same namespace and name in a very short time",
                            prefix, fullName(*endpoint), uidOf(*endpoint)));
        try {
            if (!isTerminating(*endpoint))
                endpoints_.remove(*endpoint);
            endpoints_.removeFinalizer(*endpoint);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(prefix + error.what());
        }
        endpoint.reset();
        return std::nullopt;
    }
    if (!hasNic(*endpoint, args.ifName))
        return std::nullopt;
    if (leavesOutNicNames(pod)) {
        try {
            endpoints_.nameNic(*endpoint, args.ifName);
        } catch (const KubeError& error) {
            throw std::runtime_error(fmt::format("{}failed to update SpiderEndpoint allocation details NIC name {}, error: {}",
                                                 prefix, args.ifName, error.what()));
        }
    }
    return reply(ipsOf(*endpoint));
}

std::optional<Json> Ipam::staticOnes(const AddArgs& args, const Json& pod, const TopController& controller, Json& endpoint) {
    if (!hasNic(endpoint, args.ifName))
        return std::nullopt;
    const auto uid = textAt(pod, {"metadata", "uid"});
    try {
        const auto ips = poolIpsOf(ipsOf(endpoint), uid);
        {
            const auto ticket = limiter_.acquire(poolNames(ips));
            std::vector<std::string> errors;
            for (const auto& [pool, list] : ips) {
                try {
                    pools_.changeUids(pool, fullName(endpoint), list);
                } catch (const std::runtime_error& error) {
                    errors.emplace_back(error.what());
                }
            }
            if (!errors.empty())
                throw std::runtime_error(
                    fmt::format("failed to reallocate IPPool IP records, error: failed to re-allocate all allocated "
                                "IP addresses {}: {}",
                                print(ips), aggregate(errors)));
        }
        try {
            endpoints_.takeOver(endpoint, uid, textAt(pod, {"spec", "nodeName"}), args.ifName, leavesOutNicNames(pod));
        } catch (const KubeError& error) {
            throw std::runtime_error(
                fmt::format("failed to refresh the current IP allocation of {}: {}", controller.kind, error.what()));
        }
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to retrieve the IP allocation of {}/{}/{}: {}", controller.kind,
                                             controller.ns, controller.name, error.what()));
    }
    return reply(ipsOf(endpoint));
}

// A StatefulSet's pod keeps its addresses only while their pools are still among the candidates. True: some went back.
bool Ipam::releaseOutdated(const AddArgs& args, const Json& pod, const TopController& controller, Json& endpoint) {
    const bool unnamed = leavesOutNicNames(pod);
    const auto requests = source_.select(args, pod, controller);
    const auto stillOffered = [&](const std::string& nic, const std::string& pool) {
        return std::any_of(requests.begin(), requests.end(), [&](const NicRequest& request) {
            return request.nic == nic &&
                   std::any_of(request.candidates.begin(), request.candidates.end(), [&](const Candidate& candidate) {
                       return std::find(candidate.pools.begin(), candidate.pools.end(), pool) != candidate.pools.end();
                   });
        });
    };
    Json kept = Json::array(), outdated = Json::array();
    int index = 0;
    for (const Json& entry : ipsOf(endpoint)) {
        const auto nic = textAt(entry, {"interface"});
        bool good = true;
        for (const char* key : {"ipv4Pool", "ipv6Pool"})
            if (const auto pool = textAt(entry, {key}); !pool.empty())
                good =
                    good && (unnamed ? stillOffered(std::to_string(index), pool) : nic != args.ifName || stillOffered(nic, pool));
        (good ? kept : outdated).push_back(entry);
        ++index;
    }
    if (outdated.empty())
        return false;
    const auto uid = uidOf(endpoint);
    // Numbered NICs belong together: all are allocated anew.
    if (unnamed || kept.empty()) {
        const Json all = ipsOf(endpoint);
        if (!isTerminating(endpoint))
            endpoints_.remove(endpoint);
        endpoints_.removeFinalizer(endpoint);
        releaseIps(uid, all);
    } else {
        endpoints_.replaceIps(endpoint, std::move(kept));
        releaseIps(uid, outdated);
    }
    return true;
}

Json Ipam::allocateNew(const AddArgs& args, const Json& pod, const TopController& controller,
                       const std::optional<Json>& endpoint) {
    const bool unnamed = leavesOutNicNames(pod);
    const auto uid = textAt(pod, {"metadata", "uid"});
    const auto routes = customRoutes(pod);
    auto requests = source_.select(args, pod, controller);
    filter_.apply(requests, args, pod, controller);

    std::vector<Allocation> results;
    try {
        std::string failure;
        results = allocateAll(requests, pod, failure);
        if (!failure.empty())
            throw std::runtime_error(failure);
        distribute(routes, results);
        try {
            endpoints_.record(results, endpoint, pod, controller, unnamed);
        } catch (const KubeError& error) {
            throw std::runtime_error(std::string("failed to patch IP allocation results to Endpoint: ") + error.what());
        }
    } catch (const std::runtime_error&) {
        const std::lock_guard lock(mutex_);
        if (unnamed)
            partial_.erase(uid);
        else if (!results.empty())
            partial_[uid] = results;
        throw;
    }
    {
        const std::lock_guard lock(mutex_);
        partial_.erase(uid);
    }
    if (unnamed) {
        std::stable_sort(results.begin(), results.end(),
                         [](const Allocation& a, const Allocation& b) { return std::stoi(a.nic) < std::stoi(b.nic); });
        for (Allocation& result : results)
            if (result.nic == "0")
                result.nic = "eth0";
    }
    return reply(results);
}

std::vector<Allocation> Ipam::allocateAll(const std::vector<NicRequest>& requests, const Json& pod, std::string& failure) {
    std::vector<std::string> pools;
    for (const NicRequest& request : requests)
        for (const Candidate& candidate : request.candidates)
            pools.insert(pools.end(), candidate.pools.begin(), candidate.pools.end());
    const auto ticket = limiter_.acquire(pools);
    std::vector<Allocation> results;
    std::vector<std::string> errors;
    for (const NicRequest& request : requests)
        for (const Candidate& candidate : request.candidates) {
            try {
                results.push_back(allocateOne(candidate, request, pod));
            } catch (const std::runtime_error& error) {
                errors.emplace_back(error.what());
            }
        }
    if (!errors.empty())
        failure = aggregate(errors);
    return results;
}

Allocation Ipam::allocateOne(const Candidate& candidate, const NicRequest& request, const Json& pod) {
    const auto uid = textAt(pod, {"metadata", "uid"});
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = partial_.find(uid); known != partial_.end())
            for (const Allocation& old : known->second)
                if (old.nic == request.nic && candidate.objects.contains(old.pool)) {
                    Allocation again = old;
                    again.routes = routesOf(at(candidate.objects.at(old.pool), {"spec"}));
                    again.cleanGateway = request.cleanGateway;
                    return again;
                }
    }
    std::vector<std::string> errors;
    for (const auto& pool : candidate.pools) {
        try {
            Allocation result = pools_.allocate(pool, request.nic, fullName(pod), uid);
            result.cleanGateway = request.cleanGateway;
            return result;
        } catch (const std::runtime_error& error) {
            errors.emplace_back(error.what());
        }
    }
    throw std::runtime_error(fmt::format("failed to allocate any IPv{} IP address to NIC {} from IPPools {}: {}",
                                         candidate.version, request.nic, goList(candidate.pools), aggregate(errors)));
}

void Ipam::release(DelArgs args) {
    std::optional<Json> pod;
    try {
        pod = findPod(kube_, args.podNs, args.podName);
    } catch (const KubeError& error) {
        throw std::runtime_error(fmt::format("failed to get Pod {}/{}: {}", args.podNs, args.podName, error.what()));
    }
    if (pod && isAlive(*pod))
        return; // its sandbox is made anew, with the same addresses
    if (pod)
        args.podUid = textAt(*pod, {"metadata", "uid"});
    if (args.podUid.empty())
        return; // left to the garbage collection
    {
        const std::lock_guard lock(mutex_);
        partial_.erase(args.podUid);
    }
    std::optional<Json> endpoint;
    try {
        endpoint = endpoints_.find(args.podNs, args.podName);
    } catch (const KubeError& error) {
        throw std::runtime_error(fmt::format("failed to get Endpoint {}/{}: {}", args.podNs, args.podName, error.what()));
    }
    if (!endpoint)
        return;
    const auto owner = textAt(*endpoint, {"status", "ownerControllerType"});
    if (config_.enableStatefulSet && owner == "StatefulSet") {
        try {
            if (isWantedByStatefulSet(kube_, args.podNs, args.podName))
                return;
        } catch (const KubeError& error) {
            throw std::runtime_error(fmt::format("failed to check pod '{}/{}' whether is a valid StatefulSet pod, error: {}",
                                                 args.podNs, args.podName, error.what()));
        }
        endpoints_.remove(*endpoint);
    }
    if (uidOf(*endpoint) != args.podUid || !hasNic(*endpoint, args.ifName))
        return;
    releaseIps(args.podUid, ipsOf(*endpoint));
    try {
        endpoints_.removeFinalizer(*endpoint);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to clean Endpoint: ") + error.what());
    }
}

void Ipam::releaseAll(DelArgs args) {
    std::optional<Json> pod;
    if (args.podUid.empty() || args.releaseConflictIps) {
        try {
            pod = findPod(kube_, args.podNs, args.podName);
        } catch (const KubeError& error) {
            throw std::runtime_error(fmt::format("failed to get Pod '{}/{}', error: {}", args.podNs, args.podName, error.what()));
        }
        if (!pod && args.podUid.empty())
            return;
        if (args.podUid.empty())
            args.podUid = textAt(*pod, {"metadata", "uid"});
    }
    if (args.releaseConflictIps) {
        if (!config_.releaseConflictIps)
            throw ReleaseForbidden(521, "forbid releasing IPs for stateless workload");
        if (!pod)
            throw std::runtime_error(
                fmt::format("failed to get Pod '{0}/{1}', error: pods \"{1}\" not found", args.podNs, args.podName));
        const TopController controller = topControllerOf(kube_, *pod);
        if ((config_.enableStatefulSet && controller.isStatefulSet()) ||
            (config_.enableKubevirtStaticIP && controller.isVirtualMachine()))
            throw ReleaseForbidden(522, "forbid releasing IPs for stateful workload "); // the space is upstream's
    }
    Json endpoint;
    try {
        endpoint = kube_.get(resource::endpoint, args.podNs, args.podName);
    } catch (const KubeError& error) {
        throw std::runtime_error(
            fmt::format("failed to get SpiderEndpoint '{}/{}', error: {}", args.podNs, args.podName, error.what()));
    }
    if (uidOf(endpoint) != args.podUid)
        throw std::runtime_error(
            fmt::format("failed to release SpiderEndpoint IPs, error: the SpiderEndpoint recorded PodUID '{}' is "
                        "unmacthed with the given PodUID '{}'",
                        uidOf(endpoint), args.podUid));
    const Json ips = ipsOf(endpoint);
    if (ips.empty())
        return;
    endpoints_.replaceIps(endpoint, Json::array());
    releaseIps(args.podUid, ips);
}

void Ipam::releaseIps(const std::string& uid, const Json& ips) {
    const auto byPool = poolIpsOf(ips, uid);
    const auto ticket = limiter_.acquire(poolNames(byPool));
    std::vector<std::string> errors;
    for (const auto& [pool, list] : byPool) {
        try {
            pools_.release(pool, list);
        } catch (const std::runtime_error& error) {
            errors.emplace_back(error.what());
        }
    }
    if (!errors.empty())
        throw std::runtime_error(
            fmt::format("failed to release all allocated IP addresses {}: {}", print(byPool), aggregate(errors)));
}

Json Ipam::reply(const std::vector<Allocation>& results) const {
    Json answer = emptyReply();
    for (const Allocation& result : results) {
        Json ip = {{"version", result.version}, {"address", result.address}, {"nic", result.nic}, {"ipPool", result.pool}};
        if (!result.gateway.empty())
            ip["gateway"] = result.gateway;
        if (result.vlan != 0)
            ip["vlan"] = result.vlan;
        // 0.8 leaves both to the coordinator.
        if (config_.release != AgentRelease::v0_8 && config_.enableGatewayDetection)
            ip["enableGatewayDetection"] = true;
        if (config_.release != AgentRelease::v0_8 && config_.enableIPConflictDetection)
            ip["enableIPConflictDetection"] = true;
        answer["ips"].push_back(std::move(ip));
        for (const PoolRoute& route : result.routes)
            addRoute(answer["routes"], result.nic, route.dst, route.gw);
        if (!result.gateway.empty() && !result.cleanGateway)
            addRoute(answer["routes"], result.nic, result.version == 4 ? "0.0.0.0/0" : "::/0", result.gateway);
    }
    return answer;
}

Json Ipam::reply(const Json& ips) const {
    std::vector<Allocation> results;
    for (const Json& entry : ips) {
        bool first = true;
        for (const int version : {4, 6}) {
            const std::string family = "ipv" + std::to_string(version);
            const auto address = textAt(entry, {family.c_str()});
            if (address.empty())
                continue;
            // The endpoint does not tell which family a route is of; the first address of the NIC takes them all.
            results.push_back({version, textAt(entry, {"interface"}), address, textAt(entry, {(family + "Pool").c_str()}),
                               textAt(entry, {(family + "Gateway").c_str()}), numberAt(entry, {"vlan"}),
                               flagAt(entry, {"cleanGateway"}), first ? routesOf(entry) : std::vector<PoolRoute>()});
            first = false;
        }
    }
    return reply(results);
}

} // namespace rdmalab::plugin::ipam
