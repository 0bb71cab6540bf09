#include "sim/cluster/controllers/daemon_set.h"

#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/node_match.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {

namespace {

Json daemonTolerations(bool hostNetwork) {
    Json list = Json::array();
    const auto add = [&](const char* key, const char* effect) {
        list.push_back({{"key", std::string("node.kubernetes.io/") + key}, {"operator", "Exists"}, {"effect", effect}});
    };
    add("not-ready", "NoExecute");
    add("unreachable", "NoExecute");
    for (const char* key : {"disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"})
        add(key, "NoSchedule");
    if (hostNetwork)
        add("network-unavailable", "NoSchedule");
    return list;
}

// The template's spec with what the controller adds to every pod.
Json daemonSpec(const Json& daemonSet) {
    Json spec = at(daemonSet, {"spec", "template", "spec"});
    Json& tolerations = spec["tolerations"];
    if (!tolerations.is_array())
        tolerations = Json::array();
    for (Json& toleration : daemonTolerations(boolAt(spec, {"hostNetwork"})))
        if (std::find(tolerations.begin(), tolerations.end(), toleration) == tolerations.end())
            tolerations.push_back(std::move(toleration));
    return spec;
}

// Where a daemon's pod is, or is to be.
std::string nodeOf(const Json& pod) {
    if (std::string node = stringAt(pod, {"spec", "nodeName"}); !node.empty())
        return node;
    return nodeRequirementOf(at(pod, {"spec"})).pinnedNode().value_or("");
}

} // namespace

DaemonSetController::DaemonSetController(const ControllerContext& context)
    : Controller(context, "DaemonSet", "daemonset-controller") {
    nodeWatch_ = context_.store.watch("Node", [this](const WatchEvent& change) {
        const bool relevant = !change.old || change.type == WatchEvent::Type::removed ||
                              at(*change.old, {"metadata", "labels"}) != at(*change.object, {"metadata", "labels"}) ||
                              at(*change.old, {"spec"}) != at(*change.object, {"spec"});
        if (relevant)
            enqueueAll();
    });
}

Json DaemonSetController::podFor(const Json& daemonSet, const std::string& node, const std::string& hash) const {
    Json pod = podFromTemplate(at(daemonSet, {"spec", "template"}));
    pod["spec"] = daemonSpec(daemonSet);
    // A required node affinity is replaced, not extended: the controller has judged it already.
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = {
        {"nodeSelectorTerms",
         Json::array({{{"matchFields", Json::array({{{"key", "metadata.name"}, {"operator", "In"}, {"values", {node}}}})}}})}};
    pod["metadata"]["labels"]["controller-revision-hash"] = hash;
    pod["metadata"]["labels"]["pod-template-generation"] = std::to_string(intAt(daemonSet, {"metadata", "generation"}, 1));
    return pod;
}

void DaemonSetController::handleFailed(const Json& daemonSet, const Json& pod, const std::string& node) {
    const Timings& timings = context_.timings;
    Backoff& entry = backoff_[uidOf(daemonSet) + "/" + node];
    if (entry.pod != uidOf(pod)) {
        entry.pod = uidOf(pod);
        entry.notBefore = entry.failures == 0
                              ? context_.loop.now()
                              : context_.loop.now() + timings(doubled(timings.daemonFailedBackoff, timings.daemonFailedBackoffMax,
                                                                      entry.failures - 1));
        ++entry.failures;
    }
    if (context_.loop.now() < entry.notBefore)
        return enqueue(daemonSet, entry.notBefore - context_.loop.now());
    event(daemonSet, "Warning", "FailedDaemonPod",
          fmt::format("Found failed daemon pod {}/{} on node {}, will try to kill it", namespaceOf(pod), nameOf(pod), node));
    removePod(daemonSet, pod);
}

void DaemonSetController::reconcile(const Json& daemonSet) {
    const std::string hash = templateHash(at(daemonSet, {"spec", "template"}));
    const Json spec = daemonSpec(daemonSet);
    const NodeRequirement requirement = nodeRequirementOf(spec);
    const auto tolerations = tolerationsOf(spec);
    std::map<std::string, std::vector<ObjectPtr>> byNode;
    for (const auto& [uid, pod] : context_.pods.ownedBy(uidOf(daemonSet)))
        byNode[nodeOf(*pod)].push_back(pod);

    std::int64_t desired = 0, current = 0, misscheduled = 0, ready = 0, updated = 0, unavailable = 0;
    std::vector<ObjectPtr> replaceNow, replaceLater; // of an older template: not ready, ready
    for (const auto& node : context_.store.list("Node")) {
        bool run = requirement.matches(nameOf(*node), labelsOf(*node)), stay = run;
        for (const auto& taint : taintsOf(*node)) {
            if (taint.effect == "PreferNoSchedule" || isTolerated(taint, tolerations))
                continue;
            run = false;
            stay = stay && taint.effect != "NoExecute";
        }
        auto pods = std::move(byNode[nameOf(*node)]);
        byNode.erase(nameOf(*node));
        desired += run ? 1 : 0;
        if (!stay) {
            misscheduled += pods.empty() ? 0 : 1;
            for (const auto& pod : pods)
                removePod(daemonSet, *pod);
            continue;
        }
        misscheduled += !run && !pods.empty() ? 1 : 0;
        ObjectPtr kept;
        for (const auto& pod : pods) {
            const std::string phase = stringAt(*pod, {"status", "phase"});
            if (isTerminating(*pod))
                continue;
            if (phase == "Failed")
                handleFailed(daemonSet, *pod, nameOf(*node));
            else if (phase == "Succeeded" || kept)
                removePod(daemonSet, *pod);
            else
                kept = pod;
        }
        // A pod on its way out keeps the place: the new one comes once it has gone.
        if (pods.empty() && run)
            kept = createPod(daemonSet, podFor(daemonSet, nameOf(*node), hash));
        if (!run)
            continue;
        if (!kept) {
            ++unavailable;
            continue;
        }
        ++current;
        const bool isReady = podReady(*kept), isNew = labelOf(*kept, "controller-revision-hash") == hash;
        ready += isReady ? 1 : 0;
        updated += isNew ? 1 : 0;
        unavailable += isReady ? 0 : 1;
        if (isReady)
            backoff_.erase(uidOf(daemonSet) + "/" + nameOf(*node));
        if (!isNew)
            (isReady ? replaceLater : replaceNow).push_back(kept);
    }
    for (const auto& [node, pods] : byNode) // of nodes that are gone
        for (const auto& pod : pods)
            removePod(daemonSet, *pod);
    if (stringAt(daemonSet, {"spec", "updateStrategy", "type"}, "RollingUpdate") == "RollingUpdate") {
        const auto most = std::max<std::int64_t>(
            1, intOrPercent(at(daemonSet, {"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}), desired, true, 1));
        for (const auto& pod : replaceNow)
            removePod(daemonSet, *pod);
        for (std::int64_t i = 0; i < std::min<std::int64_t>(most - unavailable, static_cast<std::int64_t>(replaceLater.size()));
             ++i)
            removePod(daemonSet, *replaceLater[static_cast<std::size_t>(i)]);
    }
    Json status{{"currentNumberScheduled", current},
                {"desiredNumberScheduled", desired},
                {"numberMisscheduled", misscheduled},
                {"numberReady", ready},
                {"observedGeneration", intAt(daemonSet, {"metadata", "generation"}, 1)},
                {"updatedNumberScheduled", updated}};
    if (ready > 0)
        status["numberAvailable"] = ready;
    if (desired - ready > 0)
        status["numberUnavailable"] = desired - ready;
    writeStatus(daemonSet, std::move(status));
}

} // namespace rdmalab::cluster
