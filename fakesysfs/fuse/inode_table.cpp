#include "fakesysfs/fuse/inode_table.h"

#include <sys/sysmacros.h>

#include <functional>

namespace rdmalab::fakesysfs {
namespace {

// The finaliser of splitmix64: every bit of the result depends on every bit of the value.
constexpr std::uint64_t mixed(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

dev_t deviceOf(const Node& node) noexcept {
    return node.kind == NodeKind::characterDevice ? makedev(node.deviceMajor, node.deviceMinor) : 0;
}

std::string_view targetOf(const Node& node) noexcept {
    return node.kind == NodeKind::symlink ? std::string_view(node.text) : std::string_view();
}

} // namespace

mode_t typeOf(NodeKind kind) noexcept {
    switch (kind) {
    case NodeKind::directory:
        return S_IFDIR;
    case NodeKind::symlink:
        return S_IFLNK;
    case NodeKind::characterDevice:
        return S_IFCHR;
    case NodeKind::file:
    case NodeKind::unreadable:
        break;
    }
    return S_IFREG;
}

std::uint64_t shownNumber(std::uint64_t parent, std::string_view name, const Node& node) noexcept {
    const std::hash<std::string_view> hash;
    std::uint64_t number = mixed(parent + hash(name));
    number = mixed(number + node.identity + (static_cast<std::uint64_t>(typeOf(node.kind)) << 32));
    if (node.kind == NodeKind::symlink)
        number = mixed(number + hash(node.text));
    number &= 0x7fffffffffffffffu; // some programs print it as signed
    return number > InodeTable::rootNumber ? number : InodeTable::rootNumber + 1;
}

Object Object::of(const Node& node) {
    return {typeOf(node.kind), node.identity, deviceOf(node), std::string(targetOf(node))};
}

bool Object::is(const Node& node) const noexcept {
    return type == typeOf(node.kind) && identity == node.identity && device == deviceOf(node) && target == targetOf(node);
}

InodeTable::InodeTable(std::int64_t now) {
    auto root = std::make_unique<Inode>();
    root_ = root.get();
    root_->number = root_->shown = rootNumber;
    root_->object.type = S_IFDIR;
    root_->mode = 0755;
    root_->changed = now;
    root_->holds = 1; // never goes
    inodes_.emplace(rootNumber, std::move(root));
}

Inode* InodeTable::find(std::uint64_t number) noexcept {
    const auto found = inodes_.find(number);
    return found == inodes_.end() ? nullptr : found->second.get();
}

Inode& InodeTable::enter(Inode& parent, std::string_view name, const Node& node, std::int64_t now) {
    if (const auto known = parent.children.find(name); known != parent.children.end()) {
        Inode& inode = *known->second;
        if (inode.object.is(node)) {
            inode.mode = node.mode;
            inode.size = node.size;
            return inode;
        }
        detach(inode);
    }
    auto fresh = std::make_unique<Inode>();
    Inode& inode = *fresh;
    inode.number = next_++;
    inode.shown = shownNumber(parent.shown, name, node);
    inode.name = name;
    inode.object = Object::of(node);
    inode.mode = node.mode;
    inode.size = node.size;
    inode.changed = now;
    inodes_.emplace(inode.number, std::move(fresh));
    parent.children.emplace(inode.name, &inode);
    inode.parent = &parent;
    hold(parent);
    return inode;
}

void InodeTable::detach(Inode& inode) noexcept {
    if (!inode.attached || !inode.parent)
        return;
    inode.attached = false;
    inode.parent->children.erase(inode.name);
}

void InodeTable::forget(Inode& inode, std::uint64_t count) {
    inode.lookups -= count < inode.lookups ? count : inode.lookups;
    dropIfUnused(&inode);
}

void InodeTable::release(Inode& inode) {
    --inode.holds;
    dropIfUnused(&inode);
}

void InodeTable::dropIfUnused(Inode* inode) {
    // Parents go with their last child when the kernel has already forgotten them.
    while (inode != root_ && inode->lookups == 0 && inode->holds == 0) {
        // What was set on an object stays with it: only its end ends that.
        if (inode->set && inode->attached)
            return;
        Inode* const parent = inode->parent;
        detach(*inode);
        inodes_.erase(inode->number);
        --parent->holds;
        inode = parent;
    }
}

} // namespace rdmalab::fakesysfs
