// Whoever mounts a fresh sysfs gets the fake one.
#pragma once

#include "fakekernel/handler.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace rdmalab::fakekernel {

// Where the fake /sys of a network namespace is mounted.
class SysfsSource {
public:
    virtual ~SysfsSource() = default;

    // An absolute path in the supervisor's mount namespace: the root of a mount that shows the fake /sys as seen from `network`,
    // always the same file system for the same namespace. Made on demand for a namespace that appears here for the first time
    // (`ip netns add`, a container that made its own); it may block, from several threads at once. `network` is lent for the
    // call. What it throws is EIO for the one who mounts.
    virtual std::string mountPointFor(const NamespaceHandle& network) = 0;
};

// mount(2) of a new "sysfs", and fsopen(2) + fsconfig(2) + fsmount(2) + move_mount(2): permission checks, refusals, mount flags
// and the lasting binding to the mounter's network namespace are the kernel's (fs/namespace.c, fs/fsopen.c, fs/sysfs/mount.c).
// docs/sysfs.md says what remains visible of the real one.
class SysfsMounts : public Handler {
public:
    explicit SysfsMounts(std::shared_ptr<SysfsSource> source);

    void trap(Filter& filter) const override;
    Answer handle(CallView& call) override;

private:
    Answer mount(CallView& call);
    Answer fsopen(CallView& call);
    Answer fsmount(CallView& call);
    Answer moveMount(CallView& call);
    // A detached mount of the fake /sys with exactly these MOUNT_ATTR_* attributes.
    UniqueFd clone(const NamespaceHandle& network, std::uint64_t attributes);

    // A detached mount lives as long as the descriptor that made it, and the kernel injects no O_PATH descriptors; so callers of
    // fsmount() get another descriptor of its root, and this one is kept until they move the mount to its place.
    struct Detached {
        std::uint64_t id; // of the mount
        UniqueFd mount;
    };
    void keep(UniqueFd mount);
    std::optional<Detached> take(std::uint64_t id);

    const std::shared_ptr<SysfsSource> source_;
    std::mutex mutex_;
    std::deque<Detached> detached_; // oldest first
};

} // namespace rdmalab::fakekernel
