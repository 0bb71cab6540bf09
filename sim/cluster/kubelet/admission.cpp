#include "sim/cluster/kubelet/admission.h"

#include "sim/cluster/kubelet/device_manager.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/node_match.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {

namespace {

std::optional<Rejection> insufficient(const std::string& resource, std::int64_t requested, std::int64_t used,
                                      std::int64_t capacity) {
    return Rejection{"OutOf" + resource,
                     fmt::format("Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}", resource,
                                 requested, used, capacity)};
}

std::optional<Rejection> failed(const std::string& predicate, const std::string& text) {
    return Rejection{predicate, fmt::format("Predicate {} failed: {}", predicate, text)};
}

std::optional<Rejection> checkResources(const AdmissionInputs& in) {
    Amounts allocatable = amountsOf(at(in.node, {"status", "allocatable"}));
    for (const auto& [resource, count] : in.allocated)
        if (const auto found = allocatable.find(resource); found != allocatable.end())
            found->second = std::max(found->second, count);
    Amounts used;
    for (const auto& other : in.others)
        for (const auto& [resource, amount] : other.requests)
            used[resource] += amount;
    const auto count = static_cast<std::int64_t>(in.others.size());
    if (allocatable.contains("pods") && count + 1 > allocatable["pods"])
        return insufficient("pods", 1, count, allocatable["pods"]);
    const Amounts requests = podRequests(at(in.pod, {"spec"}));
    // cpu, memory and storage before the rest, as upstream
    for (const char* first : {"cpu", "memory", "ephemeral-storage"})
        if (const auto wanted = requests.find(first); wanted != requests.end() && wanted->second > 0)
            if (wanted->second > allocatable[first] - used[first])
                return insufficient(first, wanted->second, used[first], allocatable[first]);
    for (const auto& [resource, amount] : requests) {
        if (resource == "cpu" || resource == "memory" || resource == "ephemeral-storage" || amount == 0)
            continue;
        const auto known = allocatable.find(resource);
        // A pod bound by hand to a node that never had the resource runs without it.
        if (known == allocatable.end() && isExtendedResourceName(resource))
            continue;
        const std::int64_t capacity = known == allocatable.end() ? 0 : known->second;
        if (amount > capacity - used[resource])
            return insufficient(resource, amount, used[resource], capacity);
    }
    return std::nullopt;
}

} // namespace

std::set<std::string> hostPortsOf(const Json& podSpec) {
    std::set<std::string> result;
    const bool hostNetwork = boolAt(podSpec, {"hostNetwork"});
    if (const Json& containers = at(podSpec, {"containers"}); containers.is_array())
        for (const Json& container : containers)
            if (const Json& ports = at(container, {"ports"}); ports.is_array())
                for (const Json& port : ports) {
                    const auto number = intAt(port, {"hostPort"}, hostNetwork ? intAt(port, {"containerPort"}) : 0);
                    if (number > 0)
                        result.insert(fmt::format("{}/{}/{}", stringAt(port, {"protocol"}, "TCP"), number,
                                                  stringAt(port, {"hostIP"}, "0.0.0.0")));
                }
    return result;
}

bool portsCollide(const std::set<std::string>& a, const std::set<std::string>& b) {
    const auto split = [](const std::string& entry) {
        const auto slash = entry.rfind('/');
        return std::pair(entry.substr(0, slash), entry.substr(slash + 1));
    };
    for (const auto& left : a)
        for (const auto& right : b) {
            const auto [portA, ipA] = split(left);
            const auto [portB, ipB] = split(right);
            if (portA == portB && (ipA == ipB || ipA == "0.0.0.0" || ipB == "0.0.0.0"))
                return true;
        }
    return false;
}

std::optional<Rejection> failedPredicate(const AdmissionInputs& in) {
    if (auto rejection = checkResources(in))
        return rejection;
    const Json& spec = at(in.pod, {"spec"});
    if (!nodeRequirementOf(spec).matches(nameOf(in.node), labelsOf(in.node)))
        return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    if (const std::string wanted = stringAt(spec, {"nodeName"}); !wanted.empty() && wanted != nameOf(in.node))
        return failed("NodeName", "node(s) didn't match the requested node name");
    if (const auto ports = hostPortsOf(spec); !ports.empty())
        for (const auto& other : in.others)
            if (portsCollide(ports, hostPortsOf(at(other.pod, {"spec"}))))
                return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    const auto tolerations = tolerationsOf(spec);
    for (const auto& taint : taintsOf(in.node))
        if (taint.effect == "NoExecute" && !isTolerated(taint, tolerations))
            return failed("TaintToleration", "node(s) had taints that the pod didn't tolerate");
    return std::nullopt;
}

} // namespace rdmalab::cluster
