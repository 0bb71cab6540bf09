// The inodes that the kernel knows of one mount: numbers, look-up counts, and which of them still stand for something.
#pragma once

#include "fakesysfs/node.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace rdmalab::fakesysfs {

// What makes an entry of the tree this one and no other.
struct Object {
    mode_t type = 0; // S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR
    std::uint64_t identity = 0;
    dev_t device = 0;
    std::string target; // of a link: another target is another inode, so that the kernel may keep it

    static Object of(const Node& node);
    bool is(const Node& node) const noexcept;
    friend bool operator==(const Object&, const Object&) = default;
};

mode_t typeOf(NodeKind kind) noexcept;
// st_ino: the same for the same object at the same place, whether the kernel knows it or not.
std::uint64_t shownNumber(std::uint64_t parent, std::string_view name, const Node& node) noexcept;

struct Inode {
    std::uint64_t number = 0; // what FUSE calls it
    std::uint64_t shown = 0;
    Inode* parent = nullptr; // none: the root
    std::string name;
    Object object;
    unsigned mode = 0; // permissions
    std::uint64_t size = 0;
    // False when its name has come to mean something else or nothing; it stays so for ever.
    bool attached = true;

    // What chmod, chown and utimes have set; sysfs keeps that until the object goes.
    struct Set {
        bool mode = false, owner = false, times = false;
        unsigned permissions = 0;
        uid_t user = 0;
        gid_t group = 0;
        timespec accessed{}, modified{};
    };
    std::unique_ptr<Set> set;

    // Of a directory.
    std::map<std::string_view, Inode*> children; // attached ones
    bool listed = false;                         // the kernel may have kept its listing
    std::uint64_t listing = 0;                   // hash of the entries of a live one
    std::int64_t changed = 0;                    // nanoseconds since the epoch: another value makes the kernel list it again

    bool inUse() const noexcept { return holds > 0; } // open, or the kernel knows something below it

private:
    friend class InodeTable;
    std::uint64_t lookups = 0;
    std::uint32_t holds = 0; // children and open files
};

// Not thread-safe. An inode goes when the kernel has forgotten it and neither a child nor an open file needs it.
class InodeTable {
public:
    static constexpr std::uint64_t rootNumber = 1; // FUSE_ROOT_ID

    explicit InodeTable(std::int64_t now);
    InodeTable(const InodeTable&) = delete;
    InodeTable& operator=(const InodeTable&) = delete;

    Inode& root() noexcept { return *root_; }
    Inode* find(std::uint64_t number) noexcept; // null: no such number
    std::size_t size() const noexcept { return inodes_.size(); }

    // The inode of `node`, which is `name` in `parent`: the one that is known, or a new one in place of what was there.
    Inode& enter(Inode& parent, std::string_view name, const Node& node, std::int64_t now);
    void remember(Inode& inode) noexcept { ++inode.lookups; }
    void forget(Inode& inode, std::uint64_t count);
    void hold(Inode& inode) noexcept { ++inode.holds; }
    void release(Inode& inode);
    // Its name is free for another object.
    void detach(Inode& inode) noexcept;

private:
    void dropIfUnused(Inode* inode);

    std::unordered_map<std::uint64_t, std::unique_ptr<Inode>> inodes_;
    Inode* root_;
    std::uint64_t next_ = rootNumber + 1;
};

} // namespace rdmalab::fakesysfs
