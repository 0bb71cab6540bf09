// A pod's status as kubelet reports it.
#pragma once

#include "sim/cluster/kubelet/pod_runtime.h"
#include "sim/cluster/store.h"

#include <map>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct WaitingReason {
    std::string reason, message;
};

struct PodStatusInputs {
    const Json& pod; // as in the store: conditions of others and transition times are kept
    const PodRecord& record;
    std::vector<std::string> podIps; // the last known ones, also when the sandbox has gone
    const std::vector<std::string>& hostIps;
    std::string startTime, now;
    bool initialized = false;
    std::string terminalPhase;                           // "Succeeded", "Failed" or empty
    const std::map<std::string, WaitingReason>& waiting; // of containers that are not running, where it is not the default
};

Json podStatus(const PodStatusInputs& inputs);
// phase Failed, reason, `Pod was rejected: <message>`.
Json rejectedStatus(const Json& pod, const std::string& reason, const std::string& message, const std::string& now);

// Sets a condition in `status`, keeping lastTransitionTime while the value stays.
void setCondition(Json& status, const std::string& type, bool value, const std::string& reason, const std::string& message,
                  const std::string& now);

std::string qosClass(const Json& podSpec);
bool isSidecar(const Json& initContainer);

} // namespace rdmalab::cluster
