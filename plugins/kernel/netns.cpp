#include "plugins/kernel/netns.h"

#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <thread>

namespace rdmalab::plugin {

namespace {

constexpr const char* kCurrent = "/proc/thread-self/ns/net";
constexpr unsigned long kNsfsMagic = 0x6e736673;
constexpr unsigned long kProcMagic = 0x9fa0; // namespace files lived in proc before Linux 3.19

struct stat identity(int fd) {
    struct stat found {};
    checked("stat network namespace", ::fstat(fd, &found));
    return found;
}

bool isCurrent(int netnsFd) {
    struct stat current {};
    if (::stat(kCurrent, &current) == -1)
        return false;
    const struct stat wanted = identity(netnsFd);
    return current.st_dev == wanted.st_dev && current.st_ino == wanted.st_ino;
}

} // namespace

UniqueFd openCurrentNetns() {
    UniqueFd fd(::open(kCurrent, O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        const int code = errno;
        throw KernelError(fmt::format("open {}: {}", kCurrent, goErrnoText(code)), code);
    }
    return fd;
}

UniqueFd openNetnsPath(const std::string& path) {
    struct statfs found {};
    if (::statfs(path.c_str(), &found) == -1) {
        const int code = errno;
        throw KernelError(fmt::format("failed to Statfs \"{}\": {}", path, goErrnoText(code)), code);
    }
    const auto magic = static_cast<unsigned long>(found.f_type);
    if (magic != kNsfsMagic && magic != kProcMagic)
        throw KernelError(fmt::format("unknown FS magic on \"{}\": {:x}", path, magic), EINVAL);
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        const int code = errno;
        throw KernelError(fmt::format("open {}: {}", path, goErrnoText(code)), code);
    }
    return fd;
}

UniqueFd newNetns() {
    UniqueFd fd;
    std::exception_ptr failure;
    std::thread maker([&] {
        try {
            if (::unshare(CLONE_NEWNET) == -1) {
                const int code = errno;
                throw KernelError("failed to unshare network namespace: " + goErrnoText(code), code);
            }
            fd = openCurrentNetns();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    maker.join();
    if (failure)
        std::rethrow_exception(failure);
    return fd;
}

bool sameNetnsFd(int a, int b) {
    const struct stat first = identity(a), second = identity(b);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

void runInNetns(int netnsFd, const std::function<void()>& action) {
    if (isCurrent(netnsFd)) {
        action();
        return;
    }
    std::exception_ptr failure;
    std::thread visitor([&] {
        try {
            if (::setns(netnsFd, CLONE_NEWNET) == -1) {
                const int code = errno;
                throw KernelError("enter network namespace: " + goErrnoText(code), code);
            }
            action();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    visitor.join();
    if (failure)
        std::rethrow_exception(failure);
}

} // namespace rdmalab::plugin
