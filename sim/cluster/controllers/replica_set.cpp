#include "sim/cluster/controllers/replica_set.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <tuple>

namespace rdmalab::cluster {

ReplicaSetController::ReplicaSetController(const ControllerContext& context)
    : Controller(context, "ReplicaSet", "replicaset-controller") {}

void ReplicaSetController::reconcile(const Json& replicaSet) {
    const auto wanted = static_cast<std::size_t>(intAt(replicaSet, {"spec", "replicas"}, 1));
    std::vector<ObjectPtr> active;
    std::size_t failed = 0;
    for (const auto& [uid, pod] : context_.pods.ownedBy(uidOf(replicaSet))) {
        if (podActive(*pod))
            active.push_back(pod);
        failed += stringAt(*pod, {"status", "phase"}) == "Failed" ? 1 : 0;
    }
    Failures& failures = failures_[uidOf(replicaSet)];
    const auto& timings = context_.timings;
    if (failed > failures.seen)
        failures.notBefore =
            context_.loop.now() + timings(doubled(timings.replacementBackoff, timings.replacementBackoffMax, failures.backoff++));
    failures.seen = failed;

    if (active.size() < wanted && context_.loop.now() < failures.notBefore) {
        enqueue(replicaSet, failures.notBefore - context_.loop.now());
    } else if (active.size() < wanted) {
        for (std::size_t missing = wanted - active.size(); missing > 0; --missing) {
            const ObjectPtr pod = createPod(replicaSet, podFromTemplate(at(replicaSet, {"spec", "template"})));
            if (!pod)
                break;
            active.push_back(pod);
        }
    } else if (active.size() > wanted) {
        // First those that are worth least: not bound, not running, not ready, youngest.
        std::stable_sort(active.begin(), active.end(), [](const ObjectPtr& a, const ObjectPtr& b) {
            const auto worth = [](const Json& pod) {
                return std::tuple(!stringAt(pod, {"spec", "nodeName"}).empty(), stringAt(pod, {"status", "phase"}) == "Running",
                                  podReady(pod));
            };
            if (worth(*a) != worth(*b))
                return worth(*a) < worth(*b);
            return stringAt(*a, {"metadata", "creationTimestamp"}) > stringAt(*b, {"metadata", "creationTimestamp"});
        });
        for (std::size_t extra = active.size() - wanted; extra > 0; --extra)
            removePod(replicaSet, *active[extra - 1]);
        active.erase(active.begin(), active.begin() + static_cast<std::ptrdiff_t>(active.size() - wanted));
    }
    const auto ready =
        static_cast<std::int64_t>(std::count_if(active.begin(), active.end(), [](const auto& pod) { return podReady(*pod); }));
    if (ready > 0)
        failures.backoff = 0;
    Json status{{"replicas", active.size()}, {"observedGeneration", intAt(replicaSet, {"metadata", "generation"}, 1)}};
    if (!active.empty())
        status["fullyLabeledReplicas"] = active.size();
    if (ready > 0)
        status["readyReplicas"] = status["availableReplicas"] = ready;
    writeStatus(replicaSet, std::move(status));
}

} // namespace rdmalab::cluster
