#include "sim/hardware/machine.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/rdma_view.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace rdmalab::hardware {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

NicSpec nic(const std::string& model, const std::string& pci) {
    NicSpec spec;
    spec.model = model;
    spec.pci = pci;
    return spec;
}

// The host of the walkthrough.
MachineSpec dualPort() {
    MachineSpec spec;
    spec.name = "10-20-1-10";
    spec.nics = {nic("ConnectX-5", "0000:af:00.0"), nic("ConnectX-5", "0000:af:00.1")};
    spec.nics[0].netdev = "ens6f0np0";
    spec.nics[1].netdev = "ens6f1np1";
    return spec;
}

HardwareError refused(const MachineSpec& spec) {
    try {
        Machine machine(spec);
    } catch (const HardwareError& error) {
        return error;
    }
    ADD_FAILURE() << "accepted";
    return HardwareError("", "");
}

std::vector<std::string> charDevices(const Machine& machine) {
    std::vector<std::string> names;
    for (const auto& one : machine.nics())
        if (one->rdma)
            for (const CharDevice& device : one->rdma->charDevices)
                names.push_back(device.name);
    return names;
}

TEST(Machine, GivesTheWalkthroughItsRdmaLinks) {
    const Machine machine(dualPort());
    const RdmaView view = linksOf(machine, machine.netns());
    ASSERT_EQ(view.links.size(), 2U);
    EXPECT_EQ(rdmaLinkLine(view.links[0]), "link mlx5_0/1 state ACTIVE physical_state LINK_UP netdev ens6f0np0 ");
    EXPECT_EQ(rdmaLinkLine(view.links[1]), "link mlx5_1/1 state ACTIVE physical_state LINK_UP netdev ens6f1np1 ");
}

TEST(Machine, NumbersCharDevicesAsTheKernelDoes) {
    const Machine machine(dualPort());
    EXPECT_THAT(charDevices(machine), ElementsAre("uverbs0", "umad0", "issm0", "uverbs1", "umad1", "issm1"));
    const auto& second = machine.nics()[1]->rdma->charDevices;
    EXPECT_EQ(second[0].major, 231U);
    EXPECT_EQ(second[0].minor, 193U);
    EXPECT_EQ(second[0].mode, 0666U);
    EXPECT_EQ(second[1].minor, 1U);
    EXPECT_EQ(second[1].mode, 0600U);
    EXPECT_EQ(second[2].minor, 65U);
    ASSERT_TRUE(machine.rdmaCm());
    EXPECT_EQ(machine.rdmaCm()->major, 10U);
    EXPECT_EQ(machine.rdmaCm()->minor, 260U);
}

TEST(Machine, UsesADynamicMajorForThe33rdUverbs) {
    MachineSpec spec;
    spec.name = "big";
    for (int bus = 0x10; bus < 0x10 + 33; ++bus)
        spec.nics.push_back(nic("ConnectX-7", "0000:" + std::string(1, "0123456789abcdef"[bus / 16]) +
                                                  std::string(1, "0123456789abcdef"[bus % 16]) + ":00.0"));
    const Machine machine(spec);
    EXPECT_EQ(machine.nics()[31]->rdma->charDevices[0].minor, 223U);
    EXPECT_NE(machine.nics()[32]->rdma->charDevices[0].major, 231U);
    EXPECT_EQ(machine.nics()[32]->rdma->charDevices[0].minor, 0U);
    EXPECT_EQ(machine.nics()[32]->rdma->charDevices[1].major, 231U); // umad has 64
}

TEST(Machine, TakesTheScenariosCharDevices) {
    MachineSpec spec = dualPort();
    spec.nics[0].charDevices = {"uverbs", "umad", "rdma_cm"};
    spec.nics[1].charDevices = std::vector<std::string>();
    const Machine machine(spec);
    EXPECT_THAT(charDevices(machine), ElementsAre("uverbs0", "umad0"));
    EXPECT_TRUE(machine.rdmaCm());
    EXPECT_EQ(linksOf(machine, machine.netns()).links.size(), 2U); // the device is there all the same
    spec.nics[0].charDevices = {"uverbs"};
    EXPECT_FALSE(Machine(spec).rdmaCm());
}

TEST(Machine, NamesAsUdevWould) {
    MachineSpec spec;
    spec.name = "m";
    spec.nics = {nic("ConnectX-5", "0000:af:00.1"), nic("ConnectX-5", "0000:af:00.0"), nic("virtio-net", "0000:00:03.0"),
                 nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3c:00.0")};
    spec.nics[3].linkLayer = LinkLayer::infiniband;
    spec.nics[4].slot = 6;
    const Machine machine(spec);
    std::vector<std::string> names, rdma;
    for (const auto& one : machine.nics()) {
        names.push_back(one->port.netdev);
        rdma.push_back(one->rdma ? one->rdma->name : "-");
    }
    EXPECT_THAT(names, ElementsAre("enp0s3", "ibp59s0", "ens6np0", "enp175s0f0np0", "enp175s0f1np1"));
    EXPECT_THAT(rdma, ElementsAre("-", "mlx5_0", "mlx5_1", "mlx5_2", "mlx5_3"));
    spec.rdmaNaming = RdmaNaming::udev;
    const Machine renamed(spec);
    EXPECT_EQ(renamed.nics()[1]->rdma->name, "ibp59s0");
    EXPECT_EQ(renamed.nics()[3]->rdma->name, "rocep175s0f0");
}

TEST(Machine, KernelNamesSkipThoseGiven) {
    MachineSpec spec = dualPort();
    spec.nics[1].rdma = "mlx5_0";
    const Machine machine(spec);
    EXPECT_EQ(machine.nics()[0]->rdma->name, "mlx5_1");
}

TEST(Machine, DerivesMacsAndGuidsFromNameAndAddress) {
    const Machine one(dualPort()), again(dualPort());
    EXPECT_EQ(one.nics()[0]->port.mac, again.nics()[0]->port.mac);
    EXPECT_NE(one.nics()[0]->port.mac, one.nics()[1]->port.mac);
    MachineSpec other = dualPort();
    other.name = "10-20-1-11";
    EXPECT_NE(Machine(other).nics()[0]->port.mac, one.nics()[0]->port.mac);
    EXPECT_THAT(one.nics()[0]->port.mac, ::testing::StartsWith("b8:ce:f6:"));
    EXPECT_EQ(one.nics()[0]->rdma->nodeGuid, guidFromMac(one.nics()[0]->port.mac));
    // Both functions of a card show the same system image.
    EXPECT_EQ(one.nics()[1]->rdma->systemImageGuid, one.nics()[0]->rdma->nodeGuid);
}

TEST(Naming, GuidPutsFffeIntoTheMiddle) {
    EXPECT_EQ(guidText(guidFromMac("b8:ce:f6:aa:bb:cc")), "b8ce:f6ff:feaa:bbcc");
}

TEST(Machine, ComputesWhereVfsWouldBe) {
    MachineSpec spec = dualPort();
    spec.nics[0].totalVfs = spec.nics[1].totalVfs = 8;
    const Machine machine(spec);
    const PciFunction& first = machine.nics()[0]->pci;
    const PciFunction& second = machine.nics()[1]->pci;
    const auto vf = [](const PciFunction& pf, unsigned i) {
        return PciAddress::fromRoutingId(pf.address.domain, pf.address.routingId() + pf.vfOffset + pf.vfStride * i).str();
    };
    EXPECT_EQ(vf(first, 0), "0000:af:00.2");
    EXPECT_EQ(vf(first, 7), "0000:af:01.1");
    EXPECT_EQ(vf(second, 0), "0000:af:01.2");
    EXPECT_EQ(vf(second, 7), "0000:af:02.1");
}

TEST(Machine, NeighbouringCardsShareARootBusWithoutConflict) {
    MachineSpec spec;
    spec.name = "m";
    spec.nics = {nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3c:00.0")};
    const Machine machine(spec);
    EXPECT_EQ(machine.nics()[0]->pci.bridges.at(0).str(), "0000:3a:00.0");
    EXPECT_EQ(machine.nics()[1]->pci.bridges.at(0).str(), "0000:3a:01.0");
}

struct Mistake {
    std::string name, field, message;
    std::function<void(MachineSpec&)> make;
};

class MachineMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(MachineMistake, IsRefused) {
    MachineSpec spec = dualPort();
    GetParam().make(spec);
    const HardwareError error = refused(spec);
    EXPECT_EQ(error.field(), GetParam().field);
    EXPECT_THAT(error.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, MachineMistake,
    ::testing::Values(
        Mistake{"UnknownModel", "nics[1].model", "did you mean 'ConnectX-5'?", [](auto& s) { s.nics[1].model = "ConnextX-5"; }},
        Mistake{"DuplicateAddress", "nics[1].pci", "0000:af:00.0 is taken by nics[0]",
                [](auto& s) { s.nics[1].pci = "af:00.0"; }},
        Mistake{"NoAddress", "nics[1].pci", "is no PCI address", [](auto& s) { s.nics[1].pci = "0000:af:20.0"; }},
        Mistake{"FunctionEight", "nics[0].pci", "the function at most 7", [](auto& s) { s.nics[0].pci = "0000:af:00.8"; }},
        Mistake{"HostBridge", "nics[0].pci", "host bridge", [](auto& s) { s.nics[0].pci = "0000:00:00.0"; }},
        Mistake{"DuplicateNetdev", "nics[1].netdev", "'ens6f0np0' is taken", [](auto& s) { s.nics[1].netdev = "ens6f0np0"; }},
        Mistake{"Loopback", "nics[1].netdev", "'lo' is taken", [](auto& s) { s.nics[1].netdev = "lo"; }},
        Mistake{"LongNetdev", "nics[0].netdev", "16 characters long, the kernel takes at most 15",
                [](auto& s) { s.nics[0].netdev = "abcdefghijklmnop"; }},
        Mistake{"SlashInNetdev", "nics[0].netdev", "contains '/'", [](auto& s) { s.nics[0].netdev = "a/b"; }},
        Mistake{"DuplicateRdma", "nics[1].rdma", "'mlx5_0' is taken",
                [](auto& s) { s.nics[0].rdma = s.nics[1].rdma = "mlx5_0"; }},
        Mistake{"NoRdmaModel", "nics[0].rdma", "virtio-net has no RDMA",
                [](auto& s) {
                    s.nics = {nic("virtio-net", "0000:00:03.0")};
                    s.nics[0].rdma = "mlx5_0";
                }},
        Mistake{"CharDeviceTypo", "nics[0].charDevices[1]", "did you mean 'umad'?",
                [](auto& s) {
                    s.nics[0].charDevices = {"uverbs", "umadd"};
                }},
        Mistake{"CharDeviceTwice", "nics[0].charDevices[1]", "twice",
                [](auto& s) {
                    s.nics[0].charDevices = {"umad", "umad"};
                }},
        Mistake{"Mtu", "nics[0].mtu", "20000 is not within 68 and 9978", [](auto& s) { s.nics[0].mtu = 20000; }},
        Mistake{"MulticastMac", "nics[0].mac", "no unicast MAC", [](auto& s) { s.nics[0].mac = "01:00:5e:00:00:01"; }},
        Mistake{"DuplicateMac", "nics[1].mac", "taken", [](auto& s) { s.nics[0].mac = s.nics[1].mac = "02:00:00:00:00:01"; }},
        Mistake{"NumaNode", "nics[0].numa", "no NUMA node 3", [](auto& s) { s.nics[0].numa = 3; }},
        Mistake{"NumaCpus", "numa[0].cpus", "no list of CPUs",
                [](auto& s) {
                    s.numa = {{0, "0-"}};
                }},
        Mistake{"MixedCard", "nics[0].model", "same model", [](auto& s) { s.nics[1].model = "ConnectX-6"; }},
        Mistake{"LinkLayer", "nics[0].linkLayer", "no such ports",
                [](auto& s) {
                    s.nics = {nic("E810", "0000:18:00.0")};
                    s.nics[0].linkLayer = LinkLayer::infiniband;
                }},
        Mistake{"NoName", "name", "needs a name", [](auto& s) { s.name.clear(); }}),
    [](const auto& mistake) { return mistake.param.name; });

TEST(Machine, LinkChangesReachTheViewAndTheObserver) {
    Machine machine(dualPort());
    const Nic& first = *machine.nics()[0];
    std::vector<std::string> events;
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        EXPECT_EQ(event.change, HardwareChange::link);
        events.push_back(event.subject);
    });
    const std::uint64_t before = machine.generation();
    machine.unplugCable(first);
    EXPECT_EQ(rdmaLinkLine(linksOf(machine, machine.netns()).links[0]),
              "link mlx5_0/1 state DOWN physical_state DISABLED netdev ens6f0np0 ");
    machine.unplugCable(first); // no change, no event
    machine.setLink(first, false);
    machine.plugCable(first); // still down: no carrier
    EXPECT_FALSE(first.port.carrier());
    machine.setLink(first, true);
    EXPECT_TRUE(first.port.carrier());
    EXPECT_EQ(events.size(), 4U);
    EXPECT_EQ(machine.generation(), before + 4);
    EXPECT_EQ(first.port.carrierDownCount, 2U);
}

TEST(Machine, AnObserverMayUnsubscribeItself) {
    Machine machine(dualPort());
    int calls = 0;
    Machine::Subscription subscription;
    subscription = machine.observe([&](const HardwareEvent&) {
        ++calls;
        subscription = Machine::Subscription();
    });
    machine.setLink(*machine.nics()[0], false);
    machine.setLink(*machine.nics()[0], true);
    EXPECT_EQ(calls, 1);
}

TEST(Machine, RemovesCharDevicesByName) {
    Machine machine(dualPort());
    EXPECT_TRUE(machine.removeCharDevice("issm1"));
    EXPECT_TRUE(machine.removeCharDevice("rdma_cm"));
    EXPECT_FALSE(machine.removeCharDevice("uverbs7"));
    EXPECT_THAT(charDevices(machine), ElementsAre("uverbs0", "umad0", "issm0", "uverbs1", "umad1"));
    EXPECT_FALSE(machine.rdmaCm());
}

TEST(Machine, SharedModeShowsAllDevicesEverywhere) {
    Machine machine(dualPort());
    constexpr NetnsId pod = 77;
    EXPECT_EQ(machine.rdmaDevicesVisibleFrom(pod).size(), 2U);
    EXPECT_FALSE(linksOf(machine, pod).links[0].netdev); // its netdev is in another namespace
    try {
        machine.moveRdma(*machine.nics()[0], pod);
        FAIL();
    } catch (const SystemError& error) {
        EXPECT_EQ(error.code(), EOPNOTSUPP);
    }
}

TEST(Machine, ExclusiveModeShowsOnesOwnDevices) {
    MachineSpec spec = dualPort();
    spec.rdmaNetns = RdmaNetnsMode::exclusive;
    Machine machine(spec);
    constexpr NetnsId pod = 77;
    EXPECT_TRUE(machine.rdmaDevicesVisibleFrom(pod).empty());
    machine.moveRdma(*machine.nics()[1], pod);
    machine.moveNetdev(*machine.nics()[1], pod);
    ASSERT_EQ(linksOf(machine, pod).links.size(), 1U);
    EXPECT_EQ(rdmaLinkLine(linksOf(machine, pod).links[0]), "link mlx5_1/1 state DOWN physical_state DISABLED netdev ens6f1np1 ");
    EXPECT_EQ(linksOf(machine, machine.netns()).links.size(), 1U);
}

TEST(Machine, RenamingOntoATakenNameIsEexist) {
    Machine machine(dualPort());
    try {
        machine.renameNetdev(*machine.nics()[0], "ens6f1np1");
        FAIL();
    } catch (const SystemError& error) {
        EXPECT_EQ(error.code(), EEXIST);
    }
    EXPECT_THROW(machine.renameRdma(*machine.nics()[0], "mlx5_1"), SystemError);
}

TEST(Machine, RefusesANicOfAnotherMachine) {
    Machine machine(dualPort());
    const Machine other(dualPort());
    EXPECT_THROW(machine.setLink(*other.nics()[0], false), HardwareError);
}

TEST(Machine, AddressesBecomeGids) {
    Machine machine(dualPort());
    const Nic& first = *machine.nics()[0];
    machine.setMac(first, "02:00:00:00:00:01");
    machine.setAddresses(first, {*Cidr::parse("10.1.0.1/24")});
    machine.setUpperInterfaces(first, {{"macvlan0", "02:00:00:00:00:02", {*Cidr::parse("10.1.0.9/24")}, 77}});
    const auto& slots = first.rdma->gids.slots();
    ASSERT_EQ(slots.size(), 256U);
    EXPECT_EQ(gidText(slots[0]->bytes), "fe80:0000:0000:0000:0000:00ff:fe00:0001");
    EXPECT_EQ(slots[0]->type, GidType::roceV1);
    EXPECT_EQ(slots[1]->type, GidType::roceV2);
    EXPECT_EQ(gidText(slots[3]->bytes), "0000:0000:0000:0000:0000:ffff:0a01:0001");
    EXPECT_EQ(slots[7]->netdev, "macvlan0");
    EXPECT_EQ(gidText(slots[7]->bytes), "0000:0000:0000:0000:0000:ffff:0a01:0009");
    EXPECT_FALSE(slots[8]);
    // What stays keeps its place, and the hole is used next.
    machine.setAddresses(first, {});
    EXPECT_FALSE(slots[2]);
    EXPECT_EQ(slots[7]->netdev, "macvlan0");
    machine.setAddresses(first, {*Cidr::parse("fd00::1/64")});
    EXPECT_EQ(gidText(slots[2]->bytes), "fd00:0000:0000:0000:0000:0000:0000:0001");
}

TEST(Machine, UnbindingLeavesTheFunctionAlone) {
    Machine machine(dualPort());
    machine.unbindDriver(*machine.nics()[0]);
    EXPECT_FALSE(machine.nics()[0]->rdma);
    EXPECT_EQ(machine.findByNetdev("ens6f0np0", machine.netns()), nullptr);
    EXPECT_EQ(linksOf(machine, machine.netns()).links.size(), 1U);
}

TEST(Machine, InfinibandPortsAreActiveWithoutTheirInterface) {
    MachineSpec spec;
    spec.name = "ib";
    spec.nics = {nic("ConnectX-7", "0000:3b:00.0")};
    spec.nics[0].linkLayer = LinkLayer::infiniband;
    Machine machine(spec);
    const Nic& only = *machine.nics()[0];
    EXPECT_EQ(only.pci.classCode, 0x020700U);
    EXPECT_EQ(only.port.mac.size(), 59U);
    machine.setLink(only, false);
    EXPECT_EQ(portState(only.port), PortState::active);
    machine.unplugCable(only);
    EXPECT_EQ(physicalState(only.port), PhysicalState::polling);
}

} // namespace
} // namespace rdmalab::hardware
