#include "plugins/agent/ipam/endpoint_manager.h"

#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::plugin::ipam {

namespace {

constexpr const char* finalizer = "spiderpool.spidernet.io";

Json& ipsIn(Json& endpoint) {
    Json& ips = endpoint["status"]["current"]["ips"];
    if (!ips.is_array())
        ips = Json::array();
    return ips;
}

bool nameFirstUnnamed(Json& endpoint, const std::string& nic) {
    for (Json& entry : ipsIn(endpoint)) {
        const auto name = textAt(entry, {"interface"});
        if (name == nic)
            return false;
        if (name.empty()) {
            entry["interface"] = nic;
            return true;
        }
    }
    return false;
}

} // namespace

const Json& ipsOf(const Json& endpoint) {
    return at(endpoint, {"status", "current", "ips"});
}

std::string uidOf(const Json& endpoint) {
    return textAt(endpoint, {"status", "current", "uid"});
}

bool hasNic(const Json& endpoint, const std::string& nic) {
    const Json& ips = ipsOf(endpoint);
    return std::any_of(ips.begin(), ips.end(), [&](const Json& entry) {
        const auto name = textAt(entry, {"interface"});
        return name.empty() || name == nic;
    });
}

PoolIps poolIpsOf(const Json& ips, const std::string& uid) {
    PoolIps result;
    for (const Json& entry : ips)
        for (const auto& [address, pool] : {std::pair{"ipv4", "ipv4Pool"}, std::pair{"ipv6", "ipv6Pool"}})
            if (const auto text = textAt(entry, {address}); !text.empty())
                result[textAt(entry, {pool})].push_back({text.substr(0, text.find('/')), uid});
    return result;
}

Json detailsOf(const std::vector<Allocation>& results, bool unnamed) {
    Json details = Json::array();
    for (const Allocation& result : results) {
        auto entry =
            std::find_if(details.begin(), details.end(), [&](const Json& known) { return known["interface"] == result.nic; });
        if (entry == details.end()) {
            details.push_back({{"interface", result.nic}, {"vlan", result.vlan}});
            entry = details.end() - 1;
        }
        const std::string family = "ipv" + std::to_string(result.version);
        (*entry)[family] = result.address;
        (*entry)[family + "Pool"] = result.pool;
        if (!result.gateway.empty()) {
            (*entry)[family + "Gateway"] = result.gateway;
            (*entry)["cleanGateway"] = result.cleanGateway;
        }
        for (const PoolRoute& route : result.routes)
            (*entry)["routes"].push_back({{"dst", route.dst}, {"gw", route.gw}});
    }
    if (unnamed) {
        std::stable_sort(details.begin(), details.end(), [](const Json& a, const Json& b) {
            return std::stoi(textAt(a, {"interface"}, "0")) < std::stoi(textAt(b, {"interface"}, "0"));
        });
        for (std::size_t i = 0; i < details.size(); ++i)
            details[i]["interface"] = i == 0 ? "eth0" : "";
    }
    return details;
}

std::optional<Json> EndpointManager::find(const std::string& ns, const std::string& name) const {
    try {
        return kube_.get(resource::endpoint, ns, name);
    } catch (const KubeError& error) {
        if (error.notFound())
            return std::nullopt;
        throw;
    }
}

bool EndpointManager::isStatic(const TopController& controller) const {
    return config_.enableStatefulSet && controller.isStatefulSet();
}

void EndpointManager::record(const std::vector<Allocation>& results, std::optional<Json> endpoint, const Json& pod,
                             const TopController& controller, bool unnamed) const {
    const auto ns = textAt(pod, {"metadata", "namespace"}), name = nameOf(pod), uid = textAt(pod, {"metadata", "uid"});
    Json details = detailsOf(results, unnamed);
    if (!endpoint) {
        Json created = {{"apiVersion", resource::endpoint.apiVersion},
                        {"kind", resource::endpoint.kind},
                        {"metadata", {{"name", name}, {"namespace", ns}, {"finalizers", Json::array({finalizer})}}},
                        {"status",
                         {{"current", {{"uid", uid}, {"node", textAt(pod, {"spec", "nodeName"})}, {"ips", details}}},
                          {"ownerControllerType", controller.kind},
                          {"ownerControllerName", controller.name}}}};
        // That of a StatefulSet outlives its pod, which comes back under the same name.
        if (!isStatic(controller))
            created["metadata"]["ownerReferences"] =
                Json::array({{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", name}, {"uid", uid}}});
        try {
            kube_.create(resource::endpoint, created);
            return;
        } catch (const KubeError& error) {
            if (!error.alreadyExists() || !isStatic(controller))
                throw;
        }
        // Only some NICs of a StatefulSet's pod moved to other pools: the endpoint of its predecessor still has the others.
        endpoint = kube_.get(resource::endpoint, ns, name);
        (*endpoint)["status"]["current"]["uid"] = uid;
        (*endpoint)["status"]["current"]["node"] = textAt(pod, {"spec", "nodeName"});
    }
    if (uidOf(*endpoint) != uid)
        return;
    Json& ips = ipsIn(*endpoint);
    for (Json& entry : details)
        if (config_.release == AgentRelease::v0_8 || std::none_of(ips.begin(), ips.end(), [&](const Json& known) {
                return textAt(known, {"interface"}) == textAt(entry, {"interface"});
            }))
            ips.push_back(std::move(entry));
    kube_.update(resource::endpoint, *endpoint);
}

void EndpointManager::nameNic(Json& endpoint, const std::string& nic) const {
    if (nameFirstUnnamed(endpoint, nic))
        endpoint = kube_.update(resource::endpoint, endpoint);
}

void EndpointManager::takeOver(Json& endpoint, const std::string& uid, const std::string& node, const std::string& nic,
                               bool unnamed) const {
    const Json before = endpoint;
    endpoint["status"]["current"]["uid"] = uid;
    endpoint["status"]["current"]["node"] = node;
    if (unnamed)
        nameFirstUnnamed(endpoint, nic);
    if (endpoint != before)
        endpoint = kube_.update(resource::endpoint, endpoint);
}

void EndpointManager::replaceIps(Json& endpoint, Json ips) const {
    ipsIn(endpoint) = std::move(ips);
    endpoint = kube_.update(resource::endpoint, endpoint);
}

void EndpointManager::remove(const Json& endpoint) const {
    try {
        kube_.remove(resource::endpoint, textAt(endpoint, {"metadata", "namespace"}), nameOf(endpoint));
    } catch (const KubeError& error) {
        if (!error.notFound())
            throw;
    }
}

void EndpointManager::removeFinalizer(const Json& endpoint) const {
    const auto ns = textAt(endpoint, {"metadata", "namespace"});
    Json kept = Json::array();
    bool found = false;
    for (const Json& entry : at(endpoint, {"metadata", "finalizers"}))
        if (entry == finalizer)
            found = true;
        else
            kept.push_back(entry);
    if (!found)
        return;
    try {
        kube_.mergePatch(resource::endpoint, ns, nameOf(endpoint),
                         {{"metadata", {{"finalizers", kept.empty() ? Json() : std::move(kept)}}}});
    } catch (const KubeError& error) {
        if (!error.notFound())
            throw std::runtime_error(fmt::format("failed to remove finalizer {} from Endpoint {}/{}: {}", finalizer, ns,
                                                 nameOf(endpoint), error.what()));
    }
}

} // namespace rdmalab::plugin::ipam
