// The parts of /sys, one function each. `path` is always the directory's own place below /sys, which its links need. What is
// rendered must not outlive its Scene.
#pragma once

#include "fakesysfs/pci_config.h"
#include "fakesysfs/tree.h"
#include "sim/hardware/machine.h"

#include <cstddef>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

struct Scene {
    const hardware::Machine& machine;
    hardware::Machine* writable = nullptr; // the same, or null: then nothing can be written
    View view;
};

// Who owns values that are only kept: an instance (0: the machine) and what goes before their names.
struct Owner {
    std::uint64_t instance = 0;
    std::string prefix;
};

// `write`, unless nothing can be written.
Directory::Write unlessReadOnly(const Scene& scene, Directory::Write write);
void addUevent(Directory& directory, const Scene& scene, std::string content); // content with its newline
// `power`: of a PCI device, or of a class device that has no power management of its own.
void addPower(Directory& directory, const Scene& scene, const Owner& owner, bool pciDevice = false);
void addLink(Directory& directory, const std::string& path, const std::string& name, const std::string& target,
             std::uint64_t identity = 0);
std::vector<unsigned> allCpus(const hardware::Machine& machine);

// A PCI function and where it stands among others.
struct Placed {
    const hardware::PciFunction* pci = nullptr;
    const hardware::Nic* nic = nullptr; // it is one
    const hardware::Nic* pf = nullptr;  // of a VF
    const hardware::PlainFunction* plain = nullptr;
    std::size_t number = 0; // among the physical functions; of a VF, its PF's
    std::string path;       // below /sys
};
std::vector<Resource> resources(const Placed& function);

// devices/pciDDDD:BB/.../BDF without what drivers hang below it.
void renderFunction(Directory& directory, const std::string& path, const Scene& scene, const Placed& function);
// The SR-IOV part of it; `vfs` by number.
void renderPhysicalFunction(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& nic,
                            const std::vector<const hardware::Nic*>& vfs);
void renderVirtualFunction(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& nic,
                           const hardware::Nic& pf);
// `below`: the windows of every function that is reached through the bridge.
void renderBridge(Directory& directory, const std::string& path, const Scene& scene, const hardware::Bridge& bridge,
                  const std::vector<Resource>& below);
void renderPciBus(Directory& directory, const std::string& path, const Scene& scene, const std::string& bridge);

// A network interface as class/net/NAME shows it.
struct NetdevFacts {
    std::string name, kind, mac, device; // device: path of the parent device; empty = virtual
    const hardware::Nic* nic = nullptr;  // whose port it is
    int ifindex = 0, iflink = 0, mtu = 1500;
    long speed = 10000; // -1 unknown, -2 the driver tells none
    bool up = false, carrier = false, infiniband = false, loopback = false;
    unsigned carrierUp = 0, carrierDown = 0;
    std::string portName;
    unsigned macOrigin = 0; // addr_assign_type: 0 permanent, 1 random, 3 set by the user
};
void renderNetdev(Directory& directory, const std::string& path, const Scene& scene, const NetdevFacts& facts);
// The rest of what IPoIB interfaces have.
void addIpoib(Directory& directory, const Scene& scene);

// infiniband/NAME below the function. `compat`: the copy that other namespaces get in shared mode.
void renderRdmaDevice(Directory& directory, const std::string& path, const Scene& scene, const hardware::Nic& nic, bool compat);
// infiniband_verbs/uverbsN, infiniband_mad/{umadN,issmN}; `nic` is null for misc/rdma_cm.
void renderCharDevice(Directory& directory, const std::string& path, const Scene& scene, const hardware::CharDevice& device,
                      const hardware::Nic* nic);
// "infiniband_verbs", "infiniband_mad" or "misc".
std::string charDeviceClass(hardware::CharDeviceKind kind);

} // namespace rdmalab::fakesysfs
