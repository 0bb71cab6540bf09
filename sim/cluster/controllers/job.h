// Job controller: completions, parallelism, backoffLimit, Indexed names; no pod failure policy, no suspension.
#pragma once

#include "sim/cluster/controllers/controller.h"

#include <map>

namespace rdmalab::cluster {

class JobController final : public Controller {
public:
    explicit JobController(const ControllerContext& context);

private:
    void reconcile(const Json& job) override;
    Json podFor(const Json& job, std::int64_t index) const;
    void finish(const Json& job, Json status, bool complete);

    struct Failures {
        std::int64_t seen = 0;
        clock::TimePoint notBefore{};
    };
    std::map<std::string, Failures> failures_; // by uid
};

} // namespace rdmalab::cluster
