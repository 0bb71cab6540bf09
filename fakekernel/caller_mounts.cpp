#include "fakekernel/caller_mounts.h"

#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <string_view>

namespace rdmalab::fakekernel {

namespace {

constexpr int maximalLinks = 40; // MAXSYMLINKS

bool onProc(const UniqueFd& file) {
    struct statfs info;
    checked("fstatfs", ::fstatfs(file.get(), &info));
    return info.f_type == PROC_SUPER_MAGIC;
}

bool isProcRoot(const UniqueFd& directory) {
    constexpr ino_t procRootInode = 1; // linux/proc_ns.h
    struct stat info;
    checked("fstat", ::fstat(directory.get(), &info));
    return info.st_ino == procRootInode && onProc(directory);
}

// Walks a path component by component, because the kernel would take /proc/self for this process.
// Container runtimes name their mount targets /proc/self/fd/N.
class Walk {
public:
    Walk(const Caller& caller, const UniqueFd& root, const UniqueFd& start, CallerMounts::LastLink last)
        : caller_(caller), root_(root), last_(last), at_(copy(start)) {}

    UniqueFd to(const std::string& path) {
        if (path.empty())
            throw SystemError("resolve an empty path", ENOENT);
        push(path);
        while (!pending_.empty()) {
            const std::string name = std::move(pending_.front());
            pending_.pop_front();
            step(name);
        }
        return std::move(at_);
    }

private:
    static UniqueFd copy(const UniqueFd& file) { return UniqueFd(checked("dup", ::fcntl(file.get(), F_DUPFD_CLOEXEC, 3))); }

    void push(const std::string& path) {
        if (path.front() == '/')
            at_ = copy(root_);
        std::deque<std::string> names;
        for (std::size_t begin = 0; begin < path.size();) {
            const auto end = std::min(path.find('/', begin), path.size());
            if (end > begin)
                names.push_back(path.substr(begin, end - begin));
            begin = end + 1;
        }
        if (path.back() == '/') // means a directory, also behind a symlink
            names.push_back(".");
        pending_.insert(pending_.begin(), names.begin(), names.end());
    }

    UniqueFd open(const std::string& name, int flags) const {
        return UniqueFd(checked("resolve " + name, ::openat(at_.get(), name.c_str(), O_PATH | O_CLOEXEC | flags)));
    }

    void step(const std::string& name) {
        auto next = open(name, O_NOFOLLOW); // ".." stops at this thread's root, which is the caller's
        struct stat info;
        checked("fstat", ::fstat(next.get(), &info));
        if (!S_ISLNK(info.st_mode) || (pending_.empty() && last_ == CallerMounts::LastLink::keep)) {
            at_ = std::move(next);
            return;
        }
        if (++links_ > maximalLinks)
            throw SystemError("resolve " + name, ELOOP);
        if (onProc(next)) {
            const bool top = isProcRoot(at_);
            if (top && (name == "self" || name == "thread-self")) {
                push(ownDirectory(name == "thread-self"));
                return;
            }
            if (!top) { // cwd, root, fd/N: no text leads to where the kernel goes
                at_ = open(name, 0);
                return;
            }
        }
        char text[PATH_MAX];
        const auto length = checked("readlink " + name, ::readlinkat(next.get(), "", text, sizeof text));
        if (length == 0)
            throw SystemError("resolve " + name, ENOENT);
        push(std::string(text, static_cast<std::size_t>(length)));
    }

    // The caller's directory in the /proc at hand, which may belong to any pid namespace that it is in.
    std::string ownDirectory(bool ofThread) const {
        const auto status = caller_.status();
        const auto pidNamespace = caller_.ns("pid");
        for (std::size_t level = 0; level < status.process.size() && level < status.thread.size(); ++level) {
            try {
                const Caller there(at_, status.process[level]);
                if (there.ns("pid") == pidNamespace &&
                    there.status().process ==
                        std::vector<pid_t>(status.process.begin() + static_cast<std::ptrdiff_t>(level), status.process.end()))
                    return ofThread ? fmt::format("{}/task/{}", status.process[level], status.thread[level])
                                    : std::to_string(status.process[level]);
            } catch (const SystemError&) { // no such process in there
            }
        }
        throw SystemError("resolve /proc/self", ENOENT);
    }

    const Caller& caller_;
    const UniqueFd& root_;
    const CallerMounts::LastLink last_;
    UniqueFd at_;
    std::deque<std::string> pending_;
    int links_ = 0;
};

} // namespace

CallerMounts::CallerMounts(const Caller& caller)
    : caller_(caller), mountNamespace_(caller.ns("mnt")), root_(caller.root()), workingDirectory_(caller.workingDirectory()) {}

void CallerMounts::enter() const {
    checked("unshare root and working directory", ::unshare(CLONE_FS));
    checked("enter the caller's mount namespace", ::setns(mountNamespace_.fd(), CLONE_NEWNS));
    checked("enter the caller's root", ::fchdir(root_.get()));
    checked("chroot", ::chroot("."));
}

UniqueFd CallerMounts::resolve(const std::string& path, const UniqueFd& start, LastLink last) const {
    return onOwnThread([&] {
        enter();
        return Walk(caller_, root_, start.valid() ? start : workingDirectory_, last).to(path);
    });
}

void CallerMounts::attach(const UniqueFd& mount, const UniqueFd& target, unsigned flags) const {
    onOwnThread([&] {
        enter();
        checked("move_mount",
                ::move_mount(mount.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | flags));
    });
}

} // namespace rdmalab::fakekernel
