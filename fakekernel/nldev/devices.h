// The RDMA devices that netlink shows and changes.
#pragma once

#include "sim/hardware/machine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::fakekernel::nldev {

using hardware::NetnsId;

struct DeviceNetdev {
    std::string name;
    int ifindex = 0; // in `netns`
    NetnsId netns = 0;
};

// Limits that RES_SUMMARY tells; 0 = none told.
struct DeviceLimits {
    std::uint64_t pd = 0, cq = 0, qp = 0, mr = 0, srq = 0;
};

// A snapshot. Every device has one port, number 1.
struct Device {
    std::uint32_t index = 0;
    std::string name;
    NetnsId netns = hardware::defaultNodeNetns;
    std::uint64_t capFlags = 0, nodeGuid = 0, systemImageGuid = 0; // host order
    std::string firmware;                                          // empty: the driver has none
    std::string protocol = "roce";                                 // or "ib"
    std::uint8_t nodeType = 1;                                     // a channel adapter
    std::uint8_t nameAssignType = 0;                               // 1: by user space
    bool adaptiveModeration = false;

    std::uint8_t portState = 1, physicalState = 3;
    // InfiniBand only.
    std::uint64_t portCapFlags = 0, subnetPrefix = 0;
    std::uint32_t lid = 0, smLid = 0;
    std::uint8_t lmc = 0;
    std::optional<DeviceNetdev> netdev;

    unsigned driverId = 0, uverbsAbi = 1;
    std::vector<hardware::CharDevice> charDevices;
    std::vector<std::string> counters; // of the port; empty: EINVAL for whoever asks
    DeviceLimits limits;
    bool softRoce = false; // made by and to be deleted with `rdma link`

    // Mode of the port's QP counters: 0 none, 1 automatic, and by what.
    std::uint32_t counterMode = 0, counterMask = 0;
};

// Not thread-safe. What changes something returns 0 or an errno; the rules of the kernel have been checked before, these are
// what only the owner of the devices knows.
class Devices {
public:
    Devices() = default;
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;
    virtual ~Devices() = default;

    virtual std::vector<Device> all() const = 0; // by index, ascending
    virtual NetnsId nodeNetns() const = 0;
    virtual hardware::RdmaNetnsMode mode() const = 0;
    virtual bool copyOnFork() const = 0;
    virtual bool privilegedQkey() const = 0;
    virtual std::optional<hardware::CharDevice> rdmaCm() const = 0;

    virtual int setMode(hardware::RdmaNetnsMode mode) = 0;
    virtual int setPrivilegedQkey(bool on) = 0;
    virtual int rename(std::uint32_t index, const std::string& name) = 0;
    virtual int move(std::uint32_t index, NetnsId netns) = 0;
    virtual int setAdaptiveModeration(std::uint32_t index, bool on) = 0;
    virtual int setCounterMode(std::uint32_t index, std::uint32_t mode, std::uint32_t mask) = 0;
    // A soft-RoCE device in the node's namespace.
    virtual int addSoftRoce(const std::string& name, const DeviceNetdev& netdev) = 0;
    virtual int remove(std::uint32_t index) = 0; // only soft RoCE
};

} // namespace rdmalab::fakekernel::nldev
