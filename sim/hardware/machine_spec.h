// What a scenario says about a machine. Everything optional is filled in as a real machine would have it.
#pragma once

#include "sim/hardware/nic_model.h"
#include "util/ip.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::hardware {

// A network namespace, told apart by whatever number the tier has for it (the nsfs inode, an index). Never 0.
using NetnsId = std::uint64_t;
inline constexpr NetnsId defaultNodeNetns = 1;

enum class RdmaNetnsMode { shared, exclusive };
enum class RdmaNaming {
    kernel, // mlx5_0, mlx5_1, ... in the order of PCI addresses: NVIDIA's own driver packages, and most documentation
    udev,   // rocep175s0f0: rdma-core's rdma_rename with its default policy
};

struct NumaSpec {
    int id = 0;
    std::string cpus; // cpulist, "0-15,32-47"
};

// One PCI function with one port. The two ports of a card are two of these.
struct NicSpec {
    std::string model;                     // a name of the catalogue
    std::string pci;                       // "0000:af:00.0"
    std::optional<std::string> netdev;     // udev's predictable name by default: enp175s0f0np0, with `slot` ens6f0np0
    std::optional<std::string> rdma;       // by RdmaNaming
    std::optional<int> slot;               // hotplug slot number
    std::optional<int> numa;               // the machine's first node, -1 when it has none
    std::optional<std::string> mac;        // derived from machine name and PCI address
    std::optional<std::uint64_t> nodeGuid; // host order; from the MAC
    std::optional<int> mtu;                // 1500; InfiniBand 2044
    bool up = true;
    bool cabled = true; // a live partner at the other end: carrier when up
    std::optional<LinkLayer> linkLayer;
    // Of "uverbs", "umad", "issm", "rdma_cm": instead of the model's. An empty list is an RDMA device without any.
    std::optional<std::vector<std::string>> charDevices;
    std::optional<bool> rdmaEnabled;       // false: no RDMA device at all
    std::optional<unsigned> totalVfs;      // as set in the firmware
    unsigned numVfs = 0;                   // made at boot, as by a udev rule
    std::optional<std::string> pcieSwitch; // functions that name the same one sit below the same PCI Express switch
    std::vector<Cidr> addresses;
};

// A PCI function that is there for its place only.
struct PlainSpec {
    std::string model; // "A100", "H100", ... or anything when vendor and device are given
    std::string pci;
    std::optional<std::uint16_t> vendor, device;
    std::optional<std::uint32_t> classCode; // 24 bit; a 3D controller by default
    std::optional<std::string> driver;      // "nvidia"; empty = unbound
    std::optional<int> numa;
    std::optional<std::string> pcieSwitch;
};

struct MachineSpec {
    std::string name;
    std::vector<NumaSpec> numa;
    std::vector<NicSpec> nics;
    std::vector<PlainSpec> gpus;
    bool iommu = true; // every function is in an IOMMU group of its own
    RdmaNetnsMode rdmaNetns = RdmaNetnsMode::shared;
    RdmaNaming rdmaNaming = RdmaNaming::kernel;
    bool copyOnFork = true;
    NetnsId netns = defaultNodeNetns;
};

} // namespace rdmalab::hardware
