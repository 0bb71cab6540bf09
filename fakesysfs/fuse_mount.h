// A fake /sys as a file system: one mount shows the machine to one viewer (a network namespace).
#pragma once

#include "fakesysfs/tree.h"

#include <memory>
#include <string>

namespace rdmalab::hardware {
class LiveMachine;
}

namespace rdmalab::fakesysfs {

// The threads that answer for any number of mounts. One that answers look-ups never waits for one that writes.
class FuseService {
public:
    FuseService(); // throws SystemError
    FuseService(const FuseService&) = delete;
    FuseService& operator=(const FuseService&) = delete;
    ~FuseService(); // after the last mount is gone

    class Impl;
    Impl& impl() noexcept { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

// Answers from memory, locking the machine for each request: nobody may touch the mount, make one or end one while holding that
// lock. When a write(2) to it returns, neither this mount nor any other of the same machine and service shows a name that the
// write has ended. A process that was forked while the mount was there and has not called exec holds a copy of its /dev/fuse: if
// this process dies without the destructor, the mount answers nobody until that one is gone, too.
class SysfsMount {
public:
    // Mounts on the directory `mountPoint`, in the caller's mount namespace, what the tree has below /sys. Everything passed must
    // outlive it. Throws SystemError: "open /dev/fuse", "mount fuse on ...".
    SysfsMount(FuseService& service, hardware::LiveMachine& machine, View view, const std::string& mountPoint);
    SysfsMount(const SysfsMount&) = delete;
    SysfsMount& operator=(const SysfsMount&) = delete;
    // Ends the file system wherever else it has been bound to: its readers get ENOTCONN.
    ~SysfsMount();

    // Waits, with the machine unlocked, until the kernel has forgotten what changed before the call, in all mounts of the
    // machine: for changes that did not come through a mount (writes to one wait by themselves). False: not within 30 s.
    bool settle();

    const std::string& mountPoint() const noexcept;

    class Impl;

private:
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::fakesysfs
