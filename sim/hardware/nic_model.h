// What a NIC model is: everything about a card that does not depend on the machine it sits in. One YAML file each in catalogue/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::hardware {

enum class LinkLayer { ethernet, infiniband };

struct Bar {
    int index = 0;                           // 0..5
    std::uint64_t size = 0;                  // bytes, a power of two
    bool prefetchable = false, wide = false; // wide = 64 bit
};

struct PcieLink {
    std::string speed; // "8.0 GT/s PCIe"
    int width = 0;
};

struct SriovModel {
    unsigned totalVfs = 0;
    std::uint16_t vfDevice = 0;
    // Offset of the first VF of the card's function 0; 0 = directly behind the card's last function. Function k of a card
    // starts k * (totalVfs - 1) later, so that the ranges of the functions follow each other without a gap.
    unsigned offset = 0;
    unsigned stride = 1;
    std::string driver; // of the VFs
    std::optional<Bar> bar;
};

struct RdmaModel {
    std::string driver;     // "mlx5_ib"
    std::string namePrefix; // kernel name without its number: "mlx5_"
    std::string firmware;   // fw_ver
    unsigned driverId = 0;  // RDMA_DRIVER_* of rdma/ib_user_ioctl_verbs.h
    unsigned uverbsAbi = 1;
    std::string hcaType, boardId, hardwareRevision; // empty = the driver has no such attribute
    unsigned gidTableLength = 256, pkeyTableLength = 1;
    bool roceV1 = true, roceV2 = true;
    std::string rate; // "100 Gb/sec (4X EDR)"
    std::string infinibandRate;
    std::vector<std::string> charDevices; // of "uverbs", "umad", "issm", "rdma_cm"
    std::vector<std::string> counters;    // names in ports/N/hw_counters
};

struct NicModel {
    std::string name;                 // "ConnectX-5"
    std::vector<std::string> aliases; // "cx5"
    std::string description;          // as pci.ids has it: "MT27800 Family [ConnectX-5]"
    std::uint16_t vendor = 0, device = 0, subsystemVendor = 0, subsystemDevice = 0;
    std::uint32_t classCode = 0x020000; // 24 bit; of the Ethernet personality
    std::uint8_t revision = 0;
    std::string driver;
    std::vector<std::string> modules; // shown in /sys/module next to the driver's
    std::string childBus;             // "virtio": the netdev hangs below a child device of that bus; empty = below the function
    unsigned ports = 2;               // PCI functions of a full card
    unsigned speedMbps = 0;           // 0 = the driver tells none
    std::vector<LinkLayer> linkLayers = {LinkLayer::ethernet}; // the first is the default
    std::string macPrefix;                                     // "b8:ce:f6"
    bool portNames = false;                                    // has phys_port_name p0, p1, ... which udev appends as np0, np1
    std::vector<Bar> bars;
    std::optional<PcieLink> pcie; // none: a conventional device with 256 bytes of configuration space
    std::optional<SriovModel> sriov;
    std::optional<RdmaModel> rdma;

    bool supports(LinkLayer layer) const noexcept;
};

} // namespace rdmalab::hardware
