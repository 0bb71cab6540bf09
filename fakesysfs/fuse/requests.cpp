#include "fakesysfs/fuse/requests.h"

#include "fakesysfs/fuse/libfuse.h"
#include "fakesysfs/fuse/session.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {
namespace {

constexpr double forEver = 1e8;            // seconds; ended by Session::send()
constexpr unsigned largestRequest = 32768; // a listing of the size that the C library asks for
// A write waits so long for the kernel to forget. It only takes that long when somebody holds a directory until the write is
// over, as unlink() of the file that is written does.
constexpr std::chrono::seconds mostWait{2};

Session& sessionOf(fuse_req_t request) {
    return *static_cast<Session*>(fuse_req_userdata(request));
}

MountedTree& treeOf(fuse_req_t request) {
    return sessionOf(request).tree();
}

// FUSE carries errno values below 512: the kernel takes no other answer, and the caller would wait for ever. Of the kernel's own
// ones that sysfs lets through to programs (ENOTSUPP, 524) they get the public sibling.
void refuse(fuse_req_t request, int error) {
    fuse_reply_err(request, error > 0 && error < 512 ? error : error == 524 ? EOPNOTSUPP : EIO);
}

// With readlink's pages kept, kernels before 6.13 cut a target to st_size, which is 0 in sysfs.
bool keepsLinksOfSizeZero() {
    utsname kernel{};
    int major = 0, minor = 0;
    return uname(&kernel) == 0 && std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 13));
}

void onInit(void*, fuse_conn_info* connection) {
    // The data of files is never kept: their st_size is not their length.
    unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS |
                      FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_READDIRPLUS;
    if (keepsLinksOfSizeZero())
        wanted |= FUSE_CAP_CACHE_SYMLINKS;
    connection->want = connection->capable & wanted;
    // More than a page: a longer write has to come in one request, or the rest would be a second store().
    connection->max_write = largestRequest;
    connection->max_readahead = 0;
    connection->time_gran = 1;
}

fuse_entry_param entryOf(const MountedTree::Attributes& found) {
    fuse_entry_param entry{};
    entry.ino = found.number;
    entry.attr = found.status;
    entry.attr_timeout = found.keepAttributes ? forEver : 0;
    entry.entry_timeout = found.keepName ? forEver : 0;
    return entry;
}

void onLookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    MountedTree& tree = treeOf(request);
    const auto access = tree.lock();
    MountedTree::Attributes found;
    // Names that are not there are not kept: the next write may make them.
    if (const int error = tree.lookup(parent, name, found)) {
        refuse(request, error);
        return;
    }
    const fuse_entry_param entry = entryOf(found);
    if (fuse_reply_entry(request, &entry) != 0)
        tree.forget(found.number, 1); // nobody has got it
}

void onForget(fuse_req_t request, fuse_ino_t number, std::uint64_t count) {
    {
        const auto access = treeOf(request).lock();
        treeOf(request).forget(number, count);
    }
    fuse_reply_none(request);
}

void onForgetMany(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    {
        const auto access = treeOf(request).lock();
        for (std::size_t i = 0; i < count; ++i)
            treeOf(request).forget(forgets[i].ino, forgets[i].nlookup);
    }
    fuse_reply_none(request);
}

void replyAttributes(fuse_req_t request, int error, const MountedTree::Attributes& found) {
    if (error)
        refuse(request, error);
    else
        fuse_reply_attr(request, &found.status, found.keepAttributes ? forEver : 0);
}

void onGetattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
    const auto access = treeOf(request).lock();
    MountedTree::Attributes found;
    const int error = treeOf(request).attributes(number, found);
    replyAttributes(request, error, found);
}

void onSetattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int which, fuse_file_info*) {
    const auto access = treeOf(request).lock();
    MountedTree::Attributes found;
    const int error = treeOf(request).setAttributes(number, *wanted, which, found);
    replyAttributes(request, error, found);
}

void onReadlink(fuse_req_t request, fuse_ino_t number) {
    const auto access = treeOf(request).lock();
    std::string target;
    if (const int error = treeOf(request).target(number, target))
        refuse(request, error);
    else
        fuse_reply_readlink(request, target.c_str());
}

void onOpen(fuse_req_t request, fuse_ino_t number, fuse_file_info* file) {
    MountedTree& tree = treeOf(request);
    const auto access = tree.lock();
    if (const int error = tree.open(number, file->flags, file->fh)) {
        refuse(request, error);
        return;
    }
    file->direct_io = 1;
    if (fuse_reply_open(request, file) != 0)
        tree.close(file->fh);
}

void onRelease(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
    {
        const auto access = treeOf(request).lock();
        treeOf(request).close(file->fh);
    }
    fuse_reply_err(request, 0);
}

void onRead(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
    const auto access = treeOf(request).lock();
    std::string_view bytes;
    if (const int error = treeOf(request).read(file->fh, static_cast<std::uint64_t>(offset), size, bytes))
        refuse(request, error);
    else
        fuse_reply_buf(request, bytes.data(), bytes.size());
}

void onWrite(fuse_req_t request, fuse_ino_t, const char* data, std::size_t size, off_t offset, fuse_file_info* file) {
    Session& session = sessionOf(request);
    const bool accepted = session.write([&session, request, bytes = std::string(data, size), offset, handle = file->fh] {
        std::size_t taken = 0;
        int error = 0;
        {
            const auto access = session.tree().lock();
            error = session.tree().write(handle, bytes, static_cast<std::uint64_t>(offset), taken);
        }
        // Also after an error: a store may fail half-way.
        session.viewers().settle(std::chrono::steady_clock::now() + mostWait);
        if (error)
            refuse(request, error);
        else
            fuse_reply_write(request, taken);
    });
    if (!accepted)
        fuse_reply_err(request, ENOTCONN);
}

// No handle for directories: the kernel then keeps their listings, without asking when they are opened and closed.
void onOpendir(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
    fuse_reply_err(request, ENOSYS);
}

template <bool plus>
void list(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset) {
    MountedTree& tree = treeOf(request);
    const auto access = tree.lock();
    const std::size_t capacity = std::min<std::size_t>(size, largestRequest);
    const auto buffer = std::make_unique_for_overwrite<char[]>(capacity);
    std::size_t used = 0;
    std::vector<std::uint64_t> entered;
    const int error = tree.list(number, offset, plus, [&](const MountedTree::Listed& one) {
        fuse_entry_param entry{};
        if (one.entry)
            entry = entryOf(*one.entry);
        entry.attr.st_ino = one.number;
        entry.attr.st_mode = one.entry ? one.entry->status.st_mode : one.type;
        char* const place = buffer.get() + used;
        const std::size_t room = capacity - used;
        const std::size_t needed = plus ? fuse_add_direntry_plus(request, place, room, one.name, &entry, one.next)
                                        : fuse_add_direntry(request, place, room, one.name, &entry.attr, one.next);
        if (needed > room)
            return false;
        used += needed;
        if (one.entry)
            entered.push_back(one.entry->number);
        return true;
    });
    if (error) {
        refuse(request, error);
        return;
    }
    if (fuse_reply_buf(request, buffer.get(), used) != 0)
        for (const std::uint64_t one : entered)
            tree.forget(one, 1);
}

void onReaddir(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset, fuse_file_info*) {
    list<false>(request, number, size, offset);
}

void onReaddirPlus(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset, fuse_file_info*) {
    list<true>(request, number, size, offset);
}

void onStatfs(fuse_req_t request, fuse_ino_t) {
    struct statvfs status {};
    status.f_bsize = status.f_frsize = 4096;
    status.f_namemax = 255;
    fuse_reply_statfs(request, &status);
}

// sysfs lets nobody make, remove or move anything. Making a regular file is refused in another way (vfs_create).
void onMknod(fuse_req_t request, fuse_ino_t, const char*, mode_t mode, dev_t) {
    fuse_reply_err(request, S_ISREG(mode) ? EACCES : EPERM);
}

void onCreate(fuse_req_t request, fuse_ino_t, const char*, mode_t, fuse_file_info*) {
    fuse_reply_err(request, EACCES);
}

void onMkdir(fuse_req_t request, fuse_ino_t, const char*, mode_t) {
    fuse_reply_err(request, EPERM);
}

void onRemove(fuse_req_t request, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
}

void onSymlink(fuse_req_t request, const char*, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
}

void onRename(fuse_req_t request, fuse_ino_t, const char*, fuse_ino_t, const char*, unsigned) {
    fuse_reply_err(request, EPERM);
}

void onLink(fuse_req_t request, fuse_ino_t, fuse_ino_t, const char*) {
    fuse_reply_err(request, EPERM);
}

} // namespace

// What is left out the kernel does itself after one ENOSYS: flush, fsync (does nothing), poll (always ready), lseek, extended
// attributes (EOPNOTSUPP, where sysfs has ENODATA: asking for security.capability with each write would cost a request).
const fuse_lowlevel_ops& requestHandlers() {
    static const fuse_lowlevel_ops handlers = [] {
        fuse_lowlevel_ops made{};
        made.init = onInit;
        made.lookup = onLookup;
        made.forget = onForget;
        made.forget_multi = onForgetMany;
        made.getattr = onGetattr;
        made.setattr = onSetattr;
        made.readlink = onReadlink;
        made.open = onOpen;
        made.release = onRelease;
        made.read = onRead;
        made.write = onWrite;
        made.opendir = onOpendir;
        made.readdir = onReaddir;
        made.readdirplus = onReaddirPlus;
        made.statfs = onStatfs;
        made.mknod = onMknod;
        made.create = onCreate;
        made.mkdir = onMkdir;
        made.unlink = onRemove;
        made.rmdir = onRemove;
        made.symlink = onSymlink;
        made.rename = onRename;
        made.link = onLink;
        return made;
    }();
    return handlers;
}

} // namespace rdmalab::fakesysfs
