#include "fakekernel/nldev/machine_devices.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/rdma_view.h"
#include "util/syscall.h"

#include <algorithm>
#include <charconv>

namespace rdmalab::fakekernel::nldev {
namespace {

constexpr const char* keptModeration = "nldev/dim";
constexpr const char* keptCounterMode = "nldev/counter_mode";
constexpr const char* keptCounterMask = "nldev/counter_mask";
constexpr const char* keptQkey = "nldev/privileged_qkey";

// RDMA_DRIVER_* of rdma/ib_user_ioctl_verbs.h.
enum Driver : unsigned { driverMlx5 = 1, driverRxe = 14 };

// What drivers tell of themselves, device_cap_flags as in `ibv_devinfo -v`.
struct DriverFacts {
    std::uint64_t capFlags;
    DeviceLimits limits;
};

DriverFacts factsOf(unsigned driverId) {
    switch (driverId) {
    case driverRxe:
        return {0x1c001223c76, {0x100000, 0x100000, 0xffff0, 0x7ffff, 0xdffff}};
    case driverMlx5:
        return {0xed721c36, {16777216, 16777216, 131072, 16777216, 8388608}};
    default:
        return {0x00201c36, {65536, 65536, 65536, 65536, 65536}}; // unverified
    }
}

std::uint32_t keptNumber(const hardware::Machine& machine, std::uint64_t instance, const char* name) {
    std::uint32_t value = 0;
    if (const std::string* text = machine.kept(instance, name))
        std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

// 0, or the errno with which the machine refuses.
template <typename Change>
int tryTo(Change&& change) {
    try {
        change();
        return 0;
    } catch (const SystemError& error) {
        return error.code();
    } catch (const hardware::HardwareError&) {
        return EINVAL;
    }
}

} // namespace

Device MachineDevices::describe(const hardware::Nic& nic) const {
    const hardware::RdmaDevice& rdma = *nic.rdma;
    const hardware::Port& port = nic.port;
    const bool infiniband = port.linkLayer == hardware::LinkLayer::infiniband;
    Device device;
    device.index = rdma.index;
    device.name = rdma.name;
    device.netns = rdma.netns;
    device.nodeGuid = rdma.nodeGuid;
    device.systemImageGuid = rdma.systemImageGuid;
    device.protocol = infiniband ? "ib" : "roce";
    device.adaptiveModeration = keptNumber(machine_, rdma.instance, keptModeration) != 0;
    device.counterMode = keptNumber(machine_, rdma.instance, keptCounterMode);
    device.counterMask = keptNumber(machine_, rdma.instance, keptCounterMask);
    device.portState = static_cast<std::uint8_t>(hardware::portState(port));
    device.physicalState = static_cast<std::uint8_t>(hardware::physicalState(port));
    if (infiniband) { // a subnet manager has been at an active port
        const bool active = hardware::portState(port) == hardware::PortState::active;
        device.portCapFlags = 0xa651e848;
        device.subnetPrefix = 0xfe80000000000000;
        device.lid = active ? rdma.index + 2 : 0xffff;
        device.smLid = active ? 1 : 0;
    }
    if (!port.netdev.empty()) {
        const int ifindex = ifindexOf_ ? ifindexOf_(port.netdev, port.netns) : port.ifindex;
        device.netdev = DeviceNetdev{port.netdev, ifindex, port.netns};
    }
    device.charDevices = rdma.charDevices;
    if (nic.model && nic.model->rdma) {
        const hardware::RdmaModel& model = *nic.model->rdma;
        const DriverFacts facts = factsOf(model.driverId);
        device.capFlags = facts.capFlags;
        device.limits = facts.limits;
        device.firmware = model.firmware;
        device.driverId = model.driverId;
        device.uverbsAbi = model.uverbsAbi;
        device.counters = model.counters;
        if (model.driverId == driverRxe) { // tells a missing carrier from a switched off interface
            device.nameAssignType = 1;
            device.softRoce = true;
            if (port.up && !port.carrier())
                device.physicalState = static_cast<std::uint8_t>(hardware::PhysicalState::polling);
        }
    }
    return device;
}

std::vector<Device> MachineDevices::all() const {
    std::vector<Device> devices;
    for (const auto& nic : machine_.nics())
        if (nic->rdma)
            devices.push_back(describe(*nic));
    std::sort(devices.begin(), devices.end(), [](const Device& a, const Device& b) { return a.index < b.index; });
    return devices;
}

const hardware::Nic* MachineDevices::find(std::uint32_t index) const {
    for (const auto& nic : machine_.nics())
        if (nic->rdma && nic->rdma->index == index)
            return nic.get();
    return nullptr;
}

bool MachineDevices::privilegedQkey() const {
    return keptNumber(machine_, 0, keptQkey) != 0;
}

int MachineDevices::setMode(hardware::RdmaNetnsMode mode) {
    return tryTo([&] { machine_.setRdmaNetnsMode(mode); });
}

int MachineDevices::setPrivilegedQkey(bool on) {
    return tryTo([&] { machine_.keep(0, keptQkey, on ? "1" : "0"); });
}

int MachineDevices::rename(std::uint32_t index, const std::string& name) {
    const hardware::Nic* nic = find(index);
    return nic ? tryTo([&] { machine_.renameRdma(*nic, name); }) : EINVAL;
}

int MachineDevices::move(std::uint32_t index, NetnsId netns) {
    const hardware::Nic* nic = find(index);
    return nic ? tryTo([&] { machine_.moveRdma(*nic, netns); }) : EINVAL;
}

int MachineDevices::setAdaptiveModeration(std::uint32_t index, bool on) {
    const hardware::Nic* nic = find(index);
    return nic ? tryTo([&] { machine_.keep(nic->rdma->instance, keptModeration, on ? "1" : "0"); }) : EINVAL;
}

int MachineDevices::setCounterMode(std::uint32_t index, std::uint32_t mode, std::uint32_t mask) {
    const hardware::Nic* nic = find(index);
    if (!nic)
        return EINVAL;
    return tryTo([&] {
        machine_.keep(nic->rdma->instance, keptCounterMode, std::to_string(mode));
        machine_.keep(nic->rdma->instance, keptCounterMask, std::to_string(mask));
    });
}

int MachineDevices::addSoftRoce(const std::string&, const DeviceNetdev&) {
    return EOPNOTSUPP;
}

int MachineDevices::remove(std::uint32_t index) {
    const hardware::Nic* nic = find(index);
    return nic ? tryTo([&] { machine_.unbindDriver(*nic); }) : EINVAL;
}

} // namespace rdmalab::fakekernel::nldev
