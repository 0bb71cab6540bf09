#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/rdma_view.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <set>

namespace rdmalab::hardware {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NicSpec nic(const std::string& model, const std::string& pci) {
    NicSpec spec;
    spec.model = model;
    spec.pci = pci;
    return spec;
}

MachineSpec dualPort(const std::string& model = "ConnectX-5", unsigned totalVfs = 8) {
    MachineSpec spec;
    spec.name = "10-20-1-10";
    spec.numa = {{0, "0-15"}, {1, "16-31"}};
    spec.nics = {nic(model, "0000:af:00.0"), nic(model, "0000:af:00.1")};
    for (NicSpec& one : spec.nics) {
        one.totalVfs = totalVfs;
        one.numa = 1;
    }
    return spec;
}

const PciAddress pf0 = *PciAddress::parse("0000:af:00.0"), pf1 = *PciAddress::parse("0000:af:00.1");

const Nic& at(const Machine& machine, const std::string& address) {
    const Nic* found = machine.findByPci(*PciAddress::parse(address));
    if (!found)
        throw std::runtime_error("nothing at " + address);
    return *found;
}

std::vector<std::string> vfAddresses(const Machine& machine, const PciAddress& pf) {
    std::vector<std::string> list;
    for (const Nic* vf : machine.vfs(*machine.findByPci(pf)))
        list.push_back(vf->pci.address.str());
    return list;
}

template <typename Do>
int errnoOf(Do operation) {
    try {
        operation();
        return 0;
    } catch (const SystemError& error) {
        return error.code();
    }
}

TEST(Sriov, VfsLieWhereOffsetAndStrideSay) {
    Machine machine(dualPort());
    machine.setNumVfs(pf0, 8);
    machine.setNumVfs(pf1, 3);
    EXPECT_THAT(vfAddresses(machine, pf0), ElementsAre("0000:af:00.2", "0000:af:00.3", "0000:af:00.4", "0000:af:00.5",
                                                       "0000:af:00.6", "0000:af:00.7", "0000:af:01.0", "0000:af:01.1"));
    EXPECT_THAT(vfAddresses(machine, pf1), ElementsAre("0000:af:01.2", "0000:af:01.3", "0000:af:01.4"));
    const Nic& vf = at(machine, "0000:af:01.3");
    EXPECT_EQ(vf.pci.physfn, pf1);
    EXPECT_EQ(vf.pci.vfNumber, 1U);
    EXPECT_EQ(machine.physfn(vf), machine.findByPci(pf1));
    EXPECT_EQ(machine.findByPci(pf0)->pci.numVfs, 8U);
}

TEST(Sriov, VfBusNumbersCarry) {
    MachineSpec spec;
    spec.name = "m";
    spec.nics = {nic("ConnectX-7", "0000:3b:00.0")};
    spec.nics[0].totalVfs = 300;
    Machine machine(spec);
    machine.setNumVfs(machine.nics()[0]->pci.address, 300);
    const auto vfs = vfAddresses(machine, *PciAddress::parse("0000:3b:00.0"));
    EXPECT_EQ(vfs.front(), "0000:3b:00.1");
    EXPECT_EQ(vfs[254], "0000:3b:1f.7");
    EXPECT_EQ(vfs[255], "0000:3c:00.0");
    EXPECT_EQ(vfs.back(), "0000:3c:05.4");
    EXPECT_EQ(at(machine, "0000:3c:00.0").pci.bridges, machine.nics()[0]->pci.bridges); // a sibling of its PF all the same
}

TEST(Sriov, AVfIsAFunctionOfItsPfsPlaceWithAnIdOfItsOwn) {
    Machine machine(dualPort());
    machine.setNumVfs(pf0, 2);
    const PciFunction& pf = machine.findByPci(pf0)->pci;
    const PciFunction& vf = at(machine, "0000:af:00.3").pci;
    EXPECT_EQ(vf.vendor, 0x15b3);
    EXPECT_EQ(vf.device, 0x1018);
    EXPECT_EQ(vf.subsystemDevice, pf.subsystemDevice);
    EXPECT_EQ(vf.subsystemVendor, pf.subsystemVendor);
    EXPECT_EQ(vf.numaNode, 1);
    EXPECT_EQ(vf.rootBus, pf.rootBus);
    EXPECT_EQ(vf.driver, "mlx5_core");
    EXPECT_EQ(vf.totalVfs, 0U);
    std::set<unsigned> groups;
    for (const auto& one : machine.nics())
        groups.insert(one->pci.iommuGroup.value());
    EXPECT_EQ(groups.size(), machine.nics().size());
}

TEST(Sriov, ABoundVfHasAnInterfaceAndAnRdmaDevice) {
    MachineSpec spec = dualPort();
    spec.nics[0].netdev = "ens6f0np0";
    Machine machine(spec);
    machine.setNumVfs(pf0, 2);
    machine.setNumVfs(pf1, 1);
    const Nic& vf = at(machine, "0000:af:00.3");
    EXPECT_EQ(vf.port.netdev, "ens6f0v1");
    EXPECT_EQ(at(machine, "0000:af:01.2").port.netdev, "enp175s0f1v0");
    EXPECT_FALSE(vf.port.up);
    EXPECT_TRUE(vf.port.randomMac);
    EXPECT_EQ(vf.port.mac, randomMac("10-20-1-10", vf.pci.address));
    EXPECT_EQ(std::stoi(vf.port.mac.substr(0, 2), nullptr, 16) & 3, 2);
    EXPECT_EQ(vf.port.mtu, 1500);
    EXPECT_EQ(vf.port.ifindex, 5); // lo, two PFs and one VF before it
    EXPECT_EQ(vf.port.portName, "");
    EXPECT_EQ(vf.port.speedMbps, 100000U);
    ASSERT_TRUE(vf.rdma);
    EXPECT_EQ(vf.rdma->name, "mlx5_3");
    EXPECT_EQ(vf.rdma->index, 3U);
    EXPECT_EQ(vf.rdma->nodeGuid, guidFromMac(vf.port.mac));
    EXPECT_EQ(vf.rdma->systemImageGuid, machine.findByPci(pf0)->rdma->systemImageGuid);
    std::vector<std::string> devices;
    for (const CharDevice& device : vf.rdma->charDevices)
        devices.push_back(device.name);
    EXPECT_THAT(devices, ::testing::UnorderedElementsAre("uverbs3", "umad3", "issm3"));
    EXPECT_TRUE(vf.rdma->gids.slots()[0]);
}

TEST(Sriov, UdevNamesVfsByTheirPf) {
    MachineSpec spec = dualPort();
    spec.rdmaNaming = RdmaNaming::udev;
    spec.nics[0].netdev = "rdma0"; // no name that udev would give
    spec.nics[1].netdev = "enp175s0f1v0";
    Machine machine(spec);
    machine.setNumVfs(pf0, 1);
    machine.setNumVfs(pf1, 1);
    EXPECT_EQ(at(machine, "0000:af:00.2").port.netdev, "enp175s0f0v0");
    EXPECT_EQ(at(machine, "0000:af:00.2").rdma->name, "rocep175s0f0v0");
    EXPECT_EQ(at(machine, "0000:af:01.2").port.netdev, "eth0"); // its name is taken
}

TEST(Sriov, StemsOfPredictableNames) {
    EXPECT_EQ(predictableStem("ens6f0np0"), "ens6f0");
    EXPECT_EQ(predictableStem("enp175s0f1np1"), "enp175s0f1");
    EXPECT_EQ(predictableStem("enP1p175s0"), "enP1p175s0");
    EXPECT_EQ(predictableStem("ibp59s0"), "ibp59s0");
    EXPECT_EQ(predictableStem("ens3d1"), "ens3");
    for (const char* other : {"eth0", "rdma0", "enp175", "en", "ensx", "enp1s0x", "eno1", "ibs", "enp1s0n"})
        EXPECT_FALSE(predictableStem(other)) << other;
}

TEST(Sriov, ChecksComeInTheKernelsOrder) {
    Machine machine(dualPort());
    const auto write = [&](unsigned count) { return errnoOf([&] { machine.setNumVfs(pf0, count); }); };
    EXPECT_EQ(write(9), ERANGE);
    EXPECT_EQ(write(0), 0);
    EXPECT_EQ(write(4), 0);
    EXPECT_EQ(write(4), 0);
    EXPECT_EQ(write(3), EBUSY);
    EXPECT_EQ(write(9), ERANGE);
    EXPECT_EQ(machine.findByPci(pf0)->pci.numVfs, 4U);
    EXPECT_EQ(write(0), 0);
    machine.unbindDriver("mlx5_core", pf0);
    EXPECT_EQ(write(0), 0); // no change needs no driver
    EXPECT_EQ(write(1), ENOENT);
    EXPECT_EQ(write(9), ERANGE); // before looking at the driver
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(*PciAddress::parse("0000:01:00.0"), 1); }), ENODEV);
}

TEST(Sriov, VfsWithoutAPlaceAreEnomem) {
    MachineSpec spec;
    spec.name = "m";
    spec.nics = {nic("virtio-net", "0000:ff:00.3"), nic("ConnectX-7", "0000:ff:02.0")};
    spec.nics[1].pci = "0000:fe:1f.0";
    Machine machine(spec); // no VFs asked for, so whatever fits is fine
    const PciAddress pf = *PciAddress::parse("0000:fe:1f.0");
    // fe:1f.1 ... fe:1f.7, ff:00.0 ... ff:00.2 are free, ff:00.3 is not.
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(pf, 127); }), ENOMEM);
    EXPECT_EQ(machine.findByPci(pf)->pci.numVfs, 0U);
    EXPECT_EQ(machine.nics().size(), 2U);
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(pf, 7); }), 0);
}

TEST(Sriov, WithoutAutoprobeVfsHaveNoDriver) {
    Machine machine(dualPort());
    machine.setVfAutoprobe(pf0, false);
    machine.setNumVfs(pf0, 2);
    const Nic& vf = at(machine, "0000:af:00.2");
    EXPECT_EQ(vf.pci.driver, "");
    EXPECT_EQ(vf.port.netdev, "");
    EXPECT_FALSE(vf.rdma);
    // A bind by hand neither, unless driver_override asks for it.
    EXPECT_EQ(errnoOf([&] { machine.bindDriver("mlx5_core", vf.pci.address); }), ENODEV);
    machine.setDriverOverride(vf.pci.address, "mlx5_core");
    machine.bindDriver("mlx5_core", vf.pci.address);
    EXPECT_EQ(vf.port.netdev, "enp175s0f0v0");
}

TEST(Sriov, VfsOfTheSameNumberAreNotTheSame) {
    Machine machine(dualPort());
    machine.setNumVfs(pf0, 1);
    const Nic* vf = &at(machine, "0000:af:00.2");
    const std::uint64_t function = vf->pci.instance, port = vf->port.instance, rdma = vf->rdma->instance;
    const auto index = vf->rdma->index;
    const auto group = vf->pci.iommuGroup;
    machine.setNumVfs(pf0, 0);
    EXPECT_EQ(machine.nics().size(), 2U);
    machine.setNumVfs(pf0, 1);
    vf = &at(machine, "0000:af:00.2");
    EXPECT_NE(vf->pci.instance, function);
    EXPECT_NE(vf->port.instance, port);
    EXPECT_NE(vf->rdma->instance, rdma);
    EXPECT_GT(vf->rdma->index, index);   // never used again
    EXPECT_EQ(vf->rdma->name, "mlx5_2"); // while names are
    EXPECT_EQ(vf->pci.iommuGroup, group);
}

TEST(Sriov, VfsVanishWhereverTheirDevicesAre) {
    MachineSpec spec = dualPort();
    spec.rdmaNetns = RdmaNetnsMode::exclusive;
    Machine machine(spec);
    machine.setNumVfs(pf0, 2);
    const Nic& vf = at(machine, "0000:af:00.2");
    machine.moveNetdev(vf, 77);
    machine.moveRdma(vf, 77);
    machine.setNumVfs(pf0, 0);
    EXPECT_EQ(machine.findByNetdev("enp175s0f0v0", 77), nullptr);
    EXPECT_THAT(machine.rdmaDevicesVisibleFrom(77), IsEmpty());
}

TEST(Sriov, VfsFollowTheCableAndTheirLinkState) {
    Machine machine(dualPort());
    machine.setNumVfs(pf0, 3);
    const Nic& pf = *machine.findByPci(pf0);
    const auto vfs = machine.vfs(pf);
    for (const Nic* vf : vfs)
        machine.setLink(*vf, true);
    VfSettings fixed;
    fixed.linkState = VfLinkState::enabled;
    machine.setVfSettings(pf0, 1, fixed);
    fixed.linkState = VfLinkState::disabled;
    machine.setVfSettings(pf0, 2, fixed);
    EXPECT_FALSE(vfs[2]->port.carrier());
    EXPECT_EQ(portState(vfs[2]->port), PortState::down);
    std::vector<std::string> events;
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        EXPECT_EQ(event.change, HardwareChange::link);
        events.push_back(event.subject);
    });
    machine.unplugCable(pf);
    EXPECT_FALSE(vfs[0]->port.carrier());
    EXPECT_TRUE(vfs[1]->port.carrier()); // packets still pass between the VFs
    EXPECT_THAT(events, ElementsAre("enp175s0f0np0", "enp175s0f0v0"));
    machine.plugCable(pf);
    EXPECT_TRUE(vfs[0]->port.carrier());
    EXPECT_EQ(vfs[0]->port.carrierDownCount, 1U);
    // mlx5 takes the port down with the PF's interface.
    machine.setLink(pf, false);
    EXPECT_FALSE(vfs[0]->port.carrier());
    EXPECT_TRUE(vfs[1]->port.carrier());
}

TEST(Sriov, SettingsActWhenTheDriverComesAgain) {
    Machine machine(dualPort());
    machine.setNumVfs(pf0, 1);
    const Nic& vf = at(machine, "0000:af:00.2");
    const std::string before = vf.port.mac;
    VfSettings settings;
    settings.mac = "02:00:00:00:00:0A";
    std::vector<const Nic*> told;
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        if (event.change == HardwareChange::vfSettings)
            told.push_back(event.nic);
    });
    machine.setVfSettings(pf0, 0, settings);
    machine.setVfSettings(pf0, 0, settings); // no change
    EXPECT_THAT(told, ElementsAre(&vf));
    EXPECT_EQ(vf.port.mac, before);
    EXPECT_EQ(machine.vfSettings(*machine.findByPci(pf0), 0).mac, "02:00:00:00:00:0a");
    machine.unbindDriver("mlx5_core", vf.pci.address);
    machine.bindDriver("mlx5_core", vf.pci.address);
    EXPECT_EQ(vf.port.mac, "02:00:00:00:00:0a");
    EXPECT_FALSE(vf.port.randomMac);
    EXPECT_EQ(vf.rdma->nodeGuid, guidFromMac("02:00:00:00:00:0a"));
    // mlx5 takes settings in advance and forgets all with the VFs.
    machine.setVfSettings(pf0, 7, settings);
    machine.setNumVfs(pf0, 0);
    EXPECT_EQ(machine.vfSettings(*machine.findByPci(pf0), 0), VfSettings());
    machine.setVfSettings(pf0, 1, settings);
    machine.setNumVfs(pf0, 2);
    EXPECT_EQ(at(machine, "0000:af:00.3").port.mac, "02:00:00:00:00:0a");
}

TEST(Sriov, ImpossibleSettingsAreEinval) {
    Machine machine(dualPort());
    const auto set = [&](unsigned vf, auto change) {
        VfSettings settings;
        change(settings);
        return errnoOf([&] { machine.setVfSettings(pf0, vf, settings); });
    };
    EXPECT_EQ(set(8, [](auto& s) { s.trust = true; }), EINVAL);
    EXPECT_EQ(set(0, [](auto& s) { s.vlan = 4096; }), EINVAL);
    EXPECT_EQ(set(0, [](auto& s) { s.qos = 8; }), EINVAL);
    EXPECT_EQ(set(0, [](auto& s) { s.mac = "01:00:00:00:00:01"; }), EINVAL);
    EXPECT_EQ(set(0, [](auto& s) { s.mac = "x"; }), EINVAL);
    EXPECT_EQ(set(0, [](auto& s) { s.vlan = 4095; }), 0);
    Machine intel(dualPort("E810"));
    EXPECT_EQ(errnoOf([&] { intel.setVfSettings(pf0, 0, VfSettings{.trust = true}); }), EINVAL); // no such VF yet
}

TEST(Sriov, InfinibandVfsHaveNoGuidUntilOneIsSet) {
    MachineSpec spec = dualPort();
    for (NicSpec& one : spec.nics)
        one.linkLayer = LinkLayer::infiniband;
    Machine machine(spec);
    machine.setNumVfs(pf0, 1);
    const Nic& vf = at(machine, "0000:af:00.2");
    EXPECT_EQ(vf.port.netdev, "ibp175s0f0v0");
    EXPECT_EQ(vf.port.mtu, 2044);
    EXPECT_EQ(vf.pci.classCode, 0x020700U);
    EXPECT_EQ(vf.rdma->nodeGuid, 0U);
    VfSettings settings;
    settings.nodeGuid = 0x1122334455667788;
    settings.portGuid = 0x1122334455667799;
    machine.setVfSettings(pf0, 0, settings);
    EXPECT_EQ(vf.rdma->nodeGuid, 0U);
    machine.unbindDriver(vf);
    machine.probeDriver(vf.pci.address);
    EXPECT_EQ(vf.rdma->nodeGuid, 0x1122334455667788U);
    EXPECT_EQ(portGuidOf(vf.port.mac), 0x1122334455667799U);
    EXPECT_EQ(gidText(vf.rdma->gids.slots()[0]->bytes), "fe80:0000:0000:0000:1122:3344:5566:7799");
    EXPECT_EQ(portState(vf.port), PortState::active);
    machine.setLink(*machine.findByPci(pf0), false); // its own interface only
    EXPECT_EQ(portState(vf.port), PortState::active);
}

TEST(Sriov, IntelsVfsHaveADriverOfTheirOwn) {
    Machine machine(dualPort("E810"));
    machine.setNumVfs(pf0, 2);
    const Nic& vf = at(machine, "0000:af:01.0"); // offset 8
    EXPECT_EQ(vf.pci.driver, "iavf");
    EXPECT_EQ(vf.pci.device, 0x1889);
    EXPECT_FALSE(vf.rdma);
    EXPECT_FALSE(vf.port.netdev.empty());
    // The PF resets the VF, which then has its new MAC.
    std::vector<HardwareChange> changes;
    const auto subscription = machine.observe([&](const HardwareEvent& event) { changes.push_back(event.change); });
    VfSettings settings;
    settings.mac = "02:00:00:00:00:0b";
    machine.setVfSettings(pf0, 0, settings);
    EXPECT_EQ(vf.port.mac, "02:00:00:00:00:0b");
    EXPECT_FALSE(vf.port.randomMac);
    EXPECT_THAT(changes, ElementsAre(HardwareChange::vfSettings, HardwareChange::address));
    // The interface going down leaves the port up.
    machine.setLink(vf, true);
    machine.setLink(*machine.findByPci(pf0), false);
    EXPECT_TRUE(vf.port.carrier());
}

TEST(Sriov, FirmwareLimitsTheNextDriver) {
    Machine machine(dualPort());
    machine.setFirmwareVfLimit(pf0, 4);
    const PciFunction& pf = machine.findByPci(pf0)->pci;
    EXPECT_EQ(pf.vfLimit, 8U);
    machine.reloadDriver("mlx5_core");
    EXPECT_EQ(pf.vfLimit, 4U);
    EXPECT_EQ(pf.totalVfs, 8U);
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(pf0, 5); }), ERANGE);
    machine.setNumVfs(pf0, 4);
    machine.unbindDriver("mlx5_core", pf0);
    EXPECT_EQ(pf.vfLimit, 8U); // without a driver the capability counts
    EXPECT_EQ(errnoOf([&] { machine.setFirmwareVfLimit(pf0, 9); }), EINVAL);
}

TEST(Sriov, EventsComeInOrder) {
    Machine machine(dualPort());
    std::vector<std::string> events;
    const auto name = [](HardwareChange change) {
        switch (change) {
        case HardwareChange::functionAdded:
            return "function+";
        case HardwareChange::functionRemoved:
            return "function-";
        case HardwareChange::netdevAdded:
            return "netdev+";
        case HardwareChange::netdevRemoved:
            return "netdev-";
        case HardwareChange::rdmaAdded:
            return "rdma+";
        case HardwareChange::rdmaRemoved:
            return "rdma-";
        case HardwareChange::driver:
            return "driver";
        default:
            return "?";
        }
    };
    std::uint64_t last = machine.generation();
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        EXPECT_GT(machine.generation(), last);
        last = machine.generation();
        ASSERT_TRUE(event.nic);
        EXPECT_EQ(machine.findByPci(event.nic->pci.address), event.nic); // readable in every event, removal too
        if (event.change == HardwareChange::netdevRemoved || event.change == HardwareChange::netdevAdded) {
            EXPECT_EQ(event.nic->port.netdev, event.subject);
        }
        if (event.change == HardwareChange::rdmaRemoved || event.change == HardwareChange::rdmaAdded) {
            EXPECT_EQ(event.nic->rdma->name, event.subject);
        }
        EXPECT_EQ(machine.vfs(*machine.findByPci(pf0)).size(), machine.findByPci(pf0)->pci.numVfs);
        events.push_back(std::string(name(event.change)) + " " + event.subject);
    });
    machine.setNumVfs(pf0, 2);
    EXPECT_THAT(events, ElementsAre("function+ 0000:af:00.2", "netdev+ enp175s0f0v0", "rdma+ mlx5_2", "driver 0000:af:00.2",
                                    "function+ 0000:af:00.3", "netdev+ enp175s0f0v1", "rdma+ mlx5_3", "driver 0000:af:00.3"));
    events.clear();
    machine.setNumVfs(pf0, 0);
    EXPECT_THAT(events, ElementsAre("rdma- mlx5_2", "netdev- enp175s0f0v0", "driver 0000:af:00.2", "function- 0000:af:00.2",
                                    "rdma- mlx5_3", "netdev- enp175s0f0v1", "driver 0000:af:00.3", "function- 0000:af:00.3"));
    EXPECT_GT(machine.generation(), last); // the last function is gone now
}

TEST(Sriov, AnObserverMayUndoWhatHappens) {
    Machine machine(dualPort());
    int events = 0;
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        if (event.change == HardwareChange::netdevAdded && ++events == 3)
            machine.setNumVfs(pf0, 0);
    });
    machine.setNumVfs(pf0, 8);
    EXPECT_EQ(machine.findByPci(pf0)->pci.numVfs, 0U);
    EXPECT_EQ(machine.nics().size(), 2U);
    EXPECT_EQ(events, 3);
}

TEST(Sriov, AVanishedNodeKeepsItsNumber) {
    Machine machine(dualPort());
    machine.removeCharDevice("uverbs0");
    machine.setNumVfs(pf0, 1);
    const auto& devices = at(machine, "0000:af:00.2").rdma->charDevices;
    EXPECT_TRUE(std::any_of(devices.begin(), devices.end(), [](const CharDevice& one) { return one.name == "uverbs2"; }));
    machine.reloadDriver("mlx5_core"); // all anew
    EXPECT_TRUE(machine.removeCharDevice("uverbs0"));
}

TEST(Sriov, ManyVfsKeepTheirNumbersApart) {
    MachineSpec spec;
    spec.name = "big";
    for (const char* bus : {"10", "20", "30", "40", "50", "60", "70", "80"})
        spec.nics.push_back(nic("ConnectX-7", std::string("0000:") + bus + ":00.0"));
    Machine machine(spec);
    for (const NicSpec& one : spec.nics)
        machine.setNumVfs(*PciAddress::parse(one.pci), 127);
    ASSERT_EQ(machine.nics().size(), 1024U);
    std::set<std::pair<unsigned, unsigned>> numbers;
    std::set<std::string> names, rdma, macs;
    std::size_t devices = 0;
    for (const auto& one : machine.nics()) {
        names.insert(one->port.netdev);
        rdma.insert(one->rdma->name);
        macs.insert(one->port.mac);
        for (const CharDevice& device : one->rdma->charDevices) {
            numbers.insert({device.major, device.minor});
            ++devices;
        }
    }
    EXPECT_EQ(names.size(), 1024U);
    EXPECT_EQ(rdma.size(), 1024U);
    EXPECT_TRUE(rdma.count("mlx5_1023"));
    EXPECT_EQ(macs.size(), 1024U);
    EXPECT_EQ(numbers.size(), devices);
    EXPECT_EQ(devices, 3U * 1024);
}

} // namespace
} // namespace rdmalab::hardware
