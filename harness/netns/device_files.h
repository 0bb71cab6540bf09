// The device nodes of a node's /dev, which follow its hardware as udev makes them do.
#pragma once

#include "sim/hardware/machine.h"

#include <map>
#include <string>
#include <tuple>

namespace rdmalab::hardware {
class LiveMachine;
}

namespace rdmalab::harness {

class DeviceFiles {
public:
    // `dev` is the node's /dev as the lab sees it. Locks the machine, which must outlive the object. Throws SystemError.
    DeviceFiles(hardware::LiveMachine& machine, std::string dev);
    DeviceFiles(const DeviceFiles&) = delete;
    DeviceFiles& operator=(const DeviceFiles&) = delete;
    ~DeviceFiles(); // locks the machine

private:
    using Facts = std::tuple<unsigned, unsigned, unsigned>; // major, minor, mode

    // `leaving`: a NIC whose RDMA device is still there but about to go.
    void update(const hardware::Machine& machine, const hardware::Nic* leaving);

    hardware::LiveMachine& live_;
    std::string dev_;
    std::map<std::string, Facts> made_; // by path below /dev; guarded by the machine's lock
    hardware::Machine::Subscription subscription_;
};

} // namespace rdmalab::harness
