// Constraints that look at other pods: required pod affinity and anti-affinity, and DoNotSchedule topology spread.
#pragma once

#include "sim/cluster/scheduler/placement.h"

#include <set>
#include <string>
#include <vector>

namespace rdmalab::cluster {

// Prepared once for a pod, then asked for each node. Costs one walk over the bound pods when the pod (or any other) has such
// constraints, nothing otherwise.
class PodConstraints {
public:
    // `withAntiAffinity`: uids of bound pods that have required anti-affinity of their own.
    PodConstraints(const Json& pod, const Placement& placement, const std::set<std::string>& withAntiAffinity);

    bool empty() const { return groups_.empty(); }
    // The text of the first constraint that `node` fails, or nullptr.
    const char* failure(const Placement::Node& node) const;

    static bool hasAntiAffinity(const Json& pod);

private:
    struct Group {
        enum class Kind { affinity, antiAffinity, existingAntiAffinity, spread } kind;
        std::string topologyKey;
        std::map<std::string, int> counts; // of matching pods by topology value
        int maxSkew = 0, lowest = 0;
        bool selfMatch = false;
    };
    std::vector<Group> groups_;
};

} // namespace rdmalab::cluster
