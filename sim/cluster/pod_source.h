// One watch on pods for everybody: by node for kubelets, by owner for controllers. With thousands of nodes a watch for each
// kubelet would hand every pod to every kubelet.
#pragma once

#include "sim/cluster/store.h"

#include <unordered_map>

namespace rdmalab::cluster {

// The last known state of a set of pods by uid; ordered, so that loops over it are deterministic.
using PodSet = std::map<std::string, ObjectPtr>;

class PodSource {
public:
    explicit PodSource(Store& store);
    ~PodSource();
    PodSource(const PodSource&) = delete;
    PodSource& operator=(const PodSource&) = delete;

    const PodSet& onNode(const std::string& node) const;
    const PodSet& ownedBy(const std::string& ownerUid) const;

    // Events of pods bound to `node`, until the handle goes. A pod that becomes bound arrives as `added`.
    [[nodiscard]] Store::Subscription watchNode(const std::string& node, Watcher watcher);
    // All events.
    [[nodiscard]] Store::Subscription watchAll(Watcher watcher);

    // What the caller just wrote: seen by onNode/ownedBy at once instead of with the watch event.
    void observe(const ObjectPtr& pod);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
    Store::Subscription subscription_;
};

} // namespace rdmalab::cluster
