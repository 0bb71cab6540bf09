// A whole control plane: store, scheduler, controllers and one kubelet per node. Single-threaded on the event loop.
#pragma once

#include "sim/cluster/kubelet/kubelet.h"
#include "sim/cluster/scheduler/scheduler.h"
#include "sim/cluster/store.h"
#include "sim/cluster/texts.h"
#include "sim/cluster/timings.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct ClusterOptions {
    std::string kubernetes = "1.35";               // text profile
    double pace = 1.0;                             // divides every retry and backoff delay, see Timings
    Timings timings;                               // its own `pace` is replaced by the one above
    bool secondEndpointQuirk = true;               // spec section 1: the end of an older plugin stream takes the newer one down
    std::map<std::string, std::string> serviceEnv; // environment of every container: KUBERNETES_SERVICE_HOST, ...
    std::function<void(const std::string& node, const std::string& line)> kubeletLog;
};

struct NodeSpec {
    std::string name;
    std::map<std::string, std::string> labels;   // besides kubernetes.io/hostname, os and arch
    std::vector<Json> taints;                    // {"key","value","effect"}
    std::map<std::string, std::string> capacity; // quantities; cpu, memory, pods and ephemeral-storage have defaults
    std::vector<std::string> addresses;          // InternalIP; IPv4 first
    std::map<std::string, std::string> nodeInfo; // kernelVersion, osImage, ...; overrides of the defaults
};

class Cluster {
public:
    Cluster(clock::EventLoop& loop, ClusterOptions options = {});
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    Store& store();
    Scheduler& scheduler();
    PodSource& pods();

    // Registers the node and starts its kubelet. `host` must outlive the cluster.
    Kubelet& addNode(NodeSpec spec, NodeHost& host);
    Kubelet& kubelet(const std::string& node); // throws std::out_of_range
    bool hasNode(const std::string& node) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::cluster
