// Deployment controller: a ReplicaSet for each template, RollingUpdate and Recreate. Rollback and pausing are not modelled.
#pragma once

#include "sim/cluster/controllers/controller.h"

#include <map>

namespace rdmalab::cluster {

class DeploymentController final : public Controller {
public:
    explicit DeploymentController(const ControllerContext& context);

private:
    struct Progress {
        Json seen;
        clock::TimePoint since{};
    };
    void reconcile(const Json& deployment) override;
    ObjectPtr createReplicaSet(const Json& deployment, const std::string& name, const std::string& hash, std::int64_t replicas,
                               std::int64_t revision);
    void scale(const Json& deployment, ObjectPtr& replicaSet, std::int64_t to);
    void roll(const Json& deployment, ObjectPtr& current, std::vector<ObjectPtr>& old);
    bool recreate(const Json& deployment, std::vector<ObjectPtr>& old);
    void report(const Json& deployment, const Json& current, const std::vector<ObjectPtr>& old);

    Store::Subscription setWatch_, podWatch_;
    std::map<std::string, Progress> progress_; // by uid
};

} // namespace rdmalab::cluster
