// Keys waiting to be reconciled: each at most once, after the events that are already due.
#pragma once

#include "sim/clock/event_loop.h"

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace rdmalab::cluster {

class WorkQueue {
public:
    WorkQueue(clock::EventLoop& loop, std::function<void(const std::string& key)> reconcile);
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    void add(const std::string& key);
    void addAfter(const std::string& key, clock::Duration delay);
    // Once after `delay`, however often it is asked for until then.
    void addBatched(const std::string& key, clock::Duration delay);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_; // shared: what is posted holds it weakly
};

} // namespace rdmalab::cluster
