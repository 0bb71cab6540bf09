// Acting on the mounts of a caller as the caller's own kernel call would.
#pragma once

#include "fakekernel/caller.h"
#include "util/unique_fd.h"

#include <exception>
#include <future>
#include <string>
#include <type_traits>

namespace rdmalab::fakekernel {

// Runs `body` on a thread of its own, which may enter namespaces: they go with it. Rethrows.
template <typename Body>
auto onOwnThread(Body&& body) -> std::invoke_result_t<Body> {
    return std::async(std::launch::async, std::forward<Body>(body)).get();
}

class CallerMounts {
public:
    explicit CallerMounts(const Caller& caller);

    const NamespaceHandle& mountNamespace() const noexcept { return mountNamespace_; }

    // How the last part of a path is taken when it is a symlink.
    enum class LastLink { follow, keep };
    // What the caller names with `path`: from its root and working directory (or the directory `start`, if that is valid),
    // symlinks followed, /proc/self and /proc/thread-self being the caller's. An O_PATH descriptor. SystemError with the kernel's
    // errno, but that of missing search permission: who may mount may usually search.
    UniqueFd resolve(const std::string& path, const UniqueFd& start = UniqueFd(), LastLink last = LastLink::follow) const;
    // Attaches a detached mount (open_tree) on `target`. `flags`: further MOVE_MOUNT_*. SystemError.
    void attach(const UniqueFd& mount, const UniqueFd& target, unsigned flags = 0) const;

private:
    void enter() const; // for the rest of the calling thread's life

    const Caller& caller_;
    NamespaceHandle mountNamespace_;
    UniqueFd root_, workingDirectory_;
};

} // namespace rdmalab::fakekernel
