// The tree as a file system with inodes, open files and listings, whoever asks: what FUSE requests are answered from.
#pragma once

#include "fakesysfs/fuse/inode_table.h"
#include "fakesysfs/tree.h"

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rdmalab::fakesysfs {

// What has changed: everything, or only what belongs to some functions (PciFunction::instance).
struct Changes {
    bool everything = false;
    std::set<std::uint64_t> instances;
    bool any() const noexcept { return everything || !instances.empty(); }
};

// What the kernel has to be told to forget.
struct Stale {
    struct Name {
        std::uint64_t parent = 0;
        std::string name;
    };
    std::vector<Name> names;
    std::vector<std::uint64_t> listings, attributes; // inode numbers
};

// The machine behind a tree: held while the tree is looked at.
class TreeLock {
public:
    TreeLock() = default;
    TreeLock(const TreeLock&) = delete;
    TreeLock& operator=(const TreeLock&) = delete;
    virtual ~TreeLock() = default;
    virtual void lock() = 0;
    virtual void unlock() = 0;
};

// All but lock() with the lock of lock() held, which is also to be held while the answer of lookup(), attributes() and list()
// is given to the kernel: whoever calls stale() next must find it there. Functions return 0 or an errno.
class MountedTree {
public:
    // The root of the file system is what the tree has as /sys. Everything passed must outlive it.
    MountedTree(Tree& tree, TreeLock& machine);
    MountedTree(const MountedTree&) = delete;
    MountedTree& operator=(const MountedTree&) = delete;

    [[nodiscard]] std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }

    struct Attributes {
        std::uint64_t number = 0;
        struct stat status {};
        bool keepName = false, keepAttributes = false; // until stale() says otherwise
    };
    // Counts one look-up. ENOENT also in a directory that is gone.
    int lookup(std::uint64_t parent, const char* name, Attributes& found);
    void forget(std::uint64_t number, std::uint64_t count);
    int attributes(std::uint64_t number, Attributes& found);
    // chmod, chown, utimes and truncate as sysfs takes them: kept, except for the size. `which` as FUSE_SET_ATTR_*.
    int setAttributes(std::uint64_t number, const struct stat& wanted, int which, Attributes& found);
    int target(std::uint64_t number, std::string& target);

    // EACCES by the mode also for root; ENODEV when the object is gone.
    int open(std::uint64_t number, int flags, std::uint64_t& handle);
    void close(std::uint64_t handle);
    // Text attributes are rendered when read from the start or from anywhere else than where the last read ended.
    int read(std::uint64_t handle, std::uint64_t offset, std::size_t size, std::string_view& bytes);
    // At most a page is taken; `taken` says how much.
    int write(std::uint64_t handle, std::string_view bytes, std::uint64_t offset, std::size_t& taken);

    struct Listed {
        const char* name;
        std::uint64_t number; // shown
        mode_t type;
        std::int64_t next; // offset of the entry after it
        Attributes* entry; // of a directory, when asked for: looked up
    };
    // Entries from `offset` on, in the order of their hashes as in sysfs: offsets stay good while entries come and go.
    // `take` returns false when it has no room. With `enter`, directories are looked up, each counted if it is taken.
    int list(std::uint64_t number, std::int64_t offset, bool enter, const std::function<bool(const Listed&)>& take);

    // Compares what the kernel knows with what there is now.
    Stale stale(const Changes& changes);

    std::size_t knownInodes() const noexcept { return inodes_.size(); }

private:
    struct OpenFile {
        Inode* inode;
        std::string content;
        std::uint64_t end = 0; // of the last read
        bool rendered = false;
    };

    const Node* resolve(const Inode& inode) const;
    int content(const Node& node, std::string& content) const;
    void describe(Inode& inode, const Node* node, bool liveParent, Attributes& found);
    struct Scope {
        const Changes& changes;
        bool inside; // of what has changed
    };
    void compare(Inode& directory, const Directory& now, Scope scope, Stale& stale, std::vector<Inode*>& gone);
    static void end(const Inode& inode, Stale& stale);
    void boundMemory() const;
    std::int64_t tick() noexcept;

    std::mutex mutex_;
    Tree& tree_;
    TreeLock& machine_;
    std::int64_t clock_; // before inodes_
    timespec born_{};
    InodeTable inodes_;
    std::unordered_map<std::uint64_t, OpenFile> files_;
    std::uint64_t nextHandle_ = 1;
};

} // namespace rdmalab::fakesysfs
