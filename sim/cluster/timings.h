// Every delay of the control plane in one place, with upstream's defaults (spec/kubernetes.md, section 14).
#pragma once

#include "sim/clock/event_loop.h"

namespace rdmalab::cluster {

// `pace` divides all of them: 10 means ten times quicker. A container's own grace period is never scaled.
struct Timings {
    clock::Duration nodeStatusSync = std::chrono::seconds(0);      // upstream up to 10 s; 0 = posted as soon as it changes
    clock::Duration endpointStopGrace = std::chrono::minutes(5);   // a stopped device plugin stays in the manager
    clock::Duration podWorkerBackoff = std::chrono::seconds(10);   // sandbox, network and container creation retries
    clock::Duration mountBackoff = std::chrono::milliseconds(500); // x2 up to mountBackoffMax
    clock::Duration mountBackoffMax = std::chrono::seconds(122);
    clock::Duration crashLoopBackoff = std::chrono::seconds(10); // x2 up to crashLoopBackoffMax
    clock::Duration crashLoopBackoffMax = std::chrono::minutes(5);
    clock::Duration crashLoopReset = std::chrono::minutes(10);  // of running
    clock::Duration schedulerBackoff = std::chrono::seconds(1); // x2 up to schedulerBackoffMax
    clock::Duration schedulerBackoffMax = std::chrono::seconds(10);
    clock::Duration schedulerFlush = std::chrono::minutes(5);      // unschedulable pods are retried without an event
    clock::Duration daemonFailedBackoff = std::chrono::seconds(1); // x2 up to daemonFailedBackoffMax
    clock::Duration daemonFailedBackoffMax = std::chrono::minutes(15);
    clock::Duration replacementBackoff = std::chrono::seconds(1); // ReplicaSet after a failed pod, x2; caps the storm
    clock::Duration replacementBackoffMax = std::chrono::minutes(1);
    clock::Duration jobBackoff = std::chrono::seconds(10); // x2 up to jobBackoffMax
    clock::Duration jobBackoffMax = std::chrono::minutes(6);
    clock::Duration nodeSilence = std::chrono::seconds(50); // 40 s before 1.32
    double pace = 1.0;

    clock::Duration operator()(clock::Duration delay) const {
        return clock::Duration(static_cast<clock::Duration::rep>(static_cast<double>(delay.count()) / pace));
    }
};

// Delay number `failures` (from 0) of a doubling sequence.
inline clock::Duration doubled(clock::Duration first, clock::Duration max, int failures) {
    while (failures-- > 0 && first < max)
        first *= 2;
    return first < max ? first : max;
}

} // namespace rdmalab::cluster
