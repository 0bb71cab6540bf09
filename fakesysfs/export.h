// A tree written out as plain files, to be bind-mounted as /sys or read by tools that take another root.
#pragma once

#include "fakesysfs/tree.h"

#include <cstddef>
#include <string>

namespace rdmalab::fakesysfs {

struct ExportOptions {
    // Files whose reading fails with EINVAL in a real kernel (unused gid_attrs slots; speed, duplex and carrier of an interface
    // that is down) become links to /proc/self/ns/net, whose reading fails the same way. Off: they are left out.
    bool emulateEinval = true;
};

struct ExportResult {
    std::size_t directories = 0, files = 0, links = 0;
    std::size_t leftOut = 0; // unreadable files that a plain file system cannot imitate, and device nodes
};

// Writes what is below `treePath` ("/sys") into `directory`, which is created if missing. Files that are there already are
// replaced, never written in place; those the tree does not have stay. Write-only attributes become empty files with mode
// 0200. Other unreadable files (EOPNOTSUPP, EIO) are left out: readers then get ENOENT, which they treat alike.
// Equal read-only files of a table (unused GIDs, counters) share one inode. Meant for a tmpfs: about 2 500 small files for a
// dual-port card. Throws SystemError.
ExportResult exportTree(const Tree& tree, const std::string& directory, const std::string& treePath = "/sys",
                        const ExportOptions& options = {});

} // namespace rdmalab::fakesysfs
