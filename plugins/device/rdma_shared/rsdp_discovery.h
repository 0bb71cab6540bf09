// The NICs of a host as the RDMA shared device plugin sees them in /sys and /dev.
#pragma once

#include "plugins/device/rdma_shared/rsdp_config.h"

#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;
class Kernel;

struct RdmaNic {
    std::string pciAddress;         // "0000:af:00.0"
    std::string vendor, deviceId;   // lower case hex from modalias: "15b3"
    std::string driver;             // "mlx5_core"
    std::string ifName, linkType;   // "" when the function has no netdev; link type as "ether", "infiniband"
    std::vector<std::string> nodes; // "/dev/infiniband/uverbs0"; rdma_cm once for each RDMA device
};

struct RsdpDiscovery {
    std::vector<RdmaNic> nics;
    std::vector<std::string> dropped; // why the other network functions are no candidates
};

// Reads /sys/bus/pci/devices, /sys/class/infiniband_{cm,mad,verbs}, /dev/infiniband/rdma_cm; asks the kernel for link types.
// One malformed entry on the PCI bus hides every function, as in ghw (pkg/pci/pci_linux.go).
RsdpDiscovery discoverRdmaNics(Files& files, Kernel& kernel, RsdpRelease release, const PluginLog& log);

std::vector<RdmaNic> selectRdmaNics(const std::vector<RdmaNic>& nics, const RsdpSelectors& selectors);

} // namespace rdmalab::plugin
