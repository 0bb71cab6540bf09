// spiderpool-init: creates the default SpiderCoordinator, subnets, pools and SpiderMultusConfig after an installation
// (spec/spiderpool.md, section 5; cmd/spiderpool-init).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/kube/kube_client.h"

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace rdmalab::plugin {

class Files;

struct InitConfig {
    struct Family { // the default subnet and pool; an empty name: none
        std::string subnetName, poolName, cidr, gateway;
        std::vector<std::string> ranges;
    };

    AgentRelease release = AgentRelease::v1_2;
    std::string ns;              // of Spiderpool
    std::string controllerName;  // of the Endpoints object that must have an address
    std::string agentName;       // of the DaemonSet
    std::string coordinatorName; // empty = none is created
    std::string coordinatorMode = "auto", podCidrType;
    bool tunePodRoutes = true;
    std::vector<std::string> hijackCidr;
    bool detectGateway = false, detectIpConflict = false; // 0.8
    std::string vethLinkAddress;                          // since 1.0, and the next two
    int vethMtu = 1500;
    std::vector<std::pair<std::string, std::string>> policyRoutes; // dst, gw
    Family v4, v6;
    bool enableMultusConfig = true; // 0.8 creates the SpiderMultusConfig in any case
    std::string cniDir, cniName, cniNamespace;
    std::string multusConfigMap;                         // 0.8
    std::string readinessFile = "/etc/spiderpool/ready"; // 0.8
};

// Throws std::invalid_argument for what makes upstream give up: a variable that is missing or malformed.
InitConfig readInitConfig(AgentRelease release, const std::map<std::string, std::string>& environment);

// What a call of SpiderpoolInit::run() came to.
struct InitStep {
    enum class State { done, retry, failed } state = State::done;
    std::string reason;                     // of retry and failed
    std::chrono::milliseconds retryAfter{}; // of retry
};

// Works in steps, so that whoever runs it decides how to wait: run() does all that can be done now; after `retry` it is to be
// called again, `retryAfter` later, and goes on where it was.
class SpiderpoolInit {
public:
    // `files` holds the node's CNI directory and takes the readiness file. Both must outlive this object.
    SpiderpoolInit(KubeClient& kube, Files& files, InitConfig config, std::function<void(const std::string&)> log = {});

    InitStep run();

private:
    class NotYet;
    enum class Stage {
        controller,
        coordinator,
        subnet4,
        subnet6,
        pool4,
        pool6,
        network,
        configMap,
        agentRestart,
        agentReady,
        readiness,
        done
    };

    void perform(Stage stage); // throws NotYet, or std::runtime_error when it is hopeless
    void create(const ResourceType& type, const std::string& title, const std::string& object);
    void createCoordinator();
    void createSubnet(const InitConfig::Family& family, int version);
    void createPool(const InitConfig::Family& family, int version);
    void createNetwork();
    void findDefaultNetwork(std::string& name, std::string& type) const;
    bool pointMultusTo(const std::string& network); // true: the ConfigMap has changed
    void restartAgent();
    void awaitAgent() const;
    void writeReadiness();
    void log(const std::string& line) const;

    KubeClient& kube_;
    Files& files_;
    InitConfig config_;
    std::function<void(const std::string&)> log_;
    Stage stage_ = Stage::controller;
    std::string network_;     // the CNI's name of the default network
    std::string agentLabels_; // JSON
    std::chrono::milliseconds waited_{};
};

} // namespace rdmalab::plugin
