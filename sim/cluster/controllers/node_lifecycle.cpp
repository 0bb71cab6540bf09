#include "sim/cluster/controllers/node_lifecycle.h"

#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/node_match.h"

#include <algorithm>

namespace rdmalab::cluster {

namespace {

constexpr const char* notReady = "node.kubernetes.io/not-ready";
constexpr const char* unreachable = "node.kubernetes.io/unreachable";
constexpr const char* unschedulable = "node.kubernetes.io/unschedulable";

std::string readyStatus(const Json& object) {
    if (const Json& conditions = at(object, {"status", "conditions"}); conditions.is_array())
        for (const Json& condition : conditions)
            if (stringAt(condition, {"type"}) == "Ready")
                return stringAt(condition, {"status"});
    return "Unknown";
}

} // namespace

NodeLifecycle::NodeLifecycle(const ControllerContext& context)
    : context_(context), queue_(context_.loop, [this](const std::string& node) { reconcile(node); }),
      silence_(context_.loop, [this](const std::string& node) {
          const auto since = silentSince_.find(node);
          if (since != silentSince_.end() &&
              context_.loop.now() - since->second >= context_.timings(context_.timings.nodeSilence))
              markUnknown(node);
      }) {
    nodeWatch_ = context_.store.watch("Node", [this](const WatchEvent& change) {
        if (change.type != WatchEvent::Type::removed)
            queue_.add(nameOf(*change.object));
    });
    podWatch_ = context_.pods.watchAll([this](const WatchEvent& change) {
        // Only pods that come to a tainted node need a look.
        const std::string node = stringAt(*change.object, {"spec", "nodeName"});
        if (node.empty() || change.type == WatchEvent::Type::removed)
            return;
        const auto tainted = taintedSince_.lower_bound(node + "|");
        if (tainted != taintedSince_.end() && tainted->first.starts_with(node + "|"))
            queue_.add(node);
    });
}

void NodeLifecycle::kubeletAlive(const std::string& node, bool alive) {
    if (alive) {
        silentSince_.erase(node);
        return;
    }
    silentSince_[node] = context_.loop.now();
    silence_.addAfter(node, context_.timings(context_.timings.nodeSilence));
}

void NodeLifecycle::markUnknown(const std::string& name) {
    const ObjectPtr node = context_.store.find("Node", {}, name);
    if (!node)
        return;
    const std::string now = context_.store.timestamp();
    Json changed{{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", at(*node, {"metadata"})}};
    changed["status"] = at(*node, {"status"});
    for (Json& condition : changed["status"]["conditions"]) {
        if (condition["status"] != "Unknown")
            condition["lastTransitionTime"] = now;
        condition["status"] = "Unknown";
        condition["reason"] = "NodeStatusUnknown";
        condition["message"] = "Kubelet stopped posting node status.";
    }
    context_.store.updateStatus(std::move(changed));
    context_.store.recordEvent(*node, "Normal", "NodeNotReady", "Node " + name + " status is now: NodeNotReady",
                               "node-controller");
    for (const auto& [uid, known] : context_.pods.onNode(name)) {
        const ObjectPtr pod = context_.store.find("Pod", namespaceOf(*known), nameOf(*known));
        if (!pod || uidOf(*pod) != uid || readyStatus(*pod) != "True")
            continue;
        Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(*pod, {"metadata"})}};
        object["status"] = at(*pod, {"status"});
        setCondition(object["status"], "Ready", false, "", "", now);
        context_.store.updateStatus(std::move(object));
        context_.store.recordEvent(*pod, "Warning", "NodeNotReady", "Node is not ready", "node-controller");
    }
}

void NodeLifecycle::reconcile(const std::string& name) {
    ObjectPtr node = context_.store.find("Node", {}, name);
    if (!node)
        return;
    const std::string ready = readyStatus(*node);
    std::map<std::string, std::set<std::string>> wanted; // key -> effects
    if (ready != "True")
        wanted[ready == "False" ? notReady : unreachable] = {"NoSchedule", "NoExecute"};
    if (boolAt(*node, {"spec", "unschedulable"}))
        wanted[unschedulable] = {"NoSchedule"};
    const Json& old = at(*node, {"spec", "taints"});
    Json taints = Json::array();
    if (old.is_array())
        for (const Json& taint : old) {
            const std::string key = stringAt(taint, {"key"}), effect = stringAt(taint, {"effect"});
            const bool ours = key == notReady || key == unreachable || key == unschedulable;
            if (!ours || wanted[key].erase(effect) > 0)
                taints.push_back(taint);
        }
    for (const auto& [key, effects] : wanted)
        for (const auto& effect : effects) {
            Json taint{{"key", key}, {"effect", effect}};
            if (effect == "NoExecute")
                taint["timeAdded"] = context_.store.timestamp();
            taints.push_back(std::move(taint));
        }
    if (taints != (old.is_array() ? old : Json::array())) {
        Json changed = *node;
        if (taints.empty())
            changed["spec"].erase("taints");
        else
            changed["spec"]["taints"] = std::move(taints);
        node = context_.store.update(std::move(changed));
    }
    evict(*node);
}

void NodeLifecycle::evict(const Json& node) {
    std::vector<Taint> executing;
    for (auto& taint : taintsOf(node))
        if (taint.effect == "NoExecute")
            executing.push_back(std::move(taint));
    const std::string prefix = nameOf(node) + "|";
    std::set<std::string> present;
    for (const auto& taint : executing) {
        present.insert(prefix + taint.text());
        taintedSince_.emplace(prefix + taint.text(), context_.loop.now());
    }
    std::erase_if(taintedSince_,
                  [&](const auto& entry) { return entry.first.starts_with(prefix) && !present.contains(entry.first); });
    if (executing.empty())
        return;
    for (const auto& [uid, pod] : context_.pods.onNode(nameOf(node))) {
        if (!podActive(*pod))
            continue;
        const auto tolerations = tolerationsOf(at(*pod, {"spec"}));
        std::optional<clock::TimePoint> due;
        for (const auto& taint : executing) {
            const auto since = taintedSince_.at(prefix + taint.text());
            std::optional<clock::TimePoint> end = since; // not tolerated: at once
            for (const auto& toleration : tolerations)
                if (toleration.tolerates(taint)) {
                    end.reset();
                    if (toleration.seconds)
                        end = since + context_.timings(std::chrono::seconds(*toleration.seconds));
                    break;
                }
            if (end && (!due || *end < *due))
                due = end;
        }
        if (!due)
            continue;
        if (context_.loop.now() < *due) {
            queue_.addAfter(nameOf(node), *due - context_.loop.now());
            continue;
        }
        const ObjectPtr now = context_.store.find("Pod", namespaceOf(*pod), nameOf(*pod));
        if (!now || uidOf(*now) != uid || isTerminating(*now))
            continue;
        context_.store.recordEvent(*now, "Normal", "TaintManagerEviction",
                                   "Marking for deletion Pod " + namespaceOf(*now) + "/" + nameOf(*now),
                                   "taint-eviction-controller");
        context_.store.remove("Pod", namespaceOf(*now), nameOf(*now));
    }
}

} // namespace rdmalab::cluster
