// What follows from a node's condition: taints, Ready=Unknown for a silent kubelet, eviction by NoExecute taints
// (spec/kubernetes.md, section 12). The slow-down of evictions in mass outages is not modelled.
#pragma once

#include "sim/cluster/controllers/controller.h"

#include <map>
#include <set>
#include <string>

namespace rdmalab::cluster {

class NodeLifecycle {
public:
    explicit NodeLifecycle(const ControllerContext& context);
    NodeLifecycle(const NodeLifecycle&) = delete;
    NodeLifecycle& operator=(const NodeLifecycle&) = delete;

    // Stands for the node lease: a stopped kubelet is noticed after Timings::nodeSilence.
    void kubeletAlive(const std::string& node, bool alive);

private:
    void reconcile(const std::string& node);
    void markUnknown(const std::string& node);
    void evict(const Json& node);

    ControllerContext context_;
    WorkQueue queue_, silence_;
    std::map<std::string, clock::TimePoint> silentSince_, taintedSince_; // by node, by "node|taint"
    Store::Subscription nodeWatch_, podWatch_;
};

} // namespace rdmalab::cluster
