// What the spiderpool-controller Deployment does while its process runs: NADs from SpiderMultusConfigs, states of
// SpiderCoordinator, pools and subnets, IP garbage collection. Application informers (auto pools) are not modelled.
#pragma once

#include "sim/cluster/spiderpool/ip_gc.h"
#include "sim/cluster/spiderpool/profile.h"
#include "sim/cluster/store.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct SpiderpoolControllerOptions {
    SpiderpoolProfile profile = SpiderpoolProfile::v1_2;
    std::string ns = "kube-system";                     // of Spiderpool itself
    std::string name = "spiderpool-controller";         // of its Service and Endpoints
    std::vector<std::string> addresses = {"127.0.0.1"}; // of the controller's pods, for the Endpoints object
    int webhookPort = 5722;
    bool enableMultusConfig = true;
    bool enableCoordinator = true;
    std::string coordinatorName = "default"; // the only one that gets a status
    // What the cluster was made with (kubeadm-config). Both empty: the coordinator stays NotReady.
    std::vector<std::string> podCIDR = {"10.244.0.0/16"}, serviceCIDR = {"10.96.0.0/16"};
    // Of Calico's or Cilium's own pools, for those podCIDRTypes; empty = podCIDR.
    std::vector<std::string> overlayPodCIDR;
    // The first CNI configuration's name on the controller's node, 00-multus left out; podCIDRType auto goes by it.
    std::function<std::string()> defaultCniName;
    IpGcOptions gc;

    // Overrides by the container's environment (SPIDERPOOL_GC_..., SPIDERPOOL_COORDINATOR_..., SPIDERPOOL_MULTUS_CONFIG_ENABLED).
    void readEnvironment(const std::map<std::string, std::string>& environment);
};

class SpiderpoolController {
public:
    SpiderpoolController(Store& store, clock::EventLoop& loop, SpiderpoolControllerOptions options);
    ~SpiderpoolController();
    SpiderpoolController(const SpiderpoolController&) = delete;
    SpiderpoolController& operator=(const SpiderpoolController&) = delete;

    void start(); // its webhooks answer from now on, see SpiderpoolAdmissionOptions::serving
    void stop();
    bool running() const noexcept { return running_; }
    // Puts the Endpoints object's address list right; init waits for one address.
    const SpiderpoolControllerOptions& options() const noexcept { return options_; }

private:
    void publishEndpoints();
    void onMultusConfig(const WatchEvent& event);
    void onNetAttachDef(const WatchEvent& event);
    void syncMultusConfig(const std::string& ns, const std::string& name);
    void retryMultusConfig(const std::string& ns, const std::string& name);
    void syncCoordinator();
    void syncPool(const Json& pool);
    void syncSubnet(const Json& subnet);
    std::string podCidrType(const Json& coordinator) const;

    Store& store_;
    clock::EventLoop& loop_;
    SpiderpoolControllerOptions options_;
    IpGc gc_;
    bool running_ = false;
    std::vector<Store::Subscription> watches_;
    std::map<std::pair<std::string, std::string>, clock::EventLoop::TimerId> retries_; // of SpiderMultusConfigs
};

} // namespace rdmalab::cluster
