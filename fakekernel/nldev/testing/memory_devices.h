// RDMA devices without a machine, soft RoCE ones that come and go included.
#pragma once

#include "fakekernel/nldev/devices.h"
#include "fakekernel/nldev/kernel_profile.h"
#include "fakekernel/nldev/monitor.h"

#include <algorithm>
#include <cerrno>
#include <map>

namespace rdmalab::fakekernel::nldev {

class MemoryDevices : public Devices {
public:
    explicit MemoryDevices(const KernelProfile& kernel) : profile(kernel) {}

    std::vector<Device> all() const override {
        std::vector<Device> list;
        for (const auto& [index, device] : devices)
            list.push_back(device);
        return list;
    }
    NetnsId nodeNetns() const override { return 1; }
    hardware::RdmaNetnsMode mode() const override { return netnsMode; }
    bool copyOnFork() const override { return true; }
    bool privilegedQkey() const override { return qkey; }
    std::optional<hardware::CharDevice> rdmaCm() const override {
        return hardware::CharDevice{hardware::CharDeviceKind::rdmaCm, "rdma_cm", 10, 260, 0666};
    }

    int setMode(hardware::RdmaNetnsMode wanted) override {
        netnsMode = wanted;
        return 0;
    }
    int setPrivilegedQkey(bool on) override {
        qkey = on;
        return 0;
    }
    int rename(std::uint32_t index, const std::string& name) override {
        devices.at(index).name = name;
        if (profile.renameEvents)
            tell(EventType::renamed, devices.at(index));
        return 0;
    }
    int move(std::uint32_t index, NetnsId netns) override {
        devices.at(index).netns = netns;
        return 0;
    }
    int setAdaptiveModeration(std::uint32_t index, bool on) override {
        devices.at(index).adaptiveModeration = on;
        return 0;
    }
    int setCounterMode(std::uint32_t index, std::uint32_t counterMode, std::uint32_t mask) override {
        devices.at(index).counterMode = counterMode;
        devices.at(index).counterMask = mask;
        return 0;
    }
    int addSoftRoce(const std::string& name, const DeviceNetdev& netdev) override {
        std::uint32_t index = 0;
        while (devices.count(index))
            ++index;
        index = std::max(index, nextIndex);
        Device& device = devices[index] = softRoce(index, name, netdev, 0);
        tell(EventType::registered, device);
        tell(EventType::netdevAttached, device);
        return 0;
    }
    int remove(std::uint32_t index) override {
        tell(EventType::unregistered, devices.at(index));
        devices.erase(index);
        return 0;
    }

    // As the driver of Linux 6.12 and 7.3 makes one. `mac`: six octets.
    Device softRoce(std::uint32_t index, const std::string& name, const DeviceNetdev& netdev, std::uint64_t mac) const {
        Device device;
        device.index = index;
        device.name = name;
        device.capFlags = 0x1c001223c76;
        device.nodeGuid = ((mac >> 24 << 40) | 0xfffe000000 | (mac & 0xffffff)) ^ (std::uint64_t(2) << 56);
        device.systemImageGuid = device.nodeGuid;
        device.nameAssignType = 1;
        device.softRoce = true;
        device.portState = 4;
        device.physicalState = 5;
        device.netdev = netdev;
        device.driverId = 14;
        device.uverbsAbi = 2;
        device.charDevices = {
            {hardware::CharDeviceKind::uverbs, "uverbs" + std::to_string(nodeNumber), 231, 192 + nodeNumber, 0666},
            {hardware::CharDeviceKind::umad, "umad" + std::to_string(nodeNumber), 231, nodeNumber, 0600}};
        device.limits = {0x100000, 0x100000, 0xffff0, 0x7ffff, 0xdffff};
        device.counters = {
            "sent_pkts",           "rcvd_pkts",    "duplicate_request", "out_of_seq_request", "rcvd_rnr_err",
            "send_rnr_err",        "rcvd_seq_err", "ack_deferred",      "retry_exceeded_err", "retry_rnr_exceeded_err",
            "completer_retry_err", "send_err",     "link_downed",       "rdma_sends",         "rdma_recvs"};
        if (profile.softRoceMoves)
            device.counters.insert(device.counters.end(), {"sent_bytes", "rcvd_bytes"});
        return device;
    }

    void tell(EventType type, const Device& device) { events.emplace_back(device.netns, eventMessage(type, device)); }

    KernelProfile profile;
    std::map<std::uint32_t, Device> devices;
    hardware::RdmaNetnsMode netnsMode = hardware::RdmaNetnsMode::shared;
    bool qkey = false;
    std::uint32_t nextIndex = 0;
    unsigned nodeNumber = 0; // of the next device's character devices
    std::vector<std::pair<NetnsId, std::string>> events;
};

} // namespace rdmalab::fakekernel::nldev
