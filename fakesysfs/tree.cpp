#include "fakesysfs/tree.h"

#include "fakesysfs/machine_provider.h"
#include "fakesysfs/paths.h"
#include "fakesysfs/vfio.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace rdmalab::fakesysfs {
namespace {

constexpr int mostLinks = 40; // MAXSYMLINKS

// Splits off what is before the first slash; empty parts are skipped.
std::string takePart(std::string& path) {
    const std::size_t begin = path.find_first_not_of('/');
    if (begin == std::string::npos) {
        path.clear();
        return "";
    }
    const std::size_t end = path.find('/', begin);
    std::string part = path.substr(begin, end == std::string::npos ? end : end - begin);
    path.erase(0, end == std::string::npos ? path.size() : end);
    return part;
}

} // namespace

Tree::Tree(const hardware::Machine& machine, View view)
    : provider_(std::make_unique<MachineProvider>(machine, nullptr, std::move(view))) {}

Tree::Tree(hardware::Machine& machine, View view)
    : provider_(std::make_unique<MachineProvider>(machine, &machine, std::move(view))) {}

Tree::Tree(std::unique_ptr<TreeProvider> provider) : provider_(std::move(provider)) {}

Tree::~Tree() = default;

void Tree::setView(View view) {
    auto* machine = dynamic_cast<MachineProvider*>(provider_.get());
    if (!machine)
        throw std::logic_error("only the tree of a machine has a view");
    machine->setView(std::move(view));
}

const Directory& Tree::root() const {
    const std::uint64_t now = provider_->generation();
    if (!root_ || rendered_ != now) {
        forget();
        root_ = provider_->root();
        root_->countInto(&nodes_);
        rendered_ = now;
    }
    return *root_;
}

void Tree::forget() const {
    root_.reset();
    nodes_ = 0;
}

Tree::Found Tree::find(std::string_view path, bool followLast) const {
    struct Step {
        const Directory* directory;
        std::string name;
    };
    std::vector<Step> way = {{&root(), ""}};
    std::string rest(path);
    const Node* last = nullptr; // what the walk stands on, when that is no directory
    std::string lastName;
    int links = 0;
    const auto where = [&] {
        std::string text;
        for (std::size_t i = 1; i < way.size(); ++i)
            text += "/" + way[i].name;
        return last ? text + "/" + lastName : text.empty() ? "/" : text;
    };
    static const Node rootNode = [] {
        Node node;
        node.kind = NodeKind::directory;
        node.mode = 0755;
        node.size = 0;
        return node;
    }();
    const Node* directoryNode = &rootNode;
    for (std::string part = takePart(rest); !part.empty(); part = takePart(rest)) {
        if (last)
            return {nullptr, ENOTDIR, ""};
        if (part == ".")
            continue;
        if (part == "..") {
            if (way.size() > 1)
                way.pop_back();
            directoryNode = way.size() == 1 ? &rootNode : way[way.size() - 2].directory->find(way.back().name);
            continue;
        }
        const Node* node = way.back().directory->find(part);
        if (!node)
            return {nullptr, ENOENT, ""};
        if (node->kind == NodeKind::directory) {
            way.push_back({node->directory.get(), part});
            directoryNode = node;
        } else if (node->kind == NodeKind::symlink && (followLast || rest.find_first_not_of('/') != std::string::npos)) {
            if (++links > mostLinks)
                return {nullptr, ELOOP, ""};
            if (node->text.starts_with('/')) {
                way.resize(1);
                directoryNode = &rootNode;
            }
            rest = node->text + rest;
        } else {
            last = node;
            lastName = part;
        }
    }
    return {last ? last : directoryNode, 0, where()};
}

std::vector<std::string> netDirectories(const hardware::Machine& machine) {
    std::vector<std::string> directories;
    for (const auto& nic : machine.nics())
        if (hasNetdev(*nic))
            directories.push_back("/sys/" + netdevParentPath(machine, *nic) + "/net");
    return directories;
}

std::vector<DeviceNode> deviceNodes(const hardware::Machine& machine) {
    std::vector<DeviceNode> nodes;
    const auto add = [&](const hardware::CharDevice& device) {
        nodes.push_back({"/dev/infiniband/" + device.name, device.major, device.minor, device.mode});
    };
    for (const auto& nic : machine.nics())
        if (nic->rdma)
            for (const hardware::CharDevice& device : nic->rdma->charDevices)
                add(device);
    if (machine.rdmaCm())
        add(*machine.rdmaCm());
    for (const VfioNode& node : vfioNodes(machine))
        nodes.push_back({"/dev/vfio/" + node.name, node.major, node.minor, node.mode});
    std::sort(nodes.begin(), nodes.end(), [](const DeviceNode& a, const DeviceNode& b) { return a.path < b.path; });
    return nodes;
}

} // namespace rdmalab::fakesysfs
