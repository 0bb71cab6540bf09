// One machine's hardware: PCI functions, ports, RDMA devices, and who sees them. The single source of truth that sysfs, netlink,
// verbs and the in-memory kernel answer from. Not thread-safe: one thread owns a machine.
#pragma once

#include "sim/hardware/gid_table.h"
#include "sim/hardware/machine_spec.h"
#include "sim/hardware/pci_address.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::hardware {

class Catalogue;

struct PciFunction {
    PciAddress address;
    std::optional<PciAddress> rootPort; // none: directly on the root bus
    std::uint8_t rootBus = 0;           // of the host bridge pciDDDD:BB
    std::uint16_t subsystemVendor = 0, subsystemDevice = 0;
    std::uint32_t classCode = 0;
    int numaNode = -1;
    std::string driver;         // empty = unbound
    unsigned cardFunctions = 1; // functions of the same card in this machine
    bool multifunction = false;
    unsigned totalVfs = 0, vfOffset = 0, vfStride = 0;
};

struct Port {
    std::string netdev; // current name, in namespace `netns`
    std::string mac;    // lower case, colons; 20 octets on InfiniBand
    LinkLayer linkLayer = LinkLayer::ethernet;
    int ifindex = 0; // in the machine's own namespace, as first given out
    int mtu = 1500;
    bool up = false;    // administratively
    bool cabled = true; // the other end is alive
    unsigned speedMbps = 0;
    unsigned carrierUpCount = 0, carrierDownCount = 0;
    std::string portName; // phys_port_name; empty = not supported
    NetnsId netns = defaultNodeNetns;
    std::vector<Cidr> addresses;

    bool carrier() const noexcept { return up && cabled; }
};

enum class CharDeviceKind { uverbs, umad, issm, rdmaCm };

struct CharDevice {
    CharDeviceKind kind = CharDeviceKind::uverbs;
    std::string name; // "uverbs0": below /dev/infiniband and in its class
    unsigned major = 0, minor = 0;
    unsigned mode = 0666;
};

struct RdmaDevice {
    std::string name;
    std::uint32_t index = 0;                         // as in netlink; never used again
    std::uint64_t nodeGuid = 0, systemImageGuid = 0; // host order
    NetnsId netns = defaultNodeNetns;                // matters in exclusive mode
    std::vector<CharDevice> charDevices;             // uverbs, umad, issm; rdma_cm belongs to the machine
    GidTable gids;
};

struct Nic {
    std::shared_ptr<const NicModel> model;
    PciFunction pci;
    Port port;
    std::optional<RdmaDevice> rdma; // has exactly one port, number 1
};

enum class HardwareChange { link, address, netdev, rdmaDevice, charDevice, netnsMode };

struct HardwareEvent {
    HardwareChange change = HardwareChange::link;
    const Nic* nic = nullptr; // none for netnsMode and for rdma_cm
    std::string subject;      // netdev, RDMA device or character device, by its new name
};

class Machine {
public:
    // HardwareError with a field such as "nics[1].pci": unknown model or driver, address that is impossible or taken, name
    // that is taken, longer than the kernel allows (15) or malformed, impossible MAC, MTU, NUMA node or character device.
    explicit Machine(const MachineSpec& spec); // with the built-in catalogue
    Machine(const MachineSpec& spec, const Catalogue& catalogue);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    const std::string& name() const noexcept { return name_; }
    NetnsId netns() const noexcept { return netns_; } // of the node itself
    const std::vector<NumaSpec>& numaNodes() const noexcept { return numa_; }
    RdmaNetnsMode rdmaNetnsMode() const noexcept { return mode_; }
    bool copyOnFork() const noexcept { return copyOnFork_; }
    const std::optional<CharDevice>& rdmaCm() const noexcept { return rdmaCm_; } // rdma_ucm is loaded
    // Counts changes of anything: whoever rendered the machine compares it.
    std::uint64_t generation() const noexcept { return generation_; }

    // Sorted by PCI address; references stay valid as long as the machine.
    const std::vector<std::unique_ptr<Nic>>& nics() const noexcept { return nics_; }
    const Nic* findByPci(const PciAddress& address) const noexcept;
    const Nic* findByNetdev(const std::string& name, NetnsId netns) const noexcept;
    const Nic* findByRdma(const std::string& name) const noexcept;

    // The devices that a process in `viewer` finds by netlink and in /sys/class/infiniband: all in shared mode, its own in
    // exclusive mode. In the order of their indexes.
    std::vector<const Nic*> rdmaDevicesVisibleFrom(NetnsId viewer) const;

    // All of the following throw HardwareError for a NIC that is not of this machine, and notify only real changes.
    void setLink(const Nic& nic, bool up);
    void plugCable(const Nic& nic);
    void unplugCable(const Nic& nic);
    void setMtu(const Nic& nic, int mtu);
    void setMac(const Nic& nic, const std::string& mac);
    void setAddresses(const Nic& nic, std::vector<Cidr> addresses);
    // The interfaces on top of the port's netdev (macvlan, vlan, ...), which add their own entries to the GID table.
    void setUpperInterfaces(const Nic& nic, std::vector<GidInterface> uppers);
    void renameNetdev(const Nic& nic, const std::string& name);
    void moveNetdev(const Nic& nic, NetnsId netns);
    void renameRdma(const Nic& nic, const std::string& name);
    // SystemError as the kernel refuses it: EOPNOTSUPP in shared mode.
    void moveRdma(const Nic& nic, NetnsId netns);
    void setRdmaNetnsMode(RdmaNetnsMode mode);
    // "uverbs0", "umad1", "issm0", "rdma_cm". False when there is none of that name.
    bool removeCharDevice(const std::string& name);
    // Port and RDMA device are gone for good (a fault); the PCI function stays, without a driver.
    void unbindDriver(const Nic& nic);

    // Ends its observer's calls when destroyed; must not outlive the machine.
    class Subscription {
    public:
        Subscription() = default;
        Subscription(Subscription&& other) noexcept;
        Subscription& operator=(Subscription&& other) noexcept;
        ~Subscription();

    private:
        friend class Machine;
        Subscription(Machine& machine, std::uint64_t id) : machine_(&machine), id_(id) {}
        Machine* machine_ = nullptr;
        std::uint64_t id_ = 0;
    };
    // Called after the change, in the order of subscription. An observer may change the machine again.
    [[nodiscard]] Subscription observe(std::function<void(const HardwareEvent&)> observer);

private:
    Nic& own(const Nic& nic);
    void notify(HardwareChange change, const Nic* nic, std::string subject);
    void carrierChanged(Nic& nic, bool before);
    void refreshGids(Nic& nic);

    std::string name_;
    NetnsId netns_;
    std::vector<NumaSpec> numa_;
    RdmaNetnsMode mode_;
    bool copyOnFork_;
    std::optional<CharDevice> rdmaCm_;
    std::vector<std::unique_ptr<Nic>> nics_;
    std::map<const Nic*, std::vector<GidInterface>> uppers_;
    std::uint64_t generation_ = 1;
    std::uint64_t nextObserver_ = 1;
    std::map<std::uint64_t, std::function<void(const HardwareEvent&)>> observers_;
};

} // namespace rdmalab::hardware
