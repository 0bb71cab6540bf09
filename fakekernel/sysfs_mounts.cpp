#include "fakekernel/sysfs_mounts.h"

#include "fakekernel/caller_mounts.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string_view>

namespace rdmalab::fakekernel {

namespace {

constexpr std::size_t copiedString = 4096; // PAGE_SIZE of strndup_user() and PATH_MAX of getname()
constexpr unsigned long notNewMount = MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
constexpr unsigned long superblockNoUser = 1ul << 31; // SB_NOUSER
constexpr unsigned moveBeneath = 0x200;               // MOVE_MOUNT_BENEATH (6.5)
// Mounts that their owners have dropped without ever placing them are known by their age only.
constexpr std::size_t keptDetached = 256;

// A string argument as the kernel copies it: `tooLong` is the errno when no NUL comes in time.
std::string stringArgument(const CallView& call, unsigned index, int tooLong) {
    auto text = call.readString(call.argument(index), copiedString);
    if (text.size() == copiedString)
        throw SystemError("copy a string argument", tooLong);
    return text;
}

// Whether the call is about "sysfs". Names that cannot be read are the kernel's to refuse.
bool namesSysfs(const CallView& call, unsigned index) {
    try {
        return stringArgument(call, index, EINVAL) == "sysfs";
    } catch (const SystemError&) {
        return false;
    }
}

// path_mount()
std::uint64_t attributesOf(unsigned long flags) {
    std::uint64_t attributes = 0;
    const std::pair<unsigned long, std::uint64_t> same[] = {
        {MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
        {MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
        {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {1ul << 8 /* MS_NOSYMFOLLOW */, MOUNT_ATTR_NOSYMFOLLOW}};
    for (const auto& [flag, attribute] : same)
        if ((flags & flag) != 0)
            attributes |= attribute;
    if ((flags & MS_STRICTATIME) != 0)
        attributes |= MOUNT_ATTR_STRICTATIME;
    else if ((flags & MS_NOATIME) != 0)
        attributes |= MOUNT_ATTR_NOATIME;
    return attributes;
}

// sysfs has no options of its own; those of every file system pass (fs/fs_context.c vfs_parse_sb_flag).
void refuseUnknownOptions(std::string_view options) {
    static const std::set<std::string_view> common = {"dirsync", "lazytime",   "mand",   "ro", "sync",
                                                      "async",   "nolazytime", "nomand", "rw"};
    while (!options.empty()) {
        const auto end = std::min(options.find(','), options.size());
        const auto option = options.substr(0, end);
        options.remove_prefix(std::min(end + 1, options.size()));
        if (!option.empty() && common.count(option.substr(0, option.find('='))) == 0)
            throw SystemError(fmt::format("sysfs: Unknown parameter '{}'", option), EINVAL);
    }
}

void requireAdmin(const Caller& caller, const NamespaceHandle& ns) {
    if (!caller.capableOver(ns, CAP_SYS_ADMIN))
        throw SystemError("mount sysfs", EPERM);
}

// do_add_mount(): the same file system twice on the same place.
void refuseSecondOnSamePlace(const UniqueFd& mount, const UniqueFd& target) {
    struct statx what, where;
    constexpr unsigned cached = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    checked("statx", ::statx(mount.get(), "", cached, STATX_TYPE, &what));
    checked("statx", ::statx(target.get(), "", cached, STATX_TYPE, &where));
    if (!S_ISDIR(where.stx_mode))
        throw SystemError("mount sysfs", ENOTDIR);
    if ((where.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 && where.stx_dev_major == what.stx_dev_major &&
        where.stx_dev_minor == what.stx_dev_minor)
        throw SystemError("mount sysfs", EBUSY);
}

// A file system context made by fsopen() below carries this in its struct file, where nothing else uses it: it needs no table,
// and follows the descriptor through dup, fork and SCM_RIGHTS.
constexpr int markSignal = 63;

void mark(const UniqueFd& context) {
    const f_owner_ex owner{F_OWNER_PID, ::getpid()};
    checked("mark a file system context", ::fcntl(context.get(), F_SETOWN_EX, &owner));
    checked("mark a file system context", ::fcntl(context.get(), F_SETSIG, markSignal));
}

bool marked(const UniqueFd& context) {
    f_owner_ex owner{};
    return ::fcntl(context.get(), F_GETSIG) == markSignal && ::fcntl(context.get(), F_GETOWN_EX, &owner) == 0 &&
           owner.type == F_OWNER_PID && owner.pid == ::getpid();
}

std::uint64_t mountId(const UniqueFd& file) {
    struct statx info;
    checked("statx", ::statx(file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &info));
    return info.stx_mnt_id;
}

UniqueFd moveTarget(const CallView& call, const CallerMounts& mounts, unsigned flags) {
    const int directory = call.intArgument(2);
    UniqueFd start;
    const auto path =
        call.argument(3) == 0 && (flags & MOVE_MOUNT_T_EMPTY_PATH) != 0 ? std::string() : stringArgument(call, 3, ENAMETOOLONG);
    if (directory != AT_FDCWD && (path.empty() || path.front() != '/')) {
        try {
            start = call.caller().open(fmt::format("fd/{}", directory).c_str(), O_PATH);
        } catch (const SystemError&) {
            throw SystemError("move_mount", EBADF);
        }
    }
    if (path.empty() && (flags & MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return directory == AT_FDCWD ? call.caller().workingDirectory() : std::move(start);
    return mounts.resolve(path, start,
                          (flags & MOVE_MOUNT_T_SYMLINKS) != 0 ? CallerMounts::LastLink::follow : CallerMounts::LastLink::keep);
}

} // namespace

SysfsMounts::SysfsMounts(std::shared_ptr<SysfsSource> source) : source_(std::move(source)) {}

void SysfsMounts::trap(Filter& filter) const {
    // Binds, moves and remounts have no type. Propagation flags overlap with the old magic number in the upper half of `flags`.
    filter.trap(SYS_mount, {!wordEquals(2, 0), wordMasked(3, MS_REMOUNT | MS_BIND | MS_MOVE, 0)});
    filter.trap(SYS_fsopen);
    filter.trap(SYS_fsmount);
    filter.trap(SYS_move_mount, {intMasked(4, MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_F_EMPTY_PATH)});
}

Answer SysfsMounts::handle(CallView& call) {
    switch (call.number()) {
    case SYS_mount:
        return mount(call);
    case SYS_fsopen:
        return fsopen(call);
    case SYS_fsmount:
        return fsmount(call);
    case SYS_move_mount:
        return moveMount(call);
    default:
        return Answer::proceed();
    }
}

UniqueFd SysfsMounts::clone(const NamespaceHandle& network, std::uint64_t attributes) {
    std::string path;
    try {
        path = source_->mountPointFor(network);
    } catch (const std::exception& error) { // an errno of the simulator is none of mount(2)
        throw std::runtime_error(fmt::format("no fake /sys for net:[{}]: {}", network.inode(), error.what()));
    }
    UniqueFd mount(checked("clone the mount " + path,
                           ::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | static_cast<unsigned>(OPEN_TREE_CLOEXEC))));
    mount_attr attr{};
    attr.attr_set = attributes;
    attr.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME |
                    MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR__ATIME;
    attr.propagation = MS_PRIVATE; // a new mount belongs to no peer group
    checked("mount_setattr", ::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr));
    return mount;
}

// fs/namespace.c, in the order of ksys_mount(), path_mount(), do_new_mount()
Answer SysfsMounts::mount(CallView& call) {
    unsigned long flags = call.argument(3);
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~static_cast<unsigned long>(MS_MGC_MSK);
    if ((flags & notNewMount) != 0 || !namesSysfs(call, 2))
        return Answer::proceed();
    if (call.argument(0) != 0)
        stringArgument(call, 0, EINVAL); // the name shown in mountinfo: a clone keeps that of its origin
    const std::string options = call.argument(4) == 0 ? std::string() : call.readUpTo(call.argument(4), copiedString - 1);
    const CallerMounts mounts(call.caller());
    const auto target = mounts.resolve(stringArgument(call, 1, ENAMETOOLONG));
    if ((flags & superblockNoUser) != 0)
        throw SystemError("mount sysfs", EINVAL);
    requireAdmin(call.caller(), mounts.mountNamespace());
    refuseUnknownOptions(options.substr(0, options.find('\0')));
    const auto network = call.caller().ns("net");
    requireAdmin(call.caller(), network);
    const auto fake = clone(network, attributesOf(flags));
    refuseSecondOnSamePlace(fake, target);
    call.requireValid(); // a caller killed meanwhile has mounted nothing
    mounts.attach(fake, target);
    return Answer::value(0);
}

// The context is a real one of the real sysfs, so fsconfig(2) is the kernel's own, messages included; only fsmount(2) gives
// something else for it.
Answer SysfsMounts::fsopen(CallView& call) {
    if (!namesSysfs(call, 0))
        return Answer::proceed();
    requireAdmin(call.caller(), call.caller().ns("mnt"));
    const auto flags = static_cast<unsigned>(call.intArgument(1));
    if ((flags & ~static_cast<unsigned>(FSOPEN_CLOEXEC)) != 0)
        throw SystemError("fsopen", EINVAL);
    const auto network = call.caller().ns("net");
    auto context = onOwnThread([&] {
        // sysfs belongs to the network namespace of whoever opens the context.
        checked("enter the caller's network namespace", ::setns(network.fd(), CLONE_NEWNET));
        return UniqueFd(checked("fsopen sysfs", ::fsopen("sysfs", FSOPEN_CLOEXEC)));
    });
    mark(context);
    return Answer::descriptor(std::move(context), (flags & FSOPEN_CLOEXEC) != 0);
}

Answer SysfsMounts::fsmount(CallView& call) {
    UniqueFd context;
    try {
        context = call.takeDescriptor(call.intArgument(0));
    } catch (const SystemError&) { // the kernel's to refuse
        return Answer::proceed();
    }
    if (!marked(context))
        return Answer::proceed();
    requireAdmin(call.caller(), call.caller().ns("mnt"));
    const auto flags = static_cast<unsigned>(call.intArgument(1));
    const auto attributes = static_cast<unsigned>(call.intArgument(2));
    // Using the context up is what tells whether it was ready, and the next fsmount(2) that it no longer is. EPERM speaks about
    // this process in a user namespace (mount_too_revealing()), not about the caller.
    const UniqueFd real(::fsmount(context.get(), flags | FSMOUNT_CLOEXEC, attributes));
    if (!real.valid() && errno != EPERM)
        throw SystemError("fsmount", errno);
    auto fake = clone(call.caller().ns("net"), attributes);
    UniqueFd root(checked("open the fake /sys", ::openat(fake.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    keep(std::move(fake));
    return Answer::descriptor(std::move(root), (flags & FSMOUNT_CLOEXEC) != 0);
}

void SysfsMounts::keep(UniqueFd mount) {
    const auto id = mountId(mount);
    const std::lock_guard lock(mutex_);
    detached_.push_back({id, std::move(mount)});
    if (detached_.size() > keptDetached)
        detached_.pop_front();
}

std::optional<SysfsMounts::Detached> SysfsMounts::take(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(detached_.begin(), detached_.end(), [id](const Detached& one) { return one.id == id; });
    if (found == detached_.end())
        return std::nullopt;
    auto taken = std::move(*found);
    detached_.erase(found);
    return taken;
}

// Done here, so that the kept descriptor goes the moment the mount is in its place: it would make umount(2) fail with EBUSY.
Answer SysfsMounts::moveMount(CallView& call) {
    const auto flags = static_cast<unsigned>(call.intArgument(4));
    constexpr unsigned known = MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_F_AUTOMOUNTS | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS |
                               MOVE_MOUNT_T_AUTOMOUNTS | MOVE_MOUNT_T_EMPTY_PATH | moveBeneath;
    if ((flags & ~known) != 0 || (call.argument(1) != 0 && !call.readString(call.argument(1), 1).empty()))
        return Answer::proceed();
    std::optional<Detached> fake;
    try {
        fake = take(mountId(call.caller().open(fmt::format("fd/{}", call.intArgument(0)).c_str(), O_PATH)));
    } catch (const SystemError&) {
    }
    if (!fake)
        return Answer::proceed();
    try {
        const CallerMounts mounts(call.caller());
        requireAdmin(call.caller(), mounts.mountNamespace());
        mounts.attach(fake->mount, moveTarget(call, mounts, flags), flags & moveBeneath);
        return Answer::value(0);
    } catch (...) { // it may try again
        keep(std::move(fake->mount));
        throw;
    }
}

} // namespace rdmalab::fakekernel
