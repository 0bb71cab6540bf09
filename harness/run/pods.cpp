#include "harness/run/pods.h"

#include "sim/cluster/store.h"

namespace rdmalab::harness {

using scenario::PodCondition;
using Json = nlohmann::json;

std::vector<std::shared_ptr<const Json>> select(const cluster::Store& store, const scenario::PodSelector& pods) {
    std::vector<std::shared_ptr<const Json>> result;
    for (const auto& pod : store.list("Pod", pods.ns)) {
        const Json& metadata = pod->at("metadata");
        if (!pods.pod.empty() && metadata.value("name", "") != pods.pod)
            continue;
        const Json labels = metadata.value("labels", Json::object());
        bool matches = true;
        for (const auto& [key, value] : pods.labels)
            matches = matches && labels.value(key, "") == value;
        if (matches)
            result.push_back(pod);
    }
    return result;
}

bool fulfils(const Json& pod, PodCondition condition) {
    const Json status = pod.value("status", Json::object());
    const std::string phase = status.value("phase", "Pending");
    switch (condition) {
    case PodCondition::ready:
        if (pod.at("metadata").contains("deletionTimestamp"))
            return false;
        for (const auto& entry : status.value("conditions", Json::array()))
            if (entry.value("type", "") == "Ready")
                return entry.value("status", "") == "True";
        return false;
    case PodCondition::running:
        return phase == "Running";
    case PodCondition::pending:
        return phase == "Pending";
    case PodCondition::completed:
        return phase == "Succeeded";
    case PodCondition::failed:
        return phase == "Failed";
    case PodCondition::gone:
        return false; // it is there
    }
    return false;
}

std::string statusOf(const Json& pod) {
    const Json status = pod.value("status", Json::object());
    std::string text = status.value("phase", "Pending");
    if (pod.at("metadata").contains("deletionTimestamp"))
        text += ", Terminating";
    if (status.contains("reason"))
        text += ", " + status.value("reason", "");
    for (const char* list : {"initContainerStatuses", "containerStatuses"})
        for (const auto& container : status.value(list, Json::array())) {
            const Json state = container.value("state", Json::object());
            for (const char* kind : {"waiting", "terminated"})
                if (state.contains(kind) && state.at(kind).contains("reason") && state.at(kind).at("reason") != "Completed")
                    text += ", " + container.value("name", "") + ": " + state.at(kind).value("reason", "");
        }
    return text;
}

Inside insideOf(const Json& pod, const std::string& container) {
    const Json& metadata = pod.at("metadata");
    Inside inside;
    inside.node = pod.at("spec").value("nodeName", "");
    inside.podNamespace = metadata.value("namespace", "");
    inside.podName = metadata.value("name", "");
    inside.podUid = metadata.value("uid", "");
    inside.container = container;
    if (container.empty() && !pod.at("spec").value("containers", Json::array()).empty())
        inside.container = pod.at("spec").at("containers").at(0).value("name", "");
    return inside;
}

std::string fullName(const Json& pod) {
    return pod.at("metadata").value("namespace", "") + "/" + pod.at("metadata").value("name", "");
}

} // namespace rdmalab::harness
