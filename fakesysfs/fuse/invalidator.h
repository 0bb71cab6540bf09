// Makes the kernel forget what has changed, off the threads that answer it.
#pragma once

#include "fakesysfs/fuse/mounted_tree.h"
#include "fakesysfs/fuse/worker_pool.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace rdmalab::fakesysfs {

// Of one mount.
class Invalidator {
public:
    // `send` tells the kernel; it may block until requests of the same mount have been answered. Everything passed must live
    // until stop() has returned.
    Invalidator(MountedTree& tree, WorkerPool& workers, std::function<void(const Stale&)> send)
        : tree_(tree), workers_(workers), send_(std::move(send)) {}
    Invalidator(const Invalidator&) = delete;
    Invalidator& operator=(const Invalidator&) = delete;
    ~Invalidator() { stop(); }

    // Neither waits nor looks: for those who have the machine locked.
    void changed(const Changes& changes);
    // Until all that changed before the call is forgotten; false: not by then.
    bool settle(std::chrono::steady_clock::time_point deadline);
    void stop(); // nothing is sent after it

private:
    void work();

    MountedTree& tree_;
    WorkerPool& workers_;
    std::function<void(const Stale&)> send_;
    std::mutex mutex_;
    std::condition_variable done_;
    Changes pending_;
    std::uint64_t asked_ = 0, forgotten_ = 0;
    bool working_ = false, stopped_ = false;
};

// The mounts that show the same machine: who writes through one of them has changed what all show.
class Viewers {
public:
    void add(std::shared_ptr<Invalidator> one);
    void remove(const Invalidator* one);
    bool settle(std::chrono::steady_clock::time_point deadline);

private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<Invalidator>> all_;
};

} // namespace rdmalab::fakesysfs
