// The default scheduler (spec/kubernetes.md, section 9): filters in upstream order, LeastAllocated over cpu and memory, ties go
// to the lowest node name, exact FailedScheduling texts, preemption by priority.
// Not modelled: volumes, gang and DRA plugins, node sampling in large clusters (all nodes are looked at).
//
// Pods with the same requirements share a class that keeps its feasible nodes ordered and learns only about nodes that changed,
// so placing a pod costs about log(nodes).
#pragma once

#include "sim/cluster/pod_source.h"
#include "sim/cluster/store.h"
#include "sim/cluster/texts.h"
#include "sim/cluster/timings.h"

#include <memory>
#include <string>

namespace rdmalab::cluster {

struct SchedulerOptions {
    Timings timings;
    TextProfile texts = TextProfile::v1_35;
};

class Scheduler {
public:
    Scheduler(Store& store, clock::EventLoop& loop, PodSource& pods, SchedulerOptions options = {});
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    struct Statistics {
        std::uint64_t attempts = 0, bound = 0, failed = 0;
        std::size_t waiting = 0; // unschedulable or in backoff
    };
    Statistics statistics() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::cluster
