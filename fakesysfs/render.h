// The parts of /sys, one function each. `path` is always the directory's own place below /sys, which its links need.
#pragma once

#include "fakesysfs/tree.h"
#include "sim/hardware/machine.h"

#include <cstddef>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

// Lives as long as the tree that was rendered from it.
struct Scene {
    const hardware::Machine& machine;
    View view;
};

void addPower(Directory& directory);
void addLink(Directory& directory, const std::string& path, const std::string& name, const std::string& target);
std::vector<unsigned> allCpus(const hardware::Machine& machine);

// devices/pciDDDD:BB/.../BDF without what drivers hang below it.
void renderFunction(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& nic,
                    std::size_t number);
void renderRootPort(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& below);
void renderPciBus(Directory& directory, const std::string& path, const Scene& scene, const std::string& bridge);

// A network interface as class/net/NAME shows it.
struct NetdevFacts {
    std::string name, kind, mac, device; // device: path of the parent device; empty = virtual
    int ifindex = 0, iflink = 0, mtu = 1500;
    long speed = 10000; // -1 unknown, -2 the driver tells none
    bool up = false, carrier = false, infiniband = false, loopback = false;
    unsigned carrierUp = 0, carrierDown = 0;
    std::string portName;
    bool macGiven = false; // set by the user: addr_assign_type 3
};
void renderNetdev(Directory& directory, const std::string& path, const NetdevFacts& facts);

// infiniband/NAME below the function. `compat`: the copy that other namespaces get in shared mode.
void renderRdmaDevice(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& nic, bool compat);
// infiniband_verbs/uverbsN, infiniband_mad/{umadN,issmN}; `nic` is null for misc/rdma_cm.
void renderCharDevice(Directory& directory, const std::string& path, const hardware::CharDevice& device,
                      const hardware::Nic* nic);
// "infiniband_verbs", "infiniband_mad" or "misc".
std::string charDeviceClass(hardware::CharDeviceKind kind);

} // namespace rdmalab::fakesysfs
