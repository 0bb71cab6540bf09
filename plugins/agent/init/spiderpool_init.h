// spiderpool-init: creates the default SpiderCoordinator, subnets, pools and SpiderMultusConfig after an installation
// (spec/spiderpool.md, section 5; cmd/spiderpool-init).
#pragma once

#include "plugins/agent/ipam/agent_config.h"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;
class KubeClient;

struct InitConfig {
    struct Family { // of the default subnet and pool
        std::string subnetName, poolName, cidr, gateway;
        std::vector<std::string> ranges;
    };

    AgentRelease release = AgentRelease::v1_2;
    std::string ns;             // of Spiderpool
    std::string controllerName; // Endpoints object that must have an address
    std::string agentName;      // DaemonSet
    std::string coordinatorName; // empty = none is created
    std::string coordinatorMode = "auto", podCidrType, podDefaultRouteNic, podMacPrefix;
    bool tunePodRoutes = true;
    bool detectGateway = false, detectIpConflict = false; // 0.8 only
    std::optional<int> vethMtu;                           // 1.2 only
    std::vector<std::string> hijackCidr;
    Family v4, v6;
    bool enableMultusConfig = true, installMultus = true;
    std::string cniDir, cniName, cniNamespace;
    std::string multusConfigMap; // 0.8 only
    std::string readinessFile = "/etc/spiderpool/ready"; // 0.8 only
};

// Throws std::invalid_argument for what upstream ends with a fatal log line: a missing or malformed variable.
InitConfig readInitConfig(AgentRelease release, const std::map<std::string, std::string>& environment);

// What a call of SpiderpoolInit::run came to.
struct InitStep {
    enum class State { done, retry, failed } state = State::done;
    std::string reason;                     // of retry and failed
    std::chrono::milliseconds retryAfter{}; // of retry
};

// Does as much as it can without waiting; call run() again after `retryAfter`. Steps that succeeded are not repeated.
class SpiderpoolInit {
public:
    // `files` is the node's file system (cniDir and the readiness file are in it). Both must outlive this object.
    SpiderpoolInit(KubeClient& kube, Files& files, InitConfig config, std::function<void(const std::string&)> log = {});
    InitStep run();

private:
    enum class Stage { controller, coordinator, subnet4, subnet6, pool4, pool6, multusConfig, configMap, restartAgent, agentReady, ready, done };
    void perform(); // the present stage; throws KubeError, NotReady
    void create(const struct ResourceType& type, const std::string& description, const std::string& object);
    void log(const std::string& line) const;

    KubeClient& kube_;
    Files& files_;
    InitConfig config_;
    std::function<void(const std::string&)> log_;
    Stage stage_ = Stage::controller;
    std::string networkName_;  // of the default SpiderMultusConfig
    std::string agentLabels_;  // JSON, of the agent's pods
};

} // namespace rdmalab::plugin
