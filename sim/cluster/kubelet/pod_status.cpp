#include "sim/cluster/kubelet/pod_status.h"

#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/amounts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rdmalab::cluster {

namespace {

using State = ContainerRecord::State;

const ContainerRecord& recordOf(const PodRecord& pod, const std::string& name) {
    static const ContainerRecord none;
    const auto found = pod.containers.find(name);
    return found == pod.containers.end() ? none : found->second;
}

Json ipList(const std::vector<std::string>& ips) {
    Json list = Json::array();
    for (const auto& ip : ips)
        list.push_back({{"ip", ip}});
    return list;
}

Json containerStatus(const PodStatusInputs& in, const Json& container, bool init) {
    const std::string name = stringAt(container, {"name"});
    const ContainerRecord& record = recordOf(in.record, name);
    const bool ended = record.state == State::exited;
    const bool running = record.state == State::running;
    const bool completes = init && !isSidecar(container); // such a container is "ready" once it is done
    Json status{{"name", name},
                {"image", stringAt(container, {"image"})},
                {"imageID", record.state == State::none ? "" : stringAt(container, {"image"})},
                {"restartCount", record.attempt},
                {"started", running && (record.ready || !container.contains("startupProbe"))},
                {"ready", completes ? ended && record.exit.code == 0 : running && record.ready},
                {"lastState", Json::object()}};
    if (!record.id.empty())
        status["containerID"] = "containerd://" + record.id;
    const auto waiting = in.waiting.find(name);
    if (running) {
        status["state"] = {{"running", {{"startedAt", record.startedAt}}}};
    } else if (ended && waiting == in.waiting.end()) {
        status["state"] = {{"terminated", terminatedState(record)}};
    } else {
        WaitingReason why{in.initialized || init ? "ContainerCreating" : "PodInitializing", {}};
        if (init && in.record.sandbox.state == SandboxRecord::State::ready)
            why.reason = "PodInitializing";
        if (!init && !at(in.pod, {"spec", "initContainers"}).empty() && !in.initialized)
            why.reason = "PodInitializing";
        else if (!init)
            why.reason = "ContainerCreating";
        if (waiting != in.waiting.end())
            why = waiting->second;
        Json state{{"reason", why.reason}};
        if (!why.message.empty())
            state["message"] = why.message;
        status["state"] = {{"waiting", std::move(state)}};
        if (ended)
            status["lastState"] = {{"terminated", terminatedState(record)}};
    }
    if (!ended && !record.lastTerminated.is_null())
        status["lastState"] = {{"terminated", record.lastTerminated}};
    else if (ended && waiting == in.waiting.end() && !record.lastTerminated.is_null())
        status["lastState"] = {{"terminated", record.lastTerminated}};
    return status;
}

std::string phaseOf(const PodStatusInputs& in) {
    if (!in.terminalPhase.empty())
        return in.terminalPhase;
    if (!in.initialized)
        return "Pending";
    for (const Json& container : at(in.pod, {"spec", "containers"})) {
        const auto& record = recordOf(in.record, stringAt(container, {"name"}));
        if (record.state == State::running || record.state == State::exited || !record.lastTerminated.is_null())
            return "Running";
    }
    return "Pending";
}

} // namespace

bool isSidecar(const Json& initContainer) {
    return stringAt(initContainer, {"restartPolicy"}) == "Always";
}

void setCondition(Json& status, const std::string& type, bool value, const std::string& reason, const std::string& message,
                  const std::string& now) {
    Json& list = status["conditions"];
    if (!list.is_array())
        list = Json::array();
    Json* entry = nullptr;
    for (Json& condition : list)
        if (stringAt(condition, {"type"}) == type)
            entry = &condition;
    if (!entry) {
        list.push_back({{"type", type}});
        entry = &list.back();
    }
    const char* text = value ? "True" : "False";
    if (stringAt(*entry, {"status"}) != text) {
        (*entry)["status"] = text;
        (*entry)["lastTransitionTime"] = now;
    }
    const auto optional = [&](const char* key, const std::string& content) {
        if (content.empty())
            entry->erase(key);
        else
            (*entry)[key] = content;
    };
    optional("reason", reason);
    optional("message", message);
}

std::string qosClass(const Json& podSpec) {
    bool any = false, guaranteed = true;
    for (const char* section : {"initContainers", "containers"})
        if (const Json& list = at(podSpec, {section}); list.is_array())
            for (const Json& container : list) {
                const Amounts limits = amountsOf(at(container, {"resources", "limits"}));
                const Amounts requests = amountsOf(at(container, {"resources", "requests"}));
                for (const char* name : {"cpu", "memory"}) {
                    any = any || limits.contains(name) || requests.contains(name);
                    if (!limits.contains(name) || (requests.contains(name) && requests.at(name) != limits.at(name)))
                        guaranteed = false;
                }
            }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

Json podStatus(const PodStatusInputs& in) {
    const Json& old = at(in.pod, {"status"});
    Json status = old.is_object() ? old : Json::object();
    const Json& spec = at(in.pod, {"spec"});
    status["phase"] = phaseOf(in);
    status["qosClass"] = qosClass(spec);
    if (!in.startTime.empty())
        status["startTime"] = in.startTime;
    if (!in.hostIps.empty()) {
        status["hostIP"] = in.hostIps.front();
        status["hostIPs"] = ipList(in.hostIps);
    }
    if (!in.podIps.empty()) {
        status["podIP"] = in.podIps.front();
        status["podIPs"] = ipList(in.podIps);
    }
    std::vector<std::string> unready, incomplete;
    for (const bool init : {true, false}) {
        const Json& list = at(spec, {init ? "initContainers" : "containers"});
        if (!list.is_array() || list.empty())
            continue;
        Json statuses = Json::array();
        for (const Json& container : list) {
            statuses.push_back(containerStatus(in, container, init));
            const Json& last = statuses.back();
            if (init && !in.initialized && !(isSidecar(container) ? last["started"] : last["ready"]).get<bool>())
                incomplete.push_back(last["name"]);
            if ((!init || isSidecar(container)) && !last["ready"].get<bool>())
                unready.push_back(last["name"]);
        }
        status[init ? "initContainerStatuses" : "containerStatuses"] = std::move(statuses);
    }
    const bool sandboxUp = in.record.sandbox.state == SandboxRecord::State::ready;
    setCondition(status, "PodReadyToStartContainers", sandboxUp, "", "", in.now);
    if (in.initialized)
        setCondition(status, "Initialized", true, in.terminalPhase == "Succeeded" ? "PodCompleted" : "", "", in.now);
    else
        setCondition(status, "Initialized", incomplete.empty(), incomplete.empty() ? "" : "ContainersNotInitialized",
                     incomplete.empty() ? "" : fmt::format("containers with incomplete status: [{}]", fmt::join(incomplete, " ")),
                     in.now);
    const bool ready = unready.empty() && in.terminalPhase.empty();
    for (const char* type : {"ContainersReady", "Ready"}) {
        if (ready)
            setCondition(status, type, true, "", "", in.now);
        else if (!in.terminalPhase.empty())
            setCondition(status, type, false, in.terminalPhase == "Succeeded" ? "PodCompleted" : "PodFailed", "", in.now);
        else
            setCondition(status, type, false, "ContainersNotReady",
                         fmt::format("containers with unready status: [{}]", fmt::join(unready, " ")), in.now);
    }
    return status;
}

Json rejectedStatus(const Json& pod, const std::string& reason, const std::string& message, const std::string& now) {
    const Json& old = at(pod, {"status"});
    Json status = old.is_object() ? old : Json::object();
    status["phase"] = "Failed";
    status["reason"] = reason;
    status["message"] = "Pod was rejected: " + message;
    status["startTime"] = now;
    status["qosClass"] = qosClass(at(pod, {"spec"}));
    return status;
}

} // namespace rdmalab::cluster
