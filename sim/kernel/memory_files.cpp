#include "sim/kernel/memory_files.h"

#include "util/syscall.h"

#include <algorithm>
#include <deque>

namespace rdmalab::kernel {

using plugin::DirectoryEntry;
using plugin::FileKind;
using plugin::FileStatus;

namespace {

constexpr int kMaxLinks = 40; // MAXSYMLINKS
constexpr std::size_t kMaxName = 255;

std::deque<std::string> components(const std::string& path) {
    std::deque<std::string> parts;
    for (std::size_t start = 0; start < path.size();) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        if (end > start)
            parts.push_back(path.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

} // namespace

struct MemoryFiles::Node {
    FileKind kind = FileKind::directory;
    unsigned mode = 0755, major = 0, minor = 0;
    std::string content; // of a file; the target of a symbolic link
    std::map<std::string, std::unique_ptr<Node>> entries;
    plugin::Files* mounted = nullptr;
    std::string mountedRoot;
};

// Where a path leads: a node, or a name that is missing in a directory, or a path of a mounted Files.
struct MemoryFiles::Place {
    Node* node = nullptr;      // null: missing
    Node* directory = nullptr; // the last component's; null when a component before it is missing
    std::string name;
    plugin::Files* files = nullptr; // asked instead when set
    std::string path;
    int failure = 0; // ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG on the way
};

MemoryFiles::MemoryFiles() : root_(std::make_unique<Node>()) {}
MemoryFiles::~MemoryFiles() = default;

MemoryFiles::Place MemoryFiles::resolve(const std::string& path, bool followLast) {
    const bool wantsDirectory = path.size() > 1 && path.back() == '/';
    std::deque<std::string> rest = components(path);
    std::vector<Node*> trail{root_.get()};
    Place place;
    place.node = root_.get();
    if (path.empty()) {
        place.node = nullptr;
        place.failure = ENOENT;
        return place;
    }
    int links = 0;
    for (;;) {
        Node* const here = trail.back();
        if (here->mounted != nullptr) {
            // Leading ".." come back out of the mount before the delegate sees them.
            place.files = here->mounted;
            place.path = here->mountedRoot == "/" ? "" : here->mountedRoot;
            std::vector<std::string> inside;
            bool left = false;
            while (!rest.empty()) {
                const std::string part = rest.front();
                rest.pop_front();
                if (part == "..") {
                    if (inside.empty()) {
                        left = true;
                        break;
                    }
                    inside.pop_back();
                } else if (part != ".") {
                    inside.push_back(part);
                }
            }
            if (!left) {
                for (const std::string& part : inside)
                    place.path += "/" + part;
                if (place.path.empty())
                    place.path = "/";
                place.node = inside.empty() ? here : nullptr;
                return place;
            }
            place.files = nullptr;
            trail.pop_back();
            continue;
        }
        if (rest.empty()) {
            place.node = here;
            return place;
        }
        const std::string part = rest.front();
        rest.pop_front();
        if (part == ".")
            continue;
        if (part == "..") {
            if (trail.size() > 1)
                trail.pop_back();
            place.directory = nullptr; // such a path names no entry
            continue;
        }
        if (here->kind != FileKind::directory || part.size() > kMaxName) {
            place.node = place.directory = nullptr;
            place.failure = part.size() > kMaxName ? ENAMETOOLONG : ENOTDIR;
            return place;
        }
        const auto found = here->entries.find(part);
        place.directory = here;
        place.name = part;
        if (found == here->entries.end()) {
            place.node = nullptr;
            place.failure = ENOENT;
            if (!rest.empty())
                place.directory = nullptr;
            return place;
        }
        Node& next = *found->second;
        if (next.kind == FileKind::symlink && (!rest.empty() || followLast || wantsDirectory)) {
            if (++links > kMaxLinks) {
                place.node = place.directory = nullptr;
                place.failure = ELOOP;
                return place;
            }
            if (!next.content.empty() && next.content.front() == '/')
                trail.assign(1, root_.get());
            place.directory = nullptr;
            const auto target = components(next.content);
            rest.insert(rest.begin(), target.begin(), target.end());
            continue;
        }
        if (wantsDirectory && rest.empty() && next.kind != FileKind::directory) {
            place.node = place.directory = nullptr;
            place.failure = ENOTDIR;
            return place;
        }
        trail.push_back(&next);
    }
}

std::string MemoryFiles::read(const std::string& path) {
    const Place place = resolve(path, true);
    if (place.files != nullptr)
        return place.files->read(place.path);
    if (place.node == nullptr)
        throw SystemError("open " + path, place.failure);
    if (place.node->kind == FileKind::directory)
        throw SystemError("read " + path, EISDIR);
    if (place.node->kind != FileKind::regular)
        throw SystemError("open " + path, ENXIO); // a device or socket without anybody behind it
    return place.node->content;
}

std::vector<DirectoryEntry> MemoryFiles::list(const std::string& path) {
    const Place place = resolve(path, true);
    if (place.files != nullptr)
        return place.files->list(place.path);
    if (place.node == nullptr)
        throw SystemError("open " + path, place.failure);
    if (place.node->kind != FileKind::directory)
        throw SystemError("open " + path, ENOTDIR);
    std::vector<DirectoryEntry> entries;
    for (const auto& [name, node] : place.node->entries)
        entries.push_back({name, node->kind});
    return entries;
}

std::string MemoryFiles::readLink(const std::string& path) {
    const Place place = resolve(path, false);
    if (place.files != nullptr)
        return place.files->readLink(place.path);
    if (place.node == nullptr || place.node->kind != FileKind::symlink)
        throw SystemError("readlink " + path, place.node == nullptr ? place.failure : EINVAL);
    return place.node->content;
}

namespace {
FileStatus missingOr(const std::string& attempted, int failure) {
    if (failure != ENOENT && failure != ENOTDIR)
        throw SystemError(attempted, failure);
    return {};
}
} // namespace

FileStatus MemoryFiles::status(const std::string& path) {
    const Place place = resolve(path, true);
    if (place.files != nullptr)
        return place.files->status(place.path);
    if (place.node == nullptr)
        return missingOr("stat " + path, place.failure);
    return {place.node->kind, place.node->mode, place.node->major, place.node->minor};
}

FileStatus MemoryFiles::linkStatus(const std::string& path) {
    const Place place = resolve(path, false);
    if (place.files != nullptr)
        return place.files->linkStatus(place.path);
    if (place.node == nullptr)
        return missingOr("lstat " + path, place.failure);
    return {place.node->kind, place.node->kind == FileKind::symlink ? 0777 : place.node->mode, place.node->major,
            place.node->minor};
}

void MemoryFiles::write(const std::string& path, const std::string& content, unsigned mode) {
    // rename(2) replaces the name, not what a link there points to.
    const Place place = resolve(path, false);
    if (place.files != nullptr) {
        place.files->write(place.path, content, mode);
        return;
    }
    if (place.directory == nullptr)
        throw SystemError("open " + path, place.failure != 0 ? place.failure : EISDIR);
    if (place.node != nullptr && place.node->kind == FileKind::directory)
        throw SystemError("rename " + path, EISDIR);
    auto fresh = std::make_unique<Node>();
    fresh->kind = FileKind::regular;
    fresh->mode = mode;
    fresh->content = content;
    place.directory->entries[place.name] = std::move(fresh);
}

void MemoryFiles::writeInPlace(const std::string& path, const std::string& content) {
    const Place place = resolve(path, true);
    if (place.files != nullptr) {
        place.files->writeInPlace(place.path, content);
        return;
    }
    if (place.node == nullptr)
        throw SystemError("open " + path, place.failure);
    if (place.node->kind != FileKind::regular)
        throw SystemError("open " + path, place.node->kind == FileKind::directory ? EISDIR : ENXIO);
    place.node->content = content;
}

MemoryFiles::Node& MemoryFiles::directory(const std::string& path, unsigned mode) {
    std::string sofar;
    Node* here = root_.get();
    for (const std::string& part : components(path)) {
        sofar += "/" + part;
        const Place place = resolve(sofar, true);
        if (place.files != nullptr && place.node == nullptr)
            throw SystemError("mkdir " + path, EROFS); // a mounted tree is made by its owner
        if (place.node != nullptr) {
            if (place.node->kind != FileKind::directory)
                throw SystemError("mkdir " + path, ENOTDIR);
            here = place.node;
            continue;
        }
        if (place.failure != ENOENT || place.directory == nullptr)
            throw SystemError("mkdir " + path, place.failure);
        if (here->entries.count(part) != 0)
            throw SystemError("mkdir " + path, EEXIST); // a dangling link
        auto fresh = std::make_unique<Node>();
        fresh->mode = mode;
        Node* const created = fresh.get();
        place.directory->entries[place.name] = std::move(fresh);
        here = created;
    }
    return *here;
}

void MemoryFiles::makeDirectories(const std::string& path, unsigned mode) {
    const Place place = resolve(path, true);
    if (place.files != nullptr) {
        if (place.node == nullptr)
            place.files->makeDirectories(place.path, mode);
        return;
    }
    directory(path, mode);
}

void MemoryFiles::remove(const std::string& path) {
    const Place place = resolve(path, false);
    if (place.files != nullptr) {
        if (place.node != nullptr)
            throw SystemError("remove " + path, EBUSY); // the mount point
        place.files->remove(place.path);
        return;
    }
    if (place.node == nullptr) {
        missingOr("remove " + path, place.failure);
        return;
    }
    if (place.directory == nullptr)
        throw SystemError("remove " + path, EBUSY); // the root
    if (!place.node->entries.empty())
        throw SystemError("remove " + path, ENOTEMPTY);
    place.directory->entries.erase(place.name);
}

MemoryFiles::Node& MemoryFiles::create(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || slash + 1 == path.size())
        throw SystemError("create " + path, EINVAL);
    Node& parent = directory(path.substr(0, slash), 0755);
    if (parent.mounted != nullptr)
        throw SystemError("create " + path, EROFS);
    auto& entry = parent.entries[path.substr(slash + 1)];
    if (entry != nullptr)
        throw SystemError("create " + path, EEXIST);
    entry = std::make_unique<Node>();
    return *entry;
}

void MemoryFiles::addSymlink(const std::string& path, const std::string& target) {
    Node& link = create(path);
    link.kind = FileKind::symlink;
    link.content = target;
}

void MemoryFiles::addDevice(const std::string& path, FileKind kind, unsigned major, unsigned minor, unsigned mode) {
    Node& device = create(path);
    device.kind = kind;
    device.major = major;
    device.minor = minor;
    device.mode = mode;
}

void MemoryFiles::addSocket(const std::string& path, unsigned mode) {
    Node& socket = create(path);
    socket.kind = FileKind::socket;
    socket.mode = mode;
}

void MemoryFiles::removeTree(const std::string& path) {
    const Place place = resolve(path, false);
    if (place.files != nullptr)
        throw SystemError("remove " + path, EBUSY);
    if (place.node == root_.get())
        place.node->entries.clear();
    else if (place.node != nullptr && place.directory != nullptr)
        place.directory->entries.erase(place.name);
}

void MemoryFiles::mount(const std::string& path, plugin::Files& files, const std::string& root) {
    Node& point = directory(path, 0755);
    if (point.mounted != nullptr)
        throw SystemError("mount " + path, EBUSY);
    point.mounted = &files;
    point.mountedRoot = root;
}

void MemoryFiles::unmount(const std::string& path) {
    const Place place = resolve(path, true);
    if (place.files == nullptr || place.node == nullptr)
        throw SystemError("umount " + path, EINVAL);
    place.node->mounted = nullptr;
}

} // namespace rdmalab::kernel
