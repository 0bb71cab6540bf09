// The FUSE protocol of one mount: its requests and how they are answered from a MountedTree.
#pragma once

#include "fakesysfs/fuse/invalidator.h"
#include "fakesysfs/fuse/mount_point.h"
#include "fakesysfs/fuse/mounted_tree.h"
#include "fakesysfs/fuse/worker_pool.h"
#include "util/unique_fd.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

struct fuse_session;
struct fuse_buf;

namespace rdmalab::fakesysfs {

// One thread reads the requests and answers all but WRITE, which goes to `writers`: a write has to wait until the kernel has
// forgotten what it changed, and the kernel may have to get answers first. `viewers`: see Invalidator.
class Session {
public:
    // Takes the device of `point`. Everything passed must outlive it. Throws SystemError.
    Session(MountPoint& point, MountedTree& tree, WorkerPool& writers, Viewers& viewers);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session(); // closes the device: readers get ENOTCONN

    void send(const Stale& stale);
    // No write begins after it, and none is going on.
    void stopWriting();

    MountedTree& tree() noexcept { return tree_; }
    bool write(std::function<void()> task); // false: not any more, or there is no thread to be had
    Viewers& viewers() noexcept { return viewers_; }

private:
    void serve();
    bool serveOne(fuse_buf& buffer); // false: there are no more

    MountPoint& point_;
    MountedTree& tree_;
    WorkerPool& writers_;
    Viewers& viewers_;
    fuse_session* session_ = nullptr;
    UniqueFd stop_;
    std::mutex mutex_;
    std::condition_variable written_;
    std::size_t writing_ = 0;
    bool stopped_ = false;
    std::atomic<bool> leaving_{false};
    std::thread thread_;
};

} // namespace rdmalab::fakesysfs
