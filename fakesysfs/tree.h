// A machine as a file tree: /sys, /dev/infiniband and /dev/vfio as one viewer sees them. Directories are rendered when they are
// first looked into and thrown away when the machine changes; a reader of the tree (exporter, Files, FUSE) keeps nothing of its
// own.
#pragma once

#include "fakesysfs/node.h"
#include "sim/hardware/machine.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::fakesysfs {

// A network interface of the viewer's namespace. The machine's own ports in that namespace need no entry; one of the same
// name only tells its ifindex.
struct Netdev {
    std::string name;
    std::string kind; // "macvlan", "veth", "bridge", ...
    std::string mac = "00:00:00:00:00:00";
    int ifindex = 0;
    int parentIndex = 0; // iflink; 0 = its own
    int mtu = 1500;
    bool up = true, carrier = true;
};

class NetworkView;

// Who looks. `lo` is always there.
struct View {
    hardware::NetnsId netns = hardware::defaultNodeNetns;
    std::vector<Netdev> netdevs;
    // A real namespace: then its own interfaces are shown, with what the kernel says of them, and `netdevs` is ignored.
    std::shared_ptr<NetworkView> live;
};

// Where a tree's content comes from: the root directory for the present state, and a number that changes with that state.
class TreeProvider {
public:
    TreeProvider() = default;
    TreeProvider(const TreeProvider&) = delete;
    TreeProvider& operator=(const TreeProvider&) = delete;
    virtual ~TreeProvider() = default;
    virtual std::uint64_t generation() const = 0;
    virtual std::unique_ptr<Directory> root() const = 0;
};

// Paths are absolute and start with /sys or /dev. Not thread-safe.
class Tree {
public:
    // `machine` must outlive the tree. Nothing can be written through the first. Through the second a write acts on the machine
    // at once, with the kernel's rules and errno values (Behaviour::write of the node).
    Tree(const hardware::Machine& machine, View view);
    Tree(hardware::Machine& machine, View view);
    explicit Tree(std::unique_ptr<TreeProvider> provider);
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;
    ~Tree();

    void setView(View view); // only for a tree of a machine

    struct Found {
        const Node* node = nullptr; // valid until the machine or the view changes, or the tree forgets
        int error = 0;              // ENOENT, ENOTDIR or ELOOP when there is no node
        std::string path;           // where the node really is, all links followed
    };
    // `followLast`: whether a link at the end of the path is followed.
    Found find(std::string_view path, bool followLast = true) const;
    const Directory& root() const;

    // Nodes made since the root was: a measure of memory. They stay until something changes, or forget().
    std::size_t renderedNodes() const noexcept { return nodes_; }
    void forget() const; // everything; it is rendered again when asked for

private:
    std::unique_ptr<TreeProvider> provider_;
    mutable std::size_t nodes_ = 0; // before what counts into it
    mutable std::unique_ptr<Directory> root_;
    mutable std::uint64_t rendered_ = 0;
};

// The `net` directories of the PCI functions: what a viewer in another namespace must see as empty. Below /sys.
std::vector<std::string> netDirectories(const hardware::Machine& machine);

struct DeviceNode {
    std::string path; // "/dev/infiniband/uverbs0"
    unsigned major = 0, minor = 0;
    unsigned mode = 0;
};
// Every node of /dev/infiniband and, for functions bound to vfio-pci, /dev/vfio; sorted by path. They do not depend on the viewer
// (spec 1.5: not tagged with a namespace).
std::vector<DeviceNode> deviceNodes(const hardware::Machine& machine);

} // namespace rdmalab::fakesysfs
