#include "harness/netns/node_hardware.h"

#include "harness/netns/device_files.h"
#include "harness/netns/network_namespace_view.h"
#include "harness/sandbox/root_filesystem.h"

#include <unistd.h>

#include <stdexcept>

namespace rdmalab::harness {

namespace {

hardware::MachineSpec inNamespace(hardware::MachineSpec spec, hardware::NetnsId netns) {
    spec.netns = netns;
    return spec;
}

fakesysfs::View viewOf(hardware::NetnsId netns, const std::shared_ptr<NetworkNamespaceView>& live) {
    fakesysfs::View view;
    view.netns = netns;
    view.live = live;
    return view;
}

} // namespace

NodeHardware::NodeHardware(hardware::MachineSpec spec, const hardware::Catalogue& catalogue, const UniqueFd& netns,
                           const std::string& sys, PortWires& wires, fakesysfs::FuseService& fuse, NetdevSync::BridgeOf bridgeOf)
    : netns_(netnsIdOf(netns)), fuse_(fuse), machine_(inNamespace(std::move(spec), netns_), catalogue),
      sync_(std::make_unique<NetdevSync>(machine_, wires, netns, std::move(bridgeOf))) {
    {
        const auto access = machine_.lock();
        view_ = std::make_shared<NetworkNamespaceView>(*sync_, sync_->nodeLinks());
    }
    makeDirectories(sys);
    mount_ = std::make_unique<fakesysfs::SysfsMount>(fuse_, machine_, view(), sys);
}

NodeHardware::~NodeHardware() = default;

fakesysfs::View NodeHardware::view() const {
    return viewOf(netns_, view_);
}

std::optional<std::string> NodeHardware::sysOf(hardware::NetnsId netns) const {
    if (netns == netns_)
        return sys();
    const std::lock_guard lock(mountsMutex_);
    const auto found = mounts_.find(netns);
    return found == mounts_.end() ? std::nullopt : std::optional(found->second);
}

void NodeHardware::plugPorts() {
    const auto access = machine_.lock();
    sync_->start();
}

void NodeHardware::populateDev(const std::string& path) {
    devices_ = std::make_unique<DeviceFiles>(machine_, path);
}

void NodeHardware::change(const std::function<void(hardware::Machine&)>& change) {
    {
        const auto access = machine_.lock();
        sync_->refresh();
        change(*access);
        sync_->refresh();
    }
    mount_->settle(); // whoever looks now finds it changed
}

void NodeHardware::setCable(const std::string& netdev, bool plugged) {
    change([&](hardware::Machine& machine) {
        const auto* nic = machine.findByNetdev(netdev, machine.netns());
        for (const auto& other : machine.nics()) // it may be in a pod
            if (!nic && other->port.netdev == netdev)
                nic = other.get();
        if (!nic)
            throw std::runtime_error("node " + machine.name() + " has no NIC port " + netdev);
        plugged ? machine.plugCable(*nic) : machine.unplugCable(*nic);
    });
}

void NodeHardware::setCharDevice(const std::string& device, bool present) {
    change([&](hardware::Machine& machine) {
        if (!(present ? machine.restoreCharDevice(device) : machine.removeCharDevice(device)))
            throw std::runtime_error("node " + machine.name() + " has no character device " + device +
                                     (present ? " to restore" : ""));
    });
}

bool NodeHardware::wireLost(int wire) {
    const auto access = machine_.lock();
    return sync_->wireLost(wire);
}

bool NodeHardware::refresh() {
    const auto access = machine_.lock();
    return sync_->refresh();
}

PodSys::PodSys(std::shared_ptr<NodeHardware> node, const UniqueFd& netns) : node_(std::move(node)), netns_(netnsIdOf(netns)) {
    const auto access = node_->machine_.lock();
    view_ = std::make_shared<NetworkNamespaceView>(*node_->sync_, node_->sync_->watch(netns));
}

PodSys::~PodSys() {
    if (mount_) {
        {
            const std::lock_guard lock(node_->mountsMutex_);
            node_->mounts_.erase(netns_);
        }
        const std::string place = mount_->mountPoint();
        mount_.reset(); // without the lock: it may wait for requests that want it
        ::rmdir(place.c_str());
    }
    const auto access = node_->machine_.lock();
    view_.reset();
    node_->sync_->namespaceGone(netns_);
}

void PodSys::mount(const std::string& directory) {
    makeDirectories(directory);
    mount_ = std::make_unique<fakesysfs::SysfsMount>(node_->fuse_, node_->machine_, view(), directory);
    const std::lock_guard lock(node_->mountsMutex_);
    node_->mounts_[netns_] = directory;
}

fakesysfs::View PodSys::view() const {
    return viewOf(netns_, view_);
}

} // namespace rdmalab::harness
