// A node's hardware as everything on the node meets it: the machine, its /sys, the interfaces of its ports, its device nodes.
#pragma once

#include "fakesysfs/fuse_mount.h"
#include "harness/netns/netdev_sync.h"
#include "sim/hardware/live_machine.h"
#include "util/unique_fd.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace rdmalab::harness {

class DeviceFiles;
class NetworkNamespaceView;

class NodeHardware {
public:
    // `spec.netns` is filled in. Mounts the node's /sys on `sys`, which is made. `wires` and `fuse` must outlive it. Throws
    // SystemError, HardwareError.
    NodeHardware(hardware::MachineSpec spec, const hardware::Catalogue& catalogue, const UniqueFd& netns, const std::string& sys,
                 PortWires& wires, fakesysfs::FuseService& fuse, NetdevSync::BridgeOf bridgeOf);
    NodeHardware(const NodeHardware&) = delete;
    NodeHardware& operator=(const NodeHardware&) = delete;
    ~NodeHardware();

    void plugPorts();                          // the ports get their interfaces
    void populateDev(const std::string& path); // device nodes come and go in there from now on

    hardware::LiveMachine& machine() noexcept { return machine_; }
    const std::string& sys() const noexcept { return mount_->mountPoint(); }
    fakesysfs::View view() const;
    // Where the /sys of a namespace is mounted: the node's own, or that of a PodSys. From any thread.
    std::optional<std::string> sysOf(hardware::NetnsId netns) const;

    // The following lock the machine.
    void change(const std::function<void(hardware::Machine&)>& change); // after bringing it up to date
    // Throw std::runtime_error when there is no such thing.
    void setCable(const std::string& netdev, bool plugged);
    void setCharDevice(const std::string& device, bool present);
    bool wireLost(int wire);
    // Until everybody sees what was changed, without the lock.
    void settle() { mount_->settle(); }
    // To be called when events() is readable; true if something has changed.
    bool refresh();
    int events() const noexcept { return sync_->events(); }

private:
    friend class PodSys;

    hardware::NetnsId netns_;
    fakesysfs::FuseService& fuse_;
    hardware::LiveMachine machine_;
    std::unique_ptr<NetdevSync> sync_;
    std::shared_ptr<NetworkNamespaceView> view_;
    std::unique_ptr<fakesysfs::SysfsMount> mount_;
    std::unique_ptr<DeviceFiles> devices_;
    mutable std::mutex mountsMutex_;
    std::map<hardware::NetnsId, std::string> mounts_; // of pods; guarded by mountsMutex_
};

// What a pod with a network namespace of its own sees of its node's hardware. With its end the namespace is taken to be gone.
class PodSys {
public:
    // From now on ports that are moved into the namespace are followed.
    PodSys(std::shared_ptr<NodeHardware> node, const UniqueFd& netns);
    PodSys(const PodSys&) = delete;
    PodSys& operator=(const PodSys&) = delete;
    ~PodSys(); // after the pod's last process

    void mount(const std::string& directory); // made if missing
    const std::string& sys() const { return mount_->mountPoint(); }
    fakesysfs::View view() const;

private:
    std::shared_ptr<NodeHardware> node_;
    hardware::NetnsId netns_;
    std::shared_ptr<NetworkNamespaceView> view_;
    std::unique_ptr<fakesysfs::SysfsMount> mount_;
};

} // namespace rdmalab::harness
