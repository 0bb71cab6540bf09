// /dev/fuse, attached somewhere.
#pragma once

#include "util/unique_fd.h"

#include <string>

namespace rdmalab::fakesysfs {

// Mounts in the caller's mount namespace. Throws SystemError: "open /dev/fuse", "mount fuse on PATH".
class MountPoint {
public:
    explicit MountPoint(const std::string& path);
    MountPoint(const MountPoint&) = delete;
    MountPoint& operator=(const MountPoint&) = delete;
    ~MountPoint() { detach(); }

    const std::string& path() const noexcept { return path_; }
    // The descriptor that the requests come from. It is the file system: when it and all its copies (in processes that were
    // forked and have not called exec) are closed, the mount is dead. Given away once.
    int releaseDevice() noexcept { return device_.release(); }
    // Ends the file system wherever it is bound to, and takes the mount away, if the caller is still in that mount namespace.
    void detach() noexcept;
    // Has the kernel send one request, so that who waits for requests looks up. Returns when that is answered, or the file system
    // has ended.
    void provoke() noexcept;

private:
    std::string path_;
    UniqueFd device_, root_;
};

} // namespace rdmalab::fakesysfs
