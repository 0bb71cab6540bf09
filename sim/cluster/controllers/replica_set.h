// ReplicaSet controller. Replacements of failed pods wait a little longer each time, which caps the storm that upstream makes
// when a node goes on rejecting pods.
#pragma once

#include "sim/cluster/controllers/controller.h"

#include <map>

namespace rdmalab::cluster {

class ReplicaSetController final : public Controller {
public:
    explicit ReplicaSetController(const ControllerContext& context);

private:
    struct Failures {
        std::size_t seen = 0;
        int backoff = 0;
        clock::TimePoint notBefore{};
    };
    void reconcile(const Json& replicaSet) override;

    std::map<std::string, Failures> failures_; // by uid
};

} // namespace rdmalab::cluster
