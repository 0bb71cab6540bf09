#include "plugins/agent/ipam/candidate_filter.h"

#include "plugins/agent/ipam/label_selector.h"
#include "plugins/agent/ipam/network_selection.h"
#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace rdmalab::plugin::ipam {

namespace {

constexpr const char* defaultNetwork = "v1.multus-cni.io/default-network";
constexpr const char* networksAnnotation = "k8s.v1.cni.cncf.io/networks";

[[noreturn]] void reject(const std::string& reason) {
    throw std::runtime_error(reason);
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

bool present(const Json& spec, const char* key) {
    return !at(spec, {key}).is_null();
}

bool isAutoCreated(const Json& pool) {
    return !at(pool, {"metadata", "labels", "ipam.spidernet.io/owner-application-name"}).is_null();
}

bool belongsTo(const Json& podAffinity, const TopController& controller) {
    const auto slash = controller.apiVersion.find('/');
    const std::string group = controller.apiVersion.substr(0, slash);
    const std::string version = slash == std::string::npos ? "" : controller.apiVersion.substr(slash + 1);
    const auto label = [&](const char* key) { return textAt(podAffinity, {"matchLabels", key}); };
    return label("ipam.spidernet.io/app-api-group") == group && label("ipam.spidernet.io/app-api-version") == version &&
           label("ipam.spidernet.io/app-kind") == controller.kind && label("ipam.spidernet.io/app-namespace") == controller.ns &&
           label("ipam.spidernet.io/app-name") == controller.name;
}

// The more particular a pool, the smaller.
auto rank(const Json& pool) {
    const Json& spec = at(pool, {"spec"});
    return std::array{!present(spec, "podAffinity"),    emptyAt(spec, {"nodeName"}),         !present(spec, "nodeAffinity"),
                      emptyAt(spec, {"namespaceName"}), !present(spec, "namespaceAffinity"), emptyAt(spec, {"multusName"})};
}

} // namespace

void CandidateFilter::apply(std::vector<NicRequest>& requests, const AddArgs& args, const Json& pod,
                            const TopController& controller) const {
    for (NicRequest& request : requests)
        std::erase_if(request.candidates, [&](const Candidate& candidate) {
            return !(candidate.version == 4 ? config_.enableIPv4 : config_.enableIPv6);
        });
    for (NicRequest& request : requests)
        read(request);
    for (NicRequest& request : requests)
        for (Candidate& candidate : request.candidates) {
            const auto all = candidate.pools;
            std::vector<std::string> reasons;
            std::erase_if(candidate.pools, [&](const std::string& pool) {
                try {
                    check(candidate.objects.at(pool), candidate.version, request.nic, args, pod, controller);
                    return false;
                } catch (const std::runtime_error& error) {
                    reasons.emplace_back(error.what());
                    return true;
                }
            });
            if (candidate.pools.empty())
                reject(fmt::format("no IPPool available, all IPv{} IPPools {} of {} filtered out: {}", candidate.version,
                                   goList(all), request.nic, aggregate(reasons)));
            std::erase_if(candidate.objects, [&](const auto& object) { return !contains(candidate.pools, object.first); });
            std::stable_sort(candidate.pools.begin(), candidate.pools.end(), [&](const std::string& a, const std::string& b) {
                return rank(candidate.objects.at(a)) < rank(candidate.objects.at(b));
            });
        }
}

void CandidateFilter::read(NicRequest& request) const {
    for (Candidate& candidate : request.candidates) {
        std::set<std::string> seen;
        for (const auto& pool : candidate.pools) {
            if (!seen.insert(pool).second)
                reject(fmt::format("wrong input, duplicate IPPool {} specified for NIC {}", pool, request.nic));
            if (candidate.objects.contains(pool))
                continue;
            try {
                candidate.objects[pool] = kube_.get(resource::ipPool, "", pool);
            } catch (const KubeError& error) {
                reject(fmt::format("failed to get original IPPool {}: {}", pool, error.what()));
            }
        }
    }
}

void CandidateFilter::check(const Json& pool, int version, const std::string& nic, const AddArgs& args, const Json& pod,
                            const TopController& controller) const {
    const Json& spec = at(pool, {"spec"});
    const std::string name = nameOf(pool);
    if (isTerminating(pool))
        reject("terminating IPPool " + name);
    if (flagAt(spec, {"disable"}))
        reject("disabled IPPool " + name);
    if (const long actual = numberAt(spec, {"ipVersion"}); actual != version)
        reject(fmt::format("expect an IPv{} IPPool, but the version of the IPPool {} is IPv{}", version, name, actual));
    checkNode(spec, name, pod);
    checkNamespace(spec, name, args);
    if (const Json& affinity = at(spec, {"podAffinity"}); !affinity.is_null()) {
        if (isAutoCreated(pool)) {
            if (!belongsTo(affinity, controller))
                reject("unmatched Pod annifity of auto-created IPool " + name);
            return;
        }
        if (!selects(affinity, at(pod, {"metadata", "labels"})))
            reject("unmatched Pod affinity of IPPool " + name);
    }
    checkNetwork(spec, name, nic, pod);
    if (args.matchMasterSubnet && config_.release != AgentRelease::v0_8)
        reject(fmt::format("filterPoolCandidatesByPfSubnet: matchMasterSubnet is not implemented in profile {}",
                           plugin::nameOf(config_.release)));
}

void CandidateFilter::checkNode(const Json& spec, const std::string& pool, const Json& pod) const {
    const auto node = textAt(pod, {"spec", "nodeName"});
    if (const auto names = textsAt(spec, {"nodeName"}); !names.empty()) {
        if (!contains(names, node))
            reject("unmatched Node name of IPPool " + pool);
    } else if (const Json& affinity = at(spec, {"nodeAffinity"}); !affinity.is_null()) {
        if (!selects(affinity, at(kube_.get(resource::node, "", node), {"metadata", "labels"})))
            reject("unmatched Node affinity of IPPool " + pool);
    }
}

void CandidateFilter::checkNamespace(const Json& spec, const std::string& pool, const AddArgs& args) const {
    if (const auto names = textsAt(spec, {"namespaceName"}); !names.empty()) {
        if (!contains(names, args.podNs))
            reject("unmatched Namespace name of IPPool " + pool);
    } else if (const Json& affinity = at(spec, {"namespaceAffinity"}); !affinity.is_null()) {
        if (!selects(affinity, at(kube_.get(resource::ns, "", args.podNs), {"metadata", "labels"})))
            reject("unmatched Namespace affinity of IPPool " + pool);
    }
}

void CandidateFilter::checkNetwork(const Json& spec, const std::string& pool, const std::string& nic, const Json& pod) const {
    const bool old = config_.release == AgentRelease::v0_8;
    const auto wanted = textsAt(spec, {"multusName"});
    if (old && wanted.empty())
        return;
    // 1.x finds out the NIC's network even if the pool accepts any, and fails when it cannot.
    NetworkSelection network;
    if (nic == "eth0" || nic == "0") {
        auto text = annotation(pod, defaultNetwork).value_or("");
        if (text.empty())
            text = config_.multusClusterNetwork;
        if (text.empty())
            reject(fmt::format("cluster-network multus isn't set, the IPPool {} specified multusName {} unmatched", pool,
                               goList(wanted)));
        try {
            network = parseNetworks(text, config_.agentNamespace).at(0);
        } catch (const std::exception& error) {
            reject(fmt::format("failed to parse Annotation '{}' value '{}', error: {}", defaultNetwork, text, error.what()));
        }
    } else {
        const auto text = annotation(pod, networksAnnotation).value_or("");
        std::vector<NetworkSelection> networks;
        try {
            networks = parseNetworks(text, textAt(pod, {"metadata", "namespace"}));
        } catch (const std::runtime_error& error) {
            reject(std::string("failed to parse pod network annotation: ") + error.what());
        }
        int number = 0;
        const auto mine = std::find_if(networks.begin(), networks.end(), [&](const NetworkSelection& selection) {
            ++number;
            return nic == (selection.ifName.empty() ? "net" + std::to_string(number) : selection.ifName) ||
                   nic == std::to_string(number);
        });
        if (mine == networks.end())
            reject(fmt::format("unknown: no matched multus object for NIC '{}'. The multus network-attachments: {}", nic, text));
        network = *mine;
    }
    if (wanted.empty())
        return;
    for (const auto& name : wanted)
        if ((name.find('/') == std::string::npos ? config_.agentNamespace + "/" + name : name) == network.ns + "/" + network.name)
            return;
    if (old)
        reject(fmt::format("interface {} IPPool {} specified multusName {} unmacthed multusCR {}/{}", nic, pool, goList(wanted),
                           network.ns, network.name));
    reject(
        fmt::format("the spec.multusName {} in the IPPool {} used by the Pod interface {} is not matched with the multusCR {}/{} "
                    "specified by the Pod",
                    goList(wanted), pool, nic, network.ns, network.name));
}

} // namespace rdmalab::plugin::ipam
