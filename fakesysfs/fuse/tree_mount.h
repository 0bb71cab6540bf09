// A mount of any tree.
#pragma once

#include "fakesysfs/fuse/invalidator.h"
#include "fakesysfs/fuse/mount_point.h"
#include "fakesysfs/fuse/mounted_tree.h"
#include "fakesysfs/fuse/service.h"
#include "fakesysfs/fuse/session.h"

#include <memory>
#include <string>

namespace rdmalab::fakesysfs {

// `machine` only tells which mounts belong together; may be null. The others must outlive it.
class TreeMount {
public:
    TreeMount(FuseService::Impl& service, const void* machine, Tree& tree, TreeLock& lock, const std::string& path);
    TreeMount(const TreeMount&) = delete;
    TreeMount& operator=(const TreeMount&) = delete;
    ~TreeMount();

    // Never blocks: may be called with the machine locked, or from a write to the tree.
    void changed(const Changes& changes) { invalidator_->changed(changes); }
    // Until the kernel has forgotten what was said to have changed before; false: not within a while.
    bool settle() { return viewers_->settle(std::chrono::steady_clock::now() + std::chrono::seconds(30)); }
    const std::string& path() const noexcept { return point_.path(); }
    std::size_t knownInodes();

private:
    MountedTree tree_;
    std::shared_ptr<Viewers> viewers_;
    MountPoint point_;
    Session session_;
    std::shared_ptr<Invalidator> invalidator_;
};

} // namespace rdmalab::fakesysfs
