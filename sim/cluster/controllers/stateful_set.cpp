#include "sim/cluster/controllers/stateful_set.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>

namespace rdmalab::cluster {

namespace {

std::int64_t ordinalOf(const Json& pod) {
    const std::string& name = nameOf(pod);
    const auto dash = name.rfind('-');
    return dash == std::string::npos ? -1 : std::strtoll(name.c_str() + dash + 1, nullptr, 10);
}

bool healthy(const Json& pod) {
    return stringAt(pod, {"status", "phase"}) == "Running" && podReady(pod) && !isTerminating(pod);
}

} // namespace

StatefulSetController::StatefulSetController(const ControllerContext& context)
    : Controller(context, "StatefulSet", "statefulset-controller") {}

Json StatefulSetController::podFor(const Json& set, std::int64_t ordinal, const std::string& revision) const {
    Json pod = podFromTemplate(at(set, {"spec", "template"}));
    const std::string name = nameOf(set) + "-" + std::to_string(ordinal);
    pod["metadata"]["name"] = name;
    Json& labels = pod["metadata"]["labels"];
    labels["statefulset.kubernetes.io/pod-name"] = name;
    labels["apps.kubernetes.io/pod-index"] = std::to_string(ordinal);
    labels["controller-revision-hash"] = revision;
    pod["spec"]["hostname"] = name;
    if (const std::string service = stringAt(set, {"spec", "serviceName"}); !service.empty())
        pod["spec"]["subdomain"] = service;
    return pod;
}

void StatefulSetController::reconcile(const Json& set) {
    const std::int64_t wanted = intAt(set, {"spec", "replicas"}, 1), first = intAt(set, {"spec", "ordinals", "start"});
    const bool ordered = stringAt(set, {"spec", "podManagementPolicy"}, "OrderedReady") == "OrderedReady";
    const std::string revision = nameOf(set) + "-" + templateHash(at(set, {"spec", "template"}));
    std::map<std::int64_t, ObjectPtr> pods;
    for (const auto& [uid, pod] : context_.pods.ownedBy(uidOf(set)))
        pods[ordinalOf(*pod)] = pod;

    bool settled = true; // all that should be there is there and healthy
    for (std::int64_t ordinal = first; ordinal < first + wanted; ++ordinal) {
        const auto found = pods.find(ordinal);
        const std::string phase = found == pods.end() ? "" : stringAt(*found->second, {"status", "phase"});
        if (found == pods.end()) {
            if (const auto pod = createPod(set, podFor(set, ordinal, revision)))
                pods[ordinal] = pod;
            settled = false;
        } else if (phase == "Failed" || phase == "Succeeded") {
            removePod(set, *found->second);
            settled = false;
        } else if (!healthy(*found->second)) {
            settled = false;
        }
        if (!settled && ordered)
            break; // the next one waits for this one
    }
    if (settled || !ordered)
        for (auto pod = pods.rbegin(); pod != pods.rend() && pod->first >= first + wanted; ++pod) {
            removePod(set, *pod->second);
            settled = false;
            if (ordered)
                break;
        }
    // A stuck pod stops the update too: only a settled set, or the pod that is being replaced, goes on.
    if (settled && stringAt(set, {"spec", "updateStrategy", "type"}, "RollingUpdate") == "RollingUpdate") {
        const auto partition = intAt(set, {"spec", "updateStrategy", "rollingUpdate", "partition"});
        for (auto pod = pods.rbegin(); pod != pods.rend() && pod->first >= partition; ++pod)
            if (labelOf(*pod->second, "controller-revision-hash") != revision) {
                removePod(set, *pod->second);
                break;
            }
    }
    std::int64_t replicas = 0, ready = 0, updated = 0;
    for (const auto& [ordinal, pod] : pods) {
        ++replicas;
        ready += healthy(*pod) ? 1 : 0;
        updated += labelOf(*pod, "controller-revision-hash") == revision ? 1 : 0;
    }
    Json status{{"observedGeneration", intAt(set, {"metadata", "generation"}, 1)},
                {"replicas", replicas},
                {"updateRevision", revision},
                {"collisionCount", 0},
                {"availableReplicas", ready}};
    status["currentRevision"] =
        updated == replicas && ready == wanted ? revision : stringAt(set, {"status", "currentRevision"}, revision);
    for (const auto& [key, value] :
         {std::pair{"readyReplicas", ready}, std::pair{"updatedReplicas", updated},
          std::pair{"currentReplicas", status["currentRevision"] == revision ? updated : replicas - updated}})
        if (value > 0)
            status[key] = value;
    writeStatus(set, std::move(status));
}

} // namespace rdmalab::cluster
