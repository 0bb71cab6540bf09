#include "fakesysfs/tree_files.h"

#include "util/syscall.h"

#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

using plugin::FileKind;

FileKind kindOf(const Node& node) {
    switch (node.kind) {
    case NodeKind::directory:
        return FileKind::directory;
    case NodeKind::symlink:
        return FileKind::symlink;
    case NodeKind::characterDevice:
        return FileKind::characterDevice;
    case NodeKind::file:
    case NodeKind::unreadable:
        return FileKind::regular;
    }
    return FileKind::other;
}

plugin::FileStatus statusOf(const Node* node) {
    plugin::FileStatus status;
    if (node) {
        status.kind = kindOf(*node);
        status.mode = node->mode;
        status.deviceMajor = node->deviceMajor;
        status.deviceMinor = node->deviceMinor;
    }
    return status;
}

const Node& existing(const Tree& tree, const char* attempted, const std::string& path, bool follow = true) {
    const Tree::Found found = tree.find(path, follow);
    if (!found.node)
        throw SystemError(std::string(attempted) + " " + path, found.error);
    return *found.node;
}

bool within(const std::string& path, std::string_view top) {
    return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

} // namespace

std::string TreeFiles::read(const std::string& path) {
    const Node& node = existing(tree_, "open", path);
    if (node.kind == NodeKind::directory)
        throw SystemError("read " + path, EISDIR);
    if (node.kind == NodeKind::characterDevice)
        throw SystemError("open " + path, ENXIO); // a node without a driver behind it
    if (node.kind == NodeKind::unreadable)
        throw SystemError((node.failsInOpen ? "open " : "read ") + path, node.error);
    if (node.behaviour && node.behaviour->read) {
        const auto behaviour = node.behaviour; // reading may take the tree away
        return behaviour->read();
    }
    return node.text;
}

std::vector<plugin::DirectoryEntry> TreeFiles::list(const std::string& path) {
    const Tree::Found found = tree_.find(path);
    if (!found.node)
        throw SystemError("open " + path, found.error);
    if (found.node->kind != NodeKind::directory)
        throw SystemError("open " + path, ENOTDIR);
    const Directory& directory = found.path == "/" ? tree_.root() : *found.node->directory;
    std::vector<plugin::DirectoryEntry> entries;
    for (const auto& [name, node] : directory.entries())
        entries.push_back({name, kindOf(node)});
    return entries;
}

std::string TreeFiles::readLink(const std::string& path) {
    const Node& node = existing(tree_, "readlink", path, false);
    if (node.kind != NodeKind::symlink)
        throw SystemError("readlink " + path, EINVAL);
    return node.text;
}

plugin::FileStatus TreeFiles::status(const std::string& path) {
    return statusOf(tree_.find(path).node);
}

plugin::FileStatus TreeFiles::linkStatus(const std::string& path) {
    return statusOf(tree_.find(path, false).node);
}

// Files are neither made nor replaced in sysfs: the directory refuses, and what exists is written in place.
void TreeFiles::write(const std::string& path, const std::string& content, unsigned) {
    if (status(path).kind == FileKind::missing)
        throw SystemError("open " + path, EACCES);
    writeInPlace(path, content);
}

void TreeFiles::writeInPlace(const std::string& path, const std::string& content) {
    const Node& node = existing(tree_, "open", path);
    if (node.kind == NodeKind::directory)
        throw SystemError("open " + path, EISDIR);
    // A read-only attribute refuses to be opened for writing, also for root.
    if ((node.mode & 0222) == 0)
        throw SystemError("open " + path, EACCES);
    if (!node.behaviour || !node.behaviour->write)
        throw SystemError("open " + path, EROFS);
    const auto behaviour = node.behaviour; // the write may take the tree away
    try {
        behaviour->write(content); // one write(2): the rest of a page that was cut off is lost
    } catch (const SystemError& error) {
        throw SystemError("write " + path, error.code());
    }
}

void TreeFiles::makeDirectories(const std::string& path, unsigned) {
    if (status(path).kind != FileKind::directory)
        throw SystemError("mkdir " + path, EPERM);
}

void TreeFiles::remove(const std::string& path) {
    if (linkStatus(path).kind != FileKind::missing)
        throw SystemError("unlink " + path, EPERM);
}

plugin::Files& NodeFiles::of(const std::string& path) {
    return within(path, "/sys") || within(path, "/dev/infiniband") || within(path, "/dev/vfio") ? hardware_ : rest_;
}

} // namespace rdmalab::fakesysfs
