// The thread that made a system call, as /proc shows it.
#pragma once

#include "util/unique_fd.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rdmalab::fakekernel {

// The caller was killed, or was interrupted, before its call was answered. No error: nobody waits for the answer.
class CallerGone : public std::runtime_error {
public:
    CallerGone() : std::runtime_error("the caller is gone") {}
};

// A namespace, held: it exists for as long as this object.
class NamespaceHandle {
public:
    NamespaceHandle() = default;
    explicit NamespaceHandle(UniqueFd fd); // an open /proc/PID/ns file; throws SystemError

    int fd() const noexcept { return fd_.get(); }
    std::uint64_t inode() const noexcept { return inode_; } // as in readlink /proc/PID/ns/net: net:[inode]
    bool operator==(const NamespaceHandle& other) const noexcept { return device_ == other.device_ && inode_ == other.inode_; }

private:
    UniqueFd fd_;
    std::uint64_t device_ = 0, inode_ = 0;
};

// A /proc directory held open, so that what is read is about one thread even if its number is given to another: then reading
// fails with ESRCH. Valid for the thread it was opened for only if the call was still waiting afterwards (CallView checks).
class Caller {
public:
    // `procFs`: the root of a /proc of this process's own pid namespace. Throws SystemError (ENOENT: no such thread).
    Caller(const UniqueFd& procFs, pid_t thread);

    pid_t thread() const noexcept { return thread_; }
    // "net", "mnt", "user", "pid", ...
    NamespaceHandle ns(const char* kind) const;
    UniqueFd root() const;             // O_PATH
    UniqueFd workingDirectory() const; // O_PATH
    UniqueFd open(const char* path, int flags) const;
    std::string readFile(const char* path) const;

    struct Status {
        std::uint64_t effectiveCapabilities = 0;
        uid_t effectiveUser = 0;            // in this process's user namespace
        std::vector<pid_t> process, thread; // in each pid namespace from this process's down to the caller's own
    };
    Status status() const;

    // Whether the kernel's ns_capable(owner of `ns`, capability) holds: in the caller's own user namespace its effective set
    // decides; over a descendant also being its creator does. `capability`: CAP_*.
    bool capableOver(const NamespaceHandle& ns, unsigned capability) const;

private:
    pid_t thread_;
    UniqueFd directory_;
};

} // namespace rdmalab::fakekernel
