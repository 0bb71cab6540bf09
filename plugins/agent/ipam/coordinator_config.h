#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/agent/ipam/json_access.h"

namespace rdmalab::plugin {
class KubeClient;
}

namespace rdmalab::plugin::ipam {

// The reply to GET /v1/coordinator/config: the SpiderCoordinator's spec and status as the coordinator plugin reads them.
// Throws std::runtime_error (`coordinator config not found`, `spidercoordinator: default no ready`, `failed to get pod ns/name`).
Json coordinatorConfig(KubeClient& kube, const AgentConfig& config, const std::string& podNs, const std::string& podName);

} // namespace rdmalab::plugin::ipam
