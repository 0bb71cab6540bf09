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
#include <utility>
#include <vector>

namespace rdmalab::hardware {

class Catalogue;

// A port of the PCI Express fabric: a root port, or a port of a switch.
struct Bridge {
    enum class Kind { rootPort, upstreamPort, downstreamPort };
    PciAddress address;
    Kind kind = Kind::rootPort;
    std::vector<PciAddress> bridges; // above it, the root port first
    std::uint8_t rootBus = 0;        // of the host bridge pciDDDD:BB
    std::uint8_t secondaryBus = 0, subordinateBus = 0;
    std::uint16_t vendor = 0, device = 0;
    std::string driver = "pcieport";
    int numaNode = -1;
    std::optional<PcieLink> pcie;
};

// What every PCI function has, a NIC's or any other's.
struct PciFunction {
    PciAddress address;
    std::vector<PciAddress> bridges; // above it, the root port first; empty: directly on the root bus
    std::uint8_t rootBus = 0;        // of the host bridge pciDDDD:BB
    std::uint16_t vendor = 0, device = 0, subsystemVendor = 0, subsystemDevice = 0;
    std::uint32_t classCode = 0;
    std::uint8_t revision = 0;
    int numaNode = -1;
    std::optional<unsigned> iommuGroup;        // none: no IOMMU
    std::string driver;                        // empty = unbound
    std::optional<std::string> driverOverride; // as written to driver_override
    unsigned cardFunctions = 1;                // functions of the same card in this machine
    bool multifunction = false;
    // Tells this function from one that was at the same address before: VFs come and go, cards are pulled. Never used again.
    std::uint64_t instance = 0;

    // PFs with SR-IOV. `totalVfs` is the SR-IOV capability's TotalVFs; `vfLimit` what the driver lets the kernel show as
    // sriov_totalvfs.
    unsigned totalVfs = 0, vfLimit = 0, numVfs = 0, vfOffset = 0, vfStride = 0;
    bool vfAutoprobe = true;
    // VFs.
    std::optional<PciAddress> physfn;
    unsigned vfNumber = 0;
    bool isVf() const noexcept { return physfn.has_value(); }
};

// A function that is there for its place only: a GPU, for rail and GPUDirect affinity.
struct PlainFunction {
    PciFunction pci;
    std::string model; // "H100"
    std::vector<Bar> bars;
    std::optional<PcieLink> pcie;
};

enum class VfLinkState { automatic, enabled, disabled };

// What a PF's owner sets for one of its VFs (IFLA_VF_*, and sriov/N/* of NVIDIA's own drivers).
struct VfSettings {
    std::string mac = "00:00:00:00:00:00"; // all zero: the VF chose its own
    unsigned vlan = 0, qos = 0;
    std::uint16_t vlanProtocol = 0x8100;
    unsigned minTxRate = 0, maxTxRate = 0; // Mb/s
    bool spoofCheck = false, trust = false;
    VfLinkState linkState = VfLinkState::automatic;
    std::uint64_t nodeGuid = 0, portGuid = 0; // host order
    friend bool operator==(const VfSettings&, const VfSettings&) = default;
};

// By VF number; holds only what differs from the default, as hardly any of a card's VFs is ever set up.
class VfSettingsTable {
public:
    explicit VfSettingsTable(unsigned size = 0) : size_(size) {}
    unsigned size() const noexcept { return size_; }
    const VfSettings& operator[](unsigned vf) const noexcept;
    void set(unsigned vf, const VfSettings& settings);
    void clear() noexcept { set_.clear(); } // all are default again

private:
    unsigned size_;
    std::vector<std::pair<unsigned, VfSettings>> set_;
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
    std::uint64_t instance = 0; // as PciFunction::instance, anew with each binding of a driver
    bool randomMac = false;     // made up by the driver (addr_assign_type 1)

    bool carrier() const noexcept { return up && cabled; } // a VF's `cabled` follows its PF and VfSettings::linkState
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
    std::uint64_t instance = 0; // as PciFunction::instance, anew with each binding of a driver
};

// A PF or a VF.
struct Nic {
    std::shared_ptr<const NicModel> model;
    PciFunction pci;
    Port port;
    std::optional<RdmaDevice> rdma; // has exactly one port, number 1
    // Of a PF, one for each VF that could be. The drivers forget them when the VFs go (mlx5_eswitch_clear_vf_vports_info,
    // ice_free_vfs, bnxt_sriov_disable).
    VfSettingsTable vfSettings;
};

enum class HardwareChange {
    link,            // up, carrier, MTU
    address,         // MAC, addresses, GIDs
    netdevAdded,     // a driver made the port's interface
    netdevRemoved,   // the port still carries its old name
    netdev,          // renamed or moved
    rdmaAdded,       // with its character devices
    rdmaRemoved,     // still readable during the call
    rdmaDevice,      // renamed or moved
    charDevice,      // one came or went without its RDMA device
    functionAdded,   // a PCI function, NIC or other
    functionRemoved, // still readable during the call
    driver,          // binding, driver_override or the like
    vfSettings,      // of the VF `nic`
    netnsMode,
};

struct HardwareEvent {
    HardwareChange change = HardwareChange::link;
    const Nic* nic = nullptr; // none for netnsMode, rdma_cm and plain functions
    // Netdev, RDMA device or character device by its new name; else the PCI address, or the driver when its ids changed.
    std::string subject;
};

struct DriverId {
    std::uint16_t vendor = 0, device = 0;
    std::optional<std::uint16_t> subsystemVendor, subsystemDevice;
    friend bool operator==(const DriverId&, const DriverId&) = default;
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

    // PFs and the VFs that exist, sorted by PCI address. A reference stays valid until its function goes.
    const std::vector<std::unique_ptr<Nic>>& nics() const noexcept { return nics_; }
    const std::vector<std::unique_ptr<PlainFunction>>& plainFunctions() const noexcept { return plain_; }
    const std::vector<Bridge>& bridges() const noexcept { return bridges_; } // parents before their children
    const PciFunction* findFunction(const PciAddress& address) const noexcept;
    const Nic* physfn(const Nic& vf) const noexcept;  // null for a PF
    std::vector<const Nic*> vfs(const Nic& pf) const; // by number
    const Nic* findByPci(const PciAddress& address) const noexcept;
    const Nic* findByNetdev(const std::string& name, NetnsId netns) const noexcept;
    // In exclusive mode namespaces may use the same name: then the machine's own comes first.
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
    // SystemError as netlink refuses it: EEXIST when a device that is visible together with it has the name, EINVAL when it is
    // empty or longer than 64; of 64 characters 63 stay.
    void renameRdma(const Nic& nic, const std::string& name);
    // SystemError as the kernel refuses it: EOPNOTSUPP in shared mode, EEXIST when the name is taken there.
    void moveRdma(const Nic& nic, NetnsId netns);
    // A namespace died: its netdevs and RDMA devices are the machine's again, netdevs as devN when their name is taken there
    // (net/core/dev.c: default_device_exit_net), RDMA devices under the kernel's next free name.
    void namespaceGone(NetnsId netns);
    void setRdmaNetnsMode(RdmaNetnsMode mode);
    // "uverbs0", "umad1", "issm0", "rdma_cm". False when there is none of that name.
    bool removeCharDevice(const std::string& name);
    // Back as it was. False when none of that name was removed, its RDMA device is gone, or another one has the name by now.
    bool restoreCharDevice(const std::string& name);

    // SR-IOV, drivers and hot plug with the kernel's rules: SystemError carries the errno that a write to the sysfs file gives
    // (spec sysfs-and-rdma-abi 2; drivers/pci/iov.c, drivers/base/{bus,dd}.c). An address without a function: ENODEV.
    //
    // sriov_numvfs: ERANGE over the limit; nothing when equal; ENOENT without a driver that can; EBUSY from N to M; ENOMEM when a
    // VF would fall behind bus ff or onto another function's address.
    void setNumVfs(const PciAddress& pf, unsigned count);
    void setVfAutoprobe(const PciAddress& pf, bool on);
    // EINVAL for a VF that cannot be or, unless the PF's driver takes settings in advance, is not there, for a VLAN above 4095,
    // a priority above 7 and an impossible MAC; EOPNOTSUPP without the PF's own driver. The link state acts at once, MAC and
    // GUIDs when the VF's driver is bound the next time (see driver_traits.h).
    void setVfSettings(const PciAddress& pf, unsigned vf, const VfSettings& settings);
    // What the card's firmware lets the driver offer; applies when the driver is bound the next time, as NUM_OF_VFS does.
    // EINVAL when it is more than the SR-IOV capability's TotalVFs.
    void setFirmwareVfLimit(const PciAddress& pf, unsigned limit);
    const VfSettings& vfSettings(const Nic& pf, unsigned vf) const noexcept { return pf.vfSettings[vf]; }

    struct Driver {
        std::string name, module; // "vfio-pci"; "vfio_pci", empty: built in
        std::vector<DriverId> ids;
        std::vector<DriverId> dynamicIds; // by new_id
    };
    const std::vector<Driver>& drivers() const noexcept { return drivers_; } // of the PCI bus, sorted by name
    const Driver* findDriver(const std::string& name) const noexcept;
    // A PF comes back with the name, MAC, MTU, admin state and addresses that it had at boot, as the host's network
    // configuration acts on every interface that appears; a VF's interface is down.
    // ENODEV: no such driver or function, ids and driver_override do not match, or a VF whose PF has sriov_drivers_autoprobe off
    // and that has no driver_override. EBUSY: bound already. EINVAL: vfio-pci without IOMMU.
    void bindDriver(const std::string& driver, const PciAddress& address);
    void unbindDriver(const std::string& driver, const PciAddress& address); // ENODEV
    void setDriverOverride(const PciAddress& address, std::optional<std::string> driver);
    void probeDriver(const PciAddress& address); // bus/pci/drivers_probe: succeeds also when no driver takes it
    bool driversAutoprobe() const noexcept { return driversAutoprobe_; }
    void setDriversAutoprobe(bool on);
    void addDriverId(const std::string& driver, const DriverId& id);    // EEXIST
    void removeDriverId(const std::string& driver, const DriverId& id); // ENODEV
    // Module out and in again: everything bound to it is unbound, then probed. VFs go. ENODEV for what is no module.
    void reloadDriver(const std::string& driver);

    // `remove`: gone from the bus until a rescan; a PF takes its VFs along. Of a bridge: all below it, while the port itself
    // stays. ENOENT for a VF, which has no such file.
    void removeFunction(const PciAddress& address);
    void rescanBus();                           // `rescan`: finds what was removed and is still plugged in
    void unplugCard(const PciAddress& address); // all functions of the slot are gone, rescan finds nothing
    // And are back, as after power-on: no VFs, default settings, names as at boot; the cable is as it was. Nothing happens when
    // the card is in its slot; ENODEV when there never was one.
    void replugCard(const PciAddress& address);
    // Nothing to do with the above: a NIC loses its driver (a fault).
    void unbindDriver(const Nic& nic);

    // Values that somebody wrote to attributes which the hardware only keeps (power/control, msi_bus, node_desc, ...), by the
    // `instance` of the function, port or RDMA device they belong to and forgotten with it; 0: by the machine. Null: never
    // written.
    const std::string* kept(std::uint64_t instance, const std::string& name) const;
    void keep(std::uint64_t instance, const std::string& name, std::string value);

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
    // How a PF came at boot: what its driver makes of it when it is bound again.
    struct Birth {
        PciAddress address;
        std::string netdev, mac, rdma, driver;
        int mtu = 1500;
        bool up = true, hasRdma = false;
        std::vector<Cidr> addresses;
        std::vector<CharDeviceKind> charDevices;
        std::uint64_t nodeGuid = 0, systemImageGuid = 0;
        unsigned firmwareVfLimit = 0;
    };
    // A function that is not on the bus: removed, or pulled with its card. Its address stays reserved.
    struct Absent {
        std::unique_ptr<Nic> nic;
        std::unique_ptr<PlainFunction> plain;
        bool plugged = true;
        const PciFunction& pci() const noexcept { return nic ? nic->pci : plain->pci; }
    };
    // Observers may change the machine while it is changing, so whoever notified looks up again what it works on.
    struct Found {
        Nic* nic = nullptr;
        PciFunction* pci = nullptr;
        explicit operator bool() const noexcept { return pci != nullptr; }
    };
    using Identity = std::pair<PciAddress, std::uint64_t>; // address and instance
    static Identity identity(const PciFunction& pci) { return {pci.address, pci.instance}; }

    Nic& own(const Nic& nic);
    Nic* nicAt(const PciAddress& address) noexcept;
    Found find(const PciAddress& address) noexcept;
    Found find(const Identity& identity) noexcept; // none when another function is there by now
    Found require(const PciAddress& address, const char* what);
    Nic& requirePf(const PciAddress& address, const char* what);
    Birth& birthOf(const Nic& pf);
    const Birth& birthOf(const Nic& pf) const;
    std::vector<Identity> functions() const; // in the order of the bus

    // At boot: registers the drivers of all models that are here, gives every function its instance number.
    void loadDrivers(const MachineSpec& spec, const Catalogue& catalogue);
    void registerDriver(const std::string& name, std::optional<DriverId> id);
    Driver* driverNamed(const std::string& name) noexcept;
    std::string nativeDriver(const Found& function) const; // the one that can work it
    bool matches(const Driver& driver, const PciFunction& pci) const;
    int probe(const Driver& driver, const Identity& identity); // 0 or an errno
    void attach(const Identity& identity);                     // whichever driver matches
    void detach(const Identity& identity);
    void makePort(Nic& nic);
    void makeRdma(Nic& nic);
    std::string freeNetdevName(const std::vector<std::string>& wanted) const;
    std::string freeRdmaName(const Nic& nic, const std::string& wanted) const;

    void checkVfPlaces(const Nic& pf, unsigned count) const;
    void addVfs(const Identity& pf, unsigned count);
    void removeVfs(const Identity& pf);
    bool vfCabled(const Nic& pf, unsigned vf) const;
    void followPf(const Identity& pf); // VFs' links

    Found insert(Absent function); // gives it a new instance
    void takeOff(const Identity& identity, bool keep, bool plugged);
    unsigned takeIommuGroup();
    void comeBack(bool (*wanted)(const Absent&, const PciAddress&), const PciAddress& slot);

    void notify(HardwareChange change, const Nic* nic, std::string subject);
    void carrierChanged(Nic& nic, bool before);
    void linkChanged(Nic& nic, bool before);                          // with the event, and on to the VFs
    bool refreshGids(Nic& nic);                                       // true if they changed
    bool rdmaNameTaken(const std::string& name, NetnsId netns) const; // among those seen together with one there

    std::string name_;
    NetnsId netns_;
    std::vector<NumaSpec> numa_;
    RdmaNetnsMode mode_;
    bool copyOnFork_;
    std::optional<CharDevice> rdmaCm_;
    std::vector<std::unique_ptr<Nic>> nics_;
    std::vector<std::unique_ptr<PlainFunction>> plain_;
    std::vector<Bridge> bridges_;
    std::vector<Driver> drivers_;
    bool driversAutoprobe_ = true;
    bool iommu_ = true;
    RdmaNaming rdmaNaming_ = RdmaNaming::kernel;
    std::vector<Birth> births_; // of all PFs that ever were, by address
    std::vector<Absent> absent_;
    std::vector<unsigned> freeIommuGroups_; // below nextIommuGroup_
    unsigned nextIommuGroup_ = 0;
    int nextIfindex_ = 2; // lo is 1
    std::uint32_t nextRdmaIndex_ = 0;
    std::uint64_t nextInstance_ = 1;
    // With the instance of the RDMA device, 0: the machine's own.
    std::vector<std::pair<std::uint64_t, CharDevice>> removedCharDevices_;
    std::map<const Nic*, std::vector<GidInterface>> uppers_;
    std::map<std::pair<std::uint64_t, std::string>, std::string> kept_;
    std::size_t keptAtMost_ = 256; // then those of objects that are gone are dropped
    std::uint64_t generation_ = 1;
    std::uint64_t nextObserver_ = 1;
    std::map<std::uint64_t, std::function<void(const HardwareEvent&)>> observers_;
};

} // namespace rdmalab::hardware
