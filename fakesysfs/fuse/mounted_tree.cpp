#include "fakesysfs/fuse/mounted_tree.h"

#include "util/syscall.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

namespace rdmalab::fakesysfs {
namespace {

constexpr std::size_t page = 4096;
// Nodes that a mount keeps rendered: about 250 bytes each.
constexpr std::size_t mostRendered = 65536;
constexpr std::int64_t afterDots = 2, afterAll = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t second = 1'000'000'000;

// As FUSE_SET_ATTR_* of libfuse, which this file does not need otherwise.
enum : int { setMode = 1, setUser = 2, setGroup = 4, setAccessed = 16, setModified = 32, accessedNow = 128, modifiedNow = 256 };

std::int64_t now() noexcept {
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * second + time.tv_nsec;
}

timespec asTime(std::int64_t nanoseconds) noexcept {
    return {static_cast<time_t>(nanoseconds / second), static_cast<long>(nanoseconds % second)};
}

std::int64_t cookieOf(std::string_view name) noexcept {
    const auto hash = static_cast<std::int64_t>(std::hash<std::string_view>()(name) >> 1);
    return std::clamp(hash, afterDots + 1, afterAll - 1);
}

std::uint64_t listingOf(const Directory& directory) noexcept {
    std::uint64_t sum = 1;
    for (const auto& [name, node] : directory.entries())
        sum = shownNumber(sum, name, node);
    return sum;
}

// A text attribute shows a page and fills less of it.
bool binary(const Node& node) noexcept {
    return (node.size != page && node.size != 0) || node.text.size() >= page;
}

// Runs what may throw.
template <typename Action>
int errnoOf(Action action) {
    try {
        action();
        return 0;
    } catch (const SystemError& error) {
        return error.code() > 0 ? error.code() : EIO;
    } catch (const std::exception&) {
        return EIO;
    }
}

} // namespace

MountedTree::MountedTree(Tree& tree, TreeLock& machine)
    : tree_(tree), machine_(machine), clock_(now()), born_(asTime(clock_)), inodes_(clock_) {}

// A time later than any before.
std::int64_t MountedTree::tick() noexcept {
    clock_ = std::max(clock_ + 1, now());
    return clock_;
}

void MountedTree::boundMemory() const {
    if (tree_.renderedNodes() > mostRendered)
        tree_.forget();
}

// What the inode stands for now; null when that is gone.
const Node* MountedTree::resolve(const Inode& inode) const {
    if (!inode.attached)
        return nullptr;
    if (!inode.parent) {
        const Node* sys = tree_.root().find("sys");
        return sys && sys->directory ? sys : nullptr;
    }
    const Node* parent = resolve(*inode.parent);
    if (!parent || !parent->directory)
        return nullptr;
    const Node* node = parent->directory->find(inode.name);
    return node && inode.object.is(*node) ? node : nullptr;
}

// `node`: null when gone, then what was known last is told.
void MountedTree::describe(Inode& inode, const Node* node, bool liveParent, Attributes& found) {
    if (node) {
        inode.mode = node->mode;
        inode.size = node->size;
        if (node->live && node->directory) {
            const std::uint64_t listing = listingOf(*node->directory);
            if (listing != inode.listing)
                inode.changed = tick();
            inode.listing = listing;
        }
    }
    const bool directory = S_ISDIR(inode.object.type);
    struct stat& status = found.status;
    found.number = inode.number;
    status.st_ino = inode.shown;
    status.st_mode = inode.object.type | static_cast<mode_t>(inode.mode);
    // A directory's true count would have it rendered; 1 tells programs to look for themselves.
    status.st_nlink = 1;
    status.st_size = static_cast<off_t>(inode.size);
    status.st_rdev = inode.object.device;
    status.st_blksize = page;
    status.st_atim = born_;
    status.st_mtim = status.st_ctim = directory ? asTime(inode.changed) : born_;
    if (inode.set) {
        if (inode.set->mode)
            status.st_mode = inode.object.type | inode.set->permissions;
        if (inode.set->owner) {
            status.st_uid = inode.set->user;
            status.st_gid = inode.set->group;
        }
        if (inode.set->times) {
            status.st_atim = inode.set->accessed;
            if (!directory)
                status.st_mtim = inode.set->modified;
        }
    }
    found.keepName = node && !liveParent;
    found.keepAttributes = node && !liveParent && !node->live;
}

int MountedTree::lookup(std::uint64_t parentNumber, const char* name, Attributes& found) {
    Inode* parent = inodes_.find(parentNumber);
    if (!parent)
        return ESTALE;
    const std::lock_guard machine(machine_);
    boundMemory();
    const Node* directory = resolve(*parent);
    if (!directory)
        return ENOENT;
    if (!directory->directory)
        return ENOTDIR;
    const Node* node = directory->directory->find(name);
    if (!node)
        return ENOENT;
    Inode& inode = inodes_.enter(*parent, name, *node, clock_);
    describe(inode, node, directory->live, found);
    inodes_.remember(inode);
    return 0;
}

void MountedTree::forget(std::uint64_t number, std::uint64_t count) {
    if (Inode* inode = inodes_.find(number))
        inodes_.forget(*inode, count);
}

int MountedTree::attributes(std::uint64_t number, Attributes& found) {
    Inode* inode = inodes_.find(number);
    if (!inode)
        return ESTALE;
    const std::lock_guard machine(machine_);
    boundMemory();
    const Node* node = resolve(*inode);
    const Node* parent = node && inode->parent ? resolve(*inode->parent) : nullptr;
    describe(*inode, node, parent && parent->live, found);
    return 0;
}

int MountedTree::setAttributes(std::uint64_t number, const struct stat& wanted, int which, Attributes& found) {
    Inode* inode = inodes_.find(number);
    if (!inode)
        return ESTALE;
    if (which & (setMode | setUser | setGroup | setAccessed | setModified)) {
        if (!inode->set)
            inode->set = std::make_unique<Inode::Set>();
        Inode::Set& set = *inode->set;
        if (which & setMode) {
            set.mode = true;
            set.permissions = wanted.st_mode & 07777;
        }
        if (which & (setUser | setGroup)) {
            set.owner = true;
            set.user = which & setUser ? wanted.st_uid : set.user;
            set.group = which & setGroup ? wanted.st_gid : set.group;
        }
        if (which & (setAccessed | setModified)) {
            if (!set.times)
                set.accessed = set.modified = born_;
            set.times = true;
            if (which & setAccessed)
                set.accessed = which & accessedNow ? asTime(now()) : wanted.st_atim;
            if (which & setModified)
                set.modified = which & modifiedNow ? asTime(now()) : wanted.st_mtim;
        }
    }
    return attributes(number, found);
}

int MountedTree::target(std::uint64_t number, std::string& target) {
    const Inode* inode = inodes_.find(number);
    if (!inode)
        return ESTALE;
    if (!S_ISLNK(inode->object.type))
        return EINVAL;
    target = inode->object.target; // never changes
    return 0;
}

int MountedTree::open(std::uint64_t number, int flags, std::uint64_t& handle) {
    Inode* inode = inodes_.find(number);
    if (!inode)
        return ESTALE;
    const int access = flags & O_ACCMODE;
    {
        const std::lock_guard machine(machine_);
        boundMemory();
        const Node* node = resolve(*inode);
        if (!node)
            return ENODEV;
        // kernfs_fop_open: sysfs asks for the bits of the mode whoever opens.
        const unsigned mode = inode->set && inode->set->mode ? inode->set->permissions : node->mode;
        if ((access != O_WRONLY && !(mode & 0444)) || (access != O_RDONLY && !(mode & 0222)))
            return EACCES;
        if (access != O_WRONLY && node->kind == NodeKind::unreadable && node->failsInOpen)
            return node->error;
    }
    handle = nextHandle_++;
    files_.emplace(handle, OpenFile{inode, {}, 0, false});
    inodes_.hold(*inode);
    return 0;
}

void MountedTree::close(std::uint64_t handle) {
    const auto file = files_.find(handle);
    if (file == files_.end())
        return;
    Inode* inode = file->second.inode;
    files_.erase(file);
    inodes_.release(*inode);
}

int MountedTree::content(const Node& node, std::string& content) const {
    if (node.kind == NodeKind::unreadable)
        return node.error;
    if (!node.behaviour || !node.behaviour->read) {
        content = node.text;
        return 0;
    }
    const std::shared_ptr<const Behaviour> behaviour = node.behaviour;
    return errnoOf([&] { content = behaviour->read(); });
}

int MountedTree::read(std::uint64_t handle, std::uint64_t offset, std::size_t size, std::string_view& bytes) {
    const auto found = files_.find(handle);
    if (found == files_.end())
        return EBADF;
    OpenFile& file = found->second;
    {
        const std::lock_guard machine(machine_);
        boundMemory();
        const Node* node = resolve(*file.inode);
        if (!node)
            return ENODEV;
        if (!file.rendered || offset == 0 || offset != file.end) {
            file.rendered = false;
            if (const int error = content(*node, file.content))
                return error;
            file.rendered = true;
        }
    }
    bytes = std::string_view(file.content);
    bytes.remove_prefix(std::min<std::uint64_t>(offset, bytes.size()));
    bytes = bytes.substr(0, std::min(size, page)); // kernfs gives a page at a time
    file.end = offset + bytes.size();
    return 0;
}

int MountedTree::write(std::uint64_t handle, std::string_view bytes, std::uint64_t offset, std::size_t& taken) {
    const auto found = files_.find(handle);
    if (found == files_.end())
        return EBADF;
    const std::lock_guard machine(machine_);
    const Node* node = resolve(*found->second.inode);
    if (!node)
        return ENODEV;
    bytes = bytes.substr(0, page); // kernfs_fop_write_iter
    if (binary(*node)) {           // sysfs_kf_bin_write; the store of a text attribute does not know the offset
        if (offset >= node->size)
            return EFBIG;
        bytes = bytes.substr(0, node->size - offset);
    }
    // A store that throws the tree away must not take itself along.
    const std::shared_ptr<const Behaviour> behaviour = node->behaviour;
    if (!behaviour || !behaviour->write)
        return EIO; // dev_attr_store and the like without a store
    return errnoOf([&] { taken = std::min(behaviour->write(bytes), bytes.size()); });
}

int MountedTree::list(std::uint64_t number, std::int64_t offset, bool enter, const std::function<bool(const Listed&)>& take) {
    Inode* inode = inodes_.find(number);
    if (!inode)
        return ESTALE;
    if (offset == afterAll)
        return 0;
    inode->listed = true;
    const Inode& parent = inode->parent ? *inode->parent : *inode;
    if (offset < 1 && !take({".", inode->shown, S_IFDIR, 1, nullptr}))
        return 0;
    if (offset < afterDots && !take({"..", parent.shown, S_IFDIR, afterDots, nullptr}))
        return 0;
    const std::lock_guard machine(machine_);
    boundMemory();
    const Node* node = resolve(*inode);
    if (!node || !node->directory)
        return 0; // as a removed directory of sysfs that is still open
    struct Place {
        std::int64_t cookie;
        const std::pair<const std::string, Node>* entry;
    };
    std::vector<Place> places;
    for (const auto& entry : node->directory->entries())
        if (const std::int64_t cookie = cookieOf(entry.first); cookie > offset)
            places.push_back({cookie, &entry});
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.cookie < b.cookie; });
    for (std::size_t i = 0; i < places.size(); ++i) {
        const auto& [name, child] = *places[i].entry;
        Attributes found;
        Inode* entered = nullptr;
        if (enter && child.kind == NodeKind::directory) {
            entered = &inodes_.enter(*inode, name, child, clock_);
            describe(*entered, &child, node->live, found);
            inodes_.remember(*entered);
        }
        const std::int64_t next = i + 1 == places.size() ? afterAll : places[i].cookie;
        if (!take({name.c_str(), shownNumber(inode->shown, name, child), typeOf(child.kind), next, entered ? &found : nullptr})) {
            if (entered)
                inodes_.forget(*entered, 1);
            break;
        }
    }
    return 0;
}

Stale MountedTree::stale(const Changes& changes) {
    Stale stale;
    std::vector<Inode*> gone;
    {
        const std::lock_guard machine(machine_);
        boundMemory();
        if (const Node* node = resolve(inodes_.root()))
            compare(inodes_.root(), *node->directory, {changes, changes.everything}, stale, gone);
    }
    for (Inode* inode : gone) {
        inodes_.detach(*inode);
        inodes_.release(*inode);
    }
    return stale;
}

// The kernel drops what is below by itself, except for what is in use there: through an open directory it could still be found.
void MountedTree::end(const Inode& inode, Stale& stale) {
    for (const auto& [name, child] : inode.children)
        if (S_ISDIR(child->object.type) || child->inUse())
            end(*child, stale);
    stale.names.push_back({inode.parent->number, inode.name});
}

void MountedTree::compare(Inode& directory, const Directory& now, Scope scope, Stale& stale, std::vector<Inode*>& gone) {
    if (directory.listed) {
        // Told without looking: to compare would have it rendered. The new time makes the kernel drop a listing that it is
        // just about to keep.
        directory.listed = false;
        directory.changed = tick();
        stale.listings.push_back(directory.number);
    }
    for (const auto& [name, child] : directory.children) {
        const Node* node = now.find(name);
        if (!node || !child->object.is(*node)) {
            end(*child, stale);
            inodes_.hold(*child);
            gone.push_back(child);
            continue;
        }
        if (child->mode != node->mode || child->size != node->size)
            stale.attributes.push_back(child->number);
        if (!node->directory || (child->children.empty() && !child->listed))
            continue;
        // Names inside a device change only with the device.
        const bool inside = scope.inside || scope.changes.instances.count(node->identity) != 0;
        if (inside || node->identity == 0)
            compare(*child, *node->directory, {scope.changes, inside}, stale, gone);
    }
}

} // namespace rdmalab::fakesysfs
