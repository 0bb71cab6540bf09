#include "plugins/agent/ipam/pod.h"

#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <charconv>

namespace rdmalab::plugin::ipam {

namespace {

const ResourceType replicaSet{"apps/v1", "replicasets", "ReplicaSet", true};
const ResourceType statefulSet{"apps/v1", "statefulsets", "StatefulSet", true};
const ResourceType job{"batch/v1", "jobs", "Job", true};

const Json& controllerOf(const Json& object) {
    for (const Json& owner : at(object, {"metadata", "ownerReferences"}))
        if (flagAt(owner, {"controller"}))
            return owner;
    return at(object, {"metadata", "ownerReferences", ""}); // null
}

TopController named(const Json& owner, const std::string& ns) {
    return {textAt(owner, {"apiVersion"}), textAt(owner, {"kind"}), ns, textAt(owner, {"name"}), textAt(owner, {"uid"})};
}

} // namespace

bool isAlive(const Json& pod) {
    if (isTerminating(pod))
        return false;
    const auto phase = textAt(pod, {"status", "phase"});
    const auto restart = textAt(pod, {"spec", "restartPolicy"}, "Always");
    if (phase == "Succeeded" && restart != "Always")
        return false;
    if (phase == "Failed" && (restart == "Never" || textAt(pod, {"status", "reason"}) == "Evicted"))
        return false;
    return true;
}

TopController topControllerOf(KubeClient& kube, const Json& pod) {
    const auto ns = textAt(pod, {"metadata", "namespace"});
    const Json& owner = controllerOf(pod);
    if (owner.is_null())
        return {"v1", "Pod", ns, nameOf(pod), textAt(pod, {"metadata", "uid"})};
    const TopController first = named(owner, ns);
    // Of what a higher controller makes, that one counts.
    const ResourceType* type = first.apiVersion == "apps/v1" && first.kind == "ReplicaSet" ? &replicaSet
                               : first.apiVersion == "batch/v1" && first.kind == "Job"     ? &job
                                                                                           : nullptr;
    if (type == nullptr)
        return first;
    const char* higher = first.kind == "Job" ? "CronJob" : "Deployment";
    try {
        const Json object = kube.get(*type, ns, first.name);
        const Json& above = controllerOf(object);
        if (!above.is_null() && textAt(above, {"apiVersion"}) == first.apiVersion && textAt(above, {"kind"}) == higher)
            return named(above, ns);
    } catch (const KubeError& error) {
        throw std::runtime_error(fmt::format("failed to get pod '{}/{}' owner: {}", ns, nameOf(pod), error.what()));
    }
    return first;
}

std::optional<Json> findPod(KubeClient& kube, const std::string& ns, const std::string& name) {
    try {
        return kube.get(resource::pod, ns, name);
    } catch (const KubeError& error) {
        if (error.notFound())
            return std::nullopt;
        throw;
    }
}

bool isWantedByStatefulSet(KubeClient& kube, const std::string& ns, const std::string& podName) {
    const auto dash = podName.rfind('-');
    if (dash == std::string::npos)
        return false;
    long ordinal = 0;
    const char* end = podName.data() + podName.size();
    if (const auto [rest, error] = std::from_chars(podName.data() + dash + 1, end, ordinal); error != std::errc() || rest != end)
        return false;
    try {
        const Json set = kube.get(statefulSet, ns, podName.substr(0, dash));
        const long start = numberAt(set, {"spec", "ordinals", "start"});
        return start <= ordinal && ordinal < start + numberAt(set, {"spec", "replicas"}, 1);
    } catch (const KubeError& error) {
        if (error.notFound())
            return false;
        throw;
    }
}

std::optional<std::string> annotation(const Json& object, const char* key) {
    const Json& value = at(object, {"metadata", "annotations", key});
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

} // namespace rdmalab::plugin::ipam
