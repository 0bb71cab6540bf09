// DaemonSet controller: a pod for each node that it fits, rolling template changes node by node (spec/kubernetes.md, section 10).
// maxSurge and ControllerRevision objects are not modelled.
#pragma once

#include "sim/cluster/controllers/controller.h"

#include <map>

namespace rdmalab::cluster {

class DaemonSetController final : public Controller {
public:
    explicit DaemonSetController(const ControllerContext& context);

private:
    struct Backoff {
        int failures = 0;
        clock::TimePoint notBefore{};
        std::string pod; // the failed one that it is about
    };
    void reconcile(const Json& daemonSet) override;
    void handleFailed(const Json& daemonSet, const Json& pod, const std::string& node);
    Json podFor(const Json& daemonSet, const std::string& node, const std::string& hash) const;

    Store::Subscription nodeWatch_;
    std::map<std::string, Backoff> backoff_; // by uid/node
};

} // namespace rdmalab::cluster
