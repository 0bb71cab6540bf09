// What the mounts of a process share.
#pragma once

#include "fakesysfs/fuse/invalidator.h"
#include "fakesysfs/fuse/worker_pool.h"
#include "fakesysfs/fuse_mount.h"

#include <limits>
#include <map>
#include <memory>
#include <mutex>

namespace rdmalab::fakesysfs {

class FuseService::Impl {
public:
    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    // The mounts of one machine, told apart by its address.
    std::shared_ptr<Viewers> viewersOf(const void* machine);

    WorkerPool& writers() noexcept { return writers_; }
    WorkerPool& invalidators() noexcept { return invalidators_; }

private:
    std::mutex mutex_;
    std::map<const void*, std::weak_ptr<Viewers>> viewers_;
    // Writers wait for invalidators, never the other way round: of these there are as many as it takes (one for each mount).
    WorkerPool writers_{"fakesysfs-write", 16};
    WorkerPool invalidators_{"fakesysfs-inval", std::numeric_limits<std::size_t>::max()};
};

} // namespace rdmalab::fakesysfs
