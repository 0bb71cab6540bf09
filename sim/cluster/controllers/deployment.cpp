#include "sim/cluster/controllers/deployment.h"

#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {

namespace {

std::int64_t replicasOf(const Json& object) {
    return intAt(object, {"spec", "replicas"}, 1);
}

std::int64_t availableOf(const Json& replicaSet) {
    return intAt(replicaSet, {"status", "availableReplicas"});
}

std::int64_t surgeOf(const Json& deployment) {
    return intOrPercent(at(deployment, {"spec", "strategy", "rollingUpdate", "maxSurge"}), replicasOf(deployment), true,
                        (replicasOf(deployment) + 3) / 4);
}

std::int64_t unavailableOf(const Json& deployment) {
    const auto most = intOrPercent(at(deployment, {"spec", "strategy", "rollingUpdate", "maxUnavailable"}),
                                   replicasOf(deployment), false, replicasOf(deployment) / 4);
    return surgeOf(deployment) == 0 && most == 0 ? 1 : most;
}

constexpr const char* revisionKey = "deployment.kubernetes.io/revision";

} // namespace

DeploymentController::DeploymentController(const ControllerContext& context)
    : Controller(context, "Deployment", "deployment-controller") {
    setWatch_ = context_.store.watch("ReplicaSet", [this](const WatchEvent& change) {
        const Json& owner = controllerOf(*change.object);
        if (owner.is_object() && stringAt(owner, {"kind"}) == kind_)
            enqueue({{"metadata", {{"namespace", namespaceOf(*change.object)}, {"name", stringAt(owner, {"name"})}}}});
    });
    // Recreate waits for the last old pod to go, which changes nothing in its ReplicaSet.
    podWatch_ = context_.pods.watchAll([this](const WatchEvent& change) {
        const Json& owner = controllerOf(*change.object);
        if (change.type != WatchEvent::Type::removed || !owner.is_object() || stringAt(owner, {"kind"}) != "ReplicaSet")
            return;
        if (const ObjectPtr set = context_.store.find("ReplicaSet", namespaceOf(*change.object), stringAt(owner, {"name"})))
            if (const Json& deployment = controllerOf(*set); deployment.is_object())
                enqueue({{"metadata", {{"namespace", namespaceOf(*set)}, {"name", stringAt(deployment, {"name"})}}}});
    });
}

ObjectPtr DeploymentController::createReplicaSet(const Json& deployment, const std::string& name, const std::string& hash,
                                                 std::int64_t replicas, std::int64_t revision) {
    Json podTemplate = at(deployment, {"spec", "template"});
    podTemplate["metadata"]["labels"]["pod-template-hash"] = hash;
    Json selector = at(deployment, {"spec", "selector"});
    selector["matchLabels"]["pod-template-hash"] = hash;
    Json set{{"apiVersion", "apps/v1"},
             {"kind", "ReplicaSet"},
             {"metadata",
              {{"name", name},
               {"namespace", namespaceOf(deployment)},
               {"labels", podTemplate["metadata"]["labels"]},
               {"annotations", {{revisionKey, std::to_string(revision)}}},
               {"ownerReferences", Json::array({controllerReference(deployment)})}}},
             {"spec", {{"replicas", replicas}, {"selector", std::move(selector)}, {"template", std::move(podTemplate)}}}};
    ObjectPtr created = context_.store.create(std::move(set));
    event(deployment, "Normal", "ScalingReplicaSet", fmt::format("Scaled up replica set {} from 0 to {}", name, replicas));
    return created;
}

void DeploymentController::scale(const Json& deployment, ObjectPtr& replicaSet, std::int64_t to) {
    const std::int64_t from = replicasOf(*replicaSet);
    if (from == to)
        return;
    Json changed = *replicaSet;
    changed["spec"]["replicas"] = to;
    changed["metadata"].erase("resourceVersion");
    replicaSet = context_.store.update(std::move(changed));
    event(deployment, "Normal", "ScalingReplicaSet",
          fmt::format("Scaled {} replica set {} from {} to {}", to > from ? "up" : "down", nameOf(*replicaSet), from, to));
}

// True once the pods of the old template are gone.
bool DeploymentController::recreate(const Json& deployment, std::vector<ObjectPtr>& old) {
    bool gone = true;
    for (auto& set : old) {
        scale(deployment, set, 0);
        for (const auto& [uid, pod] : context_.pods.ownedBy(uidOf(*set))) {
            const std::string phase = stringAt(*pod, {"status", "phase"});
            gone = gone && (phase == "Failed" || phase == "Succeeded");
        }
    }
    return gone;
}

void DeploymentController::roll(const Json& deployment, ObjectPtr& current, std::vector<ObjectPtr>& old) {
    const std::int64_t desired = replicasOf(deployment);
    std::int64_t total = replicasOf(*current), available = availableOf(*current);
    for (const auto& set : old) {
        total += replicasOf(*set);
        available += availableOf(*set);
    }
    if (replicasOf(*current) > desired) {
        total -= replicasOf(*current) - desired;
        scale(deployment, current, desired);
    } else if (const auto room = desired + surgeOf(deployment) - total; room > 0 && replicasOf(*current) < desired) {
        const auto to = std::min(desired, replicasOf(*current) + room);
        total += to - replicasOf(*current);
        scale(deployment, current, to);
    }
    const std::int64_t least = desired - unavailableOf(deployment);
    std::int64_t spare = total - least - (replicasOf(*current) - availableOf(*current));
    for (auto& set : old) { // first those that do not work anyway
        const auto cut = std::min(spare, replicasOf(*set) - availableOf(*set));
        if (cut > 0) {
            scale(deployment, set, replicasOf(*set) - cut);
            spare -= cut;
        }
    }
    std::int64_t working = available - least;
    for (auto& set : old) {
        const auto cut = std::min({working, spare, replicasOf(*set)});
        if (cut > 0) {
            scale(deployment, set, replicasOf(*set) - cut);
            working -= cut;
            spare -= cut;
        }
    }
}

void DeploymentController::reconcile(const Json& deployment) {
    const std::string hash = templateHash(at(deployment, {"spec", "template"}));
    const std::string name = nameOf(deployment) + "-" + hash;
    ObjectPtr current;
    std::vector<ObjectPtr> old;
    std::int64_t revision = 0;
    for (const auto& set : context_.store.list("ReplicaSet", namespaceOf(deployment))) {
        if (stringAt(controllerOf(*set), {"uid"}) != uidOf(deployment) || isTerminating(*set))
            continue;
        revision = std::max<std::int64_t>(revision, std::stoll(annotationOf(*set, revisionKey).value_or("0")));
        if (nameOf(*set) == name)
            current = set;
        else
            old.push_back(set);
    }
    const bool replace = stringAt(deployment, {"spec", "strategy", "type"}) == "Recreate";
    if (replace && !recreate(deployment, old)) {
        report(deployment, current ? *current : Json::object(), old);
        return;
    }
    if (!current) {
        std::int64_t total = 0;
        for (const auto& set : old)
            total += replicasOf(*set);
        const auto room = replicasOf(deployment) + surgeOf(deployment) - total;
        current = createReplicaSet(deployment, name, hash,
                                   replace ? replicasOf(deployment) : std::clamp<std::int64_t>(room, 0, replicasOf(deployment)),
                                   revision + 1);
    }
    if (replace)
        scale(deployment, current, replicasOf(deployment));
    else
        roll(deployment, current, old);
    report(deployment, *current, old);
}

void DeploymentController::report(const Json& deployment, const Json& current, const std::vector<ObjectPtr>& old) {
    const std::int64_t desired = replicasOf(deployment);
    std::int64_t replicas = intAt(current, {"status", "replicas"}), ready = intAt(current, {"status", "readyReplicas"}),
                 available = availableOf(current);
    const std::int64_t updated = replicas;
    for (const auto& set : old) {
        replicas += intAt(*set, {"status", "replicas"});
        ready += intAt(*set, {"status", "readyReplicas"});
        available += availableOf(*set);
    }
    const Json counts{replicas, updated, ready, available};
    Progress& progress = progress_[uidOf(deployment)];
    if (progress.seen != counts)
        progress = {counts, context_.loop.now()};
    Json status{{"observedGeneration", intAt(deployment, {"metadata", "generation"}, 1)}};
    for (const auto& [key, value] :
         {std::pair{"replicas", replicas}, std::pair{"updatedReplicas", updated}, std::pair{"readyReplicas", ready},
          std::pair{"availableReplicas", available},
          std::pair{"unavailableReplicas", std::max<std::int64_t>(0, std::max(desired, replicas) - available)}})
        if (value > 0)
            status[key] = value;
    if (const Json& conditions = at(deployment, {"status", "conditions"}); conditions.is_array())
        status["conditions"] = conditions;
    const std::string now = context_.store.timestamp();
    const bool enough = available >= desired - unavailableOf(deployment);
    setCondition(status, "Available", enough, enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                 enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now);
    const std::string set = current.empty() ? nameOf(deployment) : nameOf(current);
    const bool complete = updated == desired && replicas == desired && available == desired;
    const auto deadline = context_.timings(std::chrono::seconds(intAt(deployment, {"spec", "progressDeadlineSeconds"}, 600)));
    if (complete) {
        setCondition(status, "Progressing", true, "NewReplicaSetAvailable",
                     fmt::format("ReplicaSet \"{}\" has successfully progressed.", set), now);
    } else if (context_.loop.now() - progress.since >= deadline) {
        setCondition(status, "Progressing", false, "ProgressDeadlineExceeded",
                     fmt::format("ReplicaSet \"{}\" has timed out progressing.", set), now);
    } else {
        setCondition(status, "Progressing", true, "ReplicaSetUpdated", fmt::format("ReplicaSet \"{}\" is progressing.", set),
                     now);
        if (progress.since == context_.loop.now())
            enqueue(deployment, deadline);
    }
    writeStatus(deployment, std::move(status));
}

} // namespace rdmalab::cluster
