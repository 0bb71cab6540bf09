// StatefulSet controller: ordinals, OrderedReady and Parallel, rolling update from the highest ordinal, partition. Volume claim
// templates are not modelled.
#pragma once

#include "sim/cluster/controllers/controller.h"

namespace rdmalab::cluster {

class StatefulSetController final : public Controller {
public:
    explicit StatefulSetController(const ControllerContext& context);

private:
    void reconcile(const Json& statefulSet) override;
    Json podFor(const Json& statefulSet, std::int64_t ordinal, const std::string& revision) const;
};

} // namespace rdmalab::cluster
