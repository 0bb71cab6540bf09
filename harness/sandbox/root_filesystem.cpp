#include "harness/sandbox/root_filesystem.h"

#include "util/syscall.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace rdmalab::harness {

namespace {

std::vector<std::string>& imageMounts() {
    static std::vector<std::string> mounts;
    return mounts;
}

UniqueFd openInside(int directory, const std::string& path, const std::string& what, unsigned flags = 0) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | flags;
    how.resolve = RESOLVE_IN_ROOT;
    const auto fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    return UniqueFd(static_cast<int>(checked("open " + path + " in " + what, fd)));
}

UniqueFd openDirectory(const std::string& path) {
    return UniqueFd(checked("open " + path, ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
}

// A root under construction. Every path is resolved inside it, so that no symlink of the image leads out of it.
class Root {
public:
    explicit Root(std::string path) : path_(std::move(path)) {}

    // Opens a directory, made with its parents if missing.
    UniqueFd directory(const std::string& path) const {
        // Opened anew each time: a mount may have covered what an older descriptor shows.
        const UniqueFd root = openDirectory(path_);
        std::string part;
        std::istringstream parts(path);
        UniqueFd current = openInside(root.get(), "/", path_);
        for (std::string done; std::getline(parts, part, '/');) {
            if (part.empty())
                continue;
            if (::mkdirat(current.get(), part.c_str(), 0755) < 0 && errno != EEXIST && errno != EROFS)
                throw SystemError("mkdir " + path + " in " + path_, errno);
            done += "/" + part;
            current = openInside(root.get(), done, path_);
        }
        return current;
    }

    void mountFresh(const char* type, const std::string& target, unsigned long flags, const char* options) const {
        const UniqueFd place = directory(target);
        checked(std::string("mount ") + type + " on " + target, ::mount(type, procPath(place).c_str(), type, flags, options));
    }

    void writeFile(const std::string& dir, const std::string& name, const std::string& content) const {
        const UniqueFd place = directory(dir);
        const int flags = O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
        const UniqueFd file(checked("create " + dir + "/" + name, ::openat(place.get(), name.c_str(), flags, 0644)));
        for (std::size_t done = 0; done < content.size();)
            done += static_cast<std::size_t>(
                checked("write " + name, ::write(file.get(), content.data() + done, content.size() - done)));
    }

    void makeDevice(const DeviceNode& node) const {
        const auto slash = node.path.rfind('/');
        const UniqueFd place = directory(node.path.substr(0, slash));
        // The umask must not take bits away: the mode is part of what a driver promises.
        const mode_t old = ::umask(0);
        const int result =
            ::mknodat(place.get(), node.path.c_str() + slash + 1, S_IFCHR | node.mode, makedev(node.major, node.minor));
        ::umask(old);
        checked("mknod " + node.path, result);
    }

    void symlink(const char* target, const std::string& dir, const char* name) const {
        const UniqueFd place = directory(dir);
        checked(std::string("symlink ") + name, ::symlinkat(target, place.get(), name));
    }

    // A directory mount makes its target; so does a file mount.
    void attach(const DetachedMount& mount, const std::string& target) const {
        if (mount.isDirectory()) {
            mount.attach(procPath(directory(target)));
            return;
        }
        const auto slash = target.rfind('/');
        const UniqueFd parent = directory(target.substr(0, slash));
        const std::string name = target.substr(slash + 1);
        struct stat status {};
        if (::fstatat(parent.get(), name.c_str(), &status, 0) < 0)
            writeFile(target.substr(0, slash), name, "");
        const UniqueFd root = openDirectory(path_);
        mount.attach(procPath(openInside(root.get(), target, path_)));
    }

    const std::string& path() const { return path_; }
    static std::string procPath(const UniqueFd& fd) { return "/proc/thread-self/fd/" + std::to_string(fd.get()); }

private:
    std::string path_;
};

void mountDev(const Root& root, const std::vector<DeviceNode>& devices) {
    root.mountFresh("tmpfs", "/dev", MS_NOSUID, "mode=755");
    const DeviceNode standard[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                                   {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
    for (const auto& node : standard)
        root.makeDevice(node);
    root.symlink("/proc/self/fd", "/dev", "fd");
    root.symlink("/proc/self/fd/0", "/dev", "stdin");
    root.symlink("/proc/self/fd/1", "/dev", "stdout");
    root.symlink("/proc/self/fd/2", "/dev", "stderr");
    root.mountFresh("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
    for (const auto& node : devices)
        root.makeDevice(node);
}

void mountSys(const Root& root, const RootSpec& spec) {
    const DetachedMount sys(spec.sys);
    if (spec.sysReadOnly)
        sys.makeReadOnly();
    root.attach(sys, "/sys");
}

} // namespace

DetachedMount::DetachedMount(const std::string& path, const std::string& root, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
    const std::string base = root.empty() ? "/" : root;
    const UniqueFd at = openInside(openDirectory(base).get(), path, base);
    // What is known of it already is enough: a file system that this very process serves must not be asked (a process killed
    // while it waits for its own answer would never end).
    struct statx status {};
    checked("stat " + path, ::statx(at.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status));
    directory_ = S_ISDIR(status.stx_mode);
    tree_.reset(checked("open_tree " + path, ::open_tree(at.get(), "", flags)));
}

void DetachedMount::makeReadOnly() const {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    checked("make mount read-only",
            ::mount_setattr(tree_.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes));
}

void DetachedMount::attach(const std::string& target) const {
    checked("attach mount to " + target,
            ::move_mount(tree_.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS));
}

void makeDirectories(const std::string& path, unsigned mode) {
    for (std::size_t at = 1; at != std::string::npos;) {
        at = path.find('/', at + 1);
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), mode) < 0 && errno != EEXIST)
            throw SystemError("mkdir " + part, errno);
    }
}

std::vector<std::string> additionalImageMounts(const std::string& labBase) {
    static const std::set<std::string> image = {"ext2", "ext3", "ext4",       "xfs",     "btrfs", "overlay",
                                                "zfs",  "f2fs", "squashfs",   "erofs",   "9p",    "virtiofs",
                                                "nfs",  "nfs4", "fuse.lxcfs", "fuseblk", "vfat"};
    std::vector<std::string> result;
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string skip, target, type;
        fields >> skip >> skip >> skip >> skip >> target;
        while (fields >> skip && skip != "-") {
        }
        fields >> type;
        const auto below = [&](const std::string& dir) { return target == dir || target.rfind(dir + "/", 0) == 0; };
        if (target == "/" || !image.contains(type) || below("/proc") || below("/sys") || below("/dev") || below("/run") ||
            below("/tmp") || below(labBase) || below("/boot"))
            continue;
        result.push_back(target);
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

void setAdditionalImageMounts(std::vector<std::string> mounts) {
    imageMounts() = std::move(mounts);
}

UniqueFd openDirectoryInside(const std::string& root, const std::string& path) {
    return openInside(openDirectory(root).get(), path, root, O_DIRECTORY);
}

void pivotInto(const std::string& root) {
    checked("chdir " + root, ::chdir(root.c_str()));
    checked("pivot_root " + root, ::syscall(SYS_pivot_root, ".", "."));
    // The old root lies on top of the new one now.
    checked("detach the old root", ::umount2(".", MNT_DETACH));
    checked("chdir /", ::chdir("/"));
}

std::string assembleRoot(const RootSpec& spec) {
    const Root root(spec.scratch + "/root");
    const std::string upper = spec.scratch + "/upper", work = spec.scratch + "/work";
    for (const auto& dir : {root.path(), upper, work})
        makeDirectories(dir);
    const std::string options = "lowerdir=/,upperdir=" + upper + ",workdir=" + work;
    checked("mount overlay of / on " + root.path(), ::mount("overlay", root.path().c_str(), "overlay", 0, options.c_str()));

    for (const auto& path : imageMounts()) {
        const DetachedMount mount(path, {}, false);
        mount.makeReadOnly();
        root.attach(mount, path);
    }
    root.mountFresh("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    mountSys(root, spec);
    root.mountFresh("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
    root.mountFresh("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    if (spec.ownDev)
        mountDev(root, spec.devices);
    for (const auto& dir : spec.emptyDirectories)
        root.mountFresh("tmpfs", dir, MS_NOSUID, "mode=755");
    for (const auto& [source, target] : spec.directories) {
        const DetachedMount mount(source);
        mount.makeReadOnly();
        root.attach(mount, target);
    }
    for (const auto& bind : spec.binds) {
        const DetachedMount mount(bind.source, spec.nodeRoot);
        if (bind.readOnly)
            mount.makeReadOnly();
        root.attach(mount, bind.target);
    }
    for (const auto& [directory, files] : spec.files) {
        root.mountFresh("tmpfs", directory, MS_NOSUID | MS_NODEV, "mode=755");
        for (const auto& [name, content] : files)
            root.writeFile(directory, name, content);
    }
    return root.path();
}

void enterNewRoot(const RootSpec& spec) {
    checked("make mounts private", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    pivotInto(assembleRoot(spec));
}

} // namespace rdmalab::harness
