#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace rdmalab::hardware {
namespace {

using ::testing::ElementsAre;

const PciAddress pf = *PciAddress::parse("0000:af:00.0"), second = *PciAddress::parse("0000:af:00.1"),
                 elsewhere = *PciAddress::parse("0000:3b:00.0");

MachineSpec host() {
    MachineSpec spec;
    spec.name = "host";
    for (const PciAddress& address : {pf, second, elsewhere}) {
        NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = address.str();
        nic.totalVfs = 8;
        spec.nics.push_back(nic);
    }
    PlainSpec gpu;
    gpu.model = "H100";
    gpu.pci = "0000:5e:00.0";
    spec.gpus.push_back(gpu);
    return spec;
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

std::vector<std::string> present(const Machine& machine) {
    std::vector<std::string> list;
    for (const auto& nic : machine.nics())
        list.push_back(nic->pci.address.str());
    return list;
}

TEST(Hotplug, ARemovedFunctionComesBackWithARescan) {
    Machine machine(host());
    machine.setNumVfs(pf, 2);
    machine.setVfAutoprobe(pf, false);
    machine.setDriverOverride(pf, "mlx5_core");
    const std::uint64_t before = machine.findByPci(pf)->pci.instance;
    const auto group = machine.findByPci(pf)->pci.iommuGroup;
    machine.removeFunction(pf);
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0", "0000:af:00.1"));
    EXPECT_EQ(machine.findByNetdev("enp175s0f0np0", machine.netns()), nullptr);
    EXPECT_EQ(errnoOf([&] { machine.removeFunction(pf); }), ENODEV);
    machine.rescanBus();
    const Nic& back = *machine.findByPci(pf);
    EXPECT_EQ(back.port.netdev, "enp175s0f0np0");
    EXPECT_EQ(back.rdma->name, "mlx5_1");
    EXPECT_EQ(back.pci.driver, "mlx5_core");
    EXPECT_NE(back.pci.instance, before);
    EXPECT_EQ(back.pci.iommuGroup, group);
    EXPECT_EQ(back.pci.numVfs, 0U);
    EXPECT_TRUE(back.pci.vfAutoprobe);
    EXPECT_FALSE(back.pci.driverOverride);
    const std::uint64_t generation = machine.generation();
    machine.rescanBus(); // nothing new
    EXPECT_EQ(machine.generation(), generation);
}

TEST(Hotplug, VfsCannotBeRemoved) {
    Machine machine(host());
    machine.setNumVfs(pf, 1);
    EXPECT_EQ(errnoOf([&] { machine.removeFunction(machine.vfs(*machine.findByPci(pf))[0]->pci.address); }), ENOENT);
}

TEST(Hotplug, APulledCardStaysAwayUntilItIsBack) {
    Machine machine(host());
    machine.setNumVfs(pf, 2);
    machine.setNumVfs(second, 1);
    const std::string mac = machine.findByPci(pf)->port.mac;
    machine.renameNetdev(*machine.findByPci(pf), "renamed");
    machine.setMtu(*machine.findByPci(pf), 9000);
    machine.setVfSettings(pf, 0, VfSettings{.vlan = 7});
    machine.unplugCable(*machine.findByPci(second));
    machine.removeFunction(second);
    machine.unplugCard(pf);
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0"));
    machine.rescanBus();
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0"));
    machine.replugCard(pf);
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0", "0000:af:00.0", "0000:af:00.1"));
    const Nic& back = *machine.findByPci(pf);
    EXPECT_EQ(back.port.netdev, "enp175s0f0np0");
    EXPECT_EQ(back.port.mac, mac);
    EXPECT_EQ(back.port.mtu, 1500);
    EXPECT_TRUE(back.port.carrier());
    EXPECT_EQ(machine.vfSettings(back, 0), VfSettings());
    EXPECT_FALSE(machine.findByPci(second)->port.cabled); // nobody touched the cable
    const std::uint64_t generation = machine.generation();
    machine.replugCard(pf);
    EXPECT_EQ(machine.generation(), generation);
    EXPECT_EQ(errnoOf([&] { machine.replugCard(*PciAddress::parse("0000:77:00.0")); }), ENODEV);
    EXPECT_EQ(errnoOf([&] { machine.unplugCard(*PciAddress::parse("0000:77:00.0")); }), ENODEV);
}

TEST(Hotplug, PullingAVfsAddressPullsItsCard) {
    Machine machine(host());
    machine.setNumVfs(second, 8);
    machine.unplugCard(machine.vfs(*machine.findByPci(second))[7]->pci.address);
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0"));
}

TEST(Hotplug, TheWholeCardIsThereBeforeItsDrivers) {
    Machine machine(host());
    machine.unplugCard(pf);
    std::vector<std::size_t> seen;
    const auto subscription = machine.observe([&](const HardwareEvent& event) {
        if (event.change == HardwareChange::netdevAdded)
            seen.push_back(machine.nics().size());
    });
    machine.replugCard(pf);
    EXPECT_THAT(seen, ElementsAre(3, 3));
}

TEST(Hotplug, AnAddressStaysReserved) {
    Machine machine(host());
    machine.removeFunction(second); // 00.1: VFs of the other port start at 00.2, so nothing is lost
    machine.setNumVfs(pf, 8);
    machine.rescanBus();
    EXPECT_TRUE(machine.findByPci(second));
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(second, 8); }), 0);
}

TEST(Hotplug, PlainFunctionsAndPortsToo) {
    Machine machine(host());
    const PciAddress gpu = machine.plainFunctions()[0]->pci.address;
    std::vector<HardwareChange> changes;
    {
        const auto subscription = machine.observe([&](const HardwareEvent& event) {
            EXPECT_EQ(event.nic, nullptr);
            EXPECT_EQ(event.subject, gpu.str());
            changes.push_back(event.change);
        });
        machine.removeFunction(gpu);
        EXPECT_TRUE(machine.plainFunctions().empty());
        EXPECT_EQ(machine.findFunction(gpu), nullptr);
        machine.rescanBus();
        ASSERT_EQ(machine.plainFunctions().size(), 1U);
    }
    EXPECT_EQ(changes.front(),
              machine.findFunction(gpu)->driver.empty() ? HardwareChange::functionRemoved : HardwareChange::driver);
    const PciAddress port = machine.findByPci(pf)->pci.bridges.front();
    machine.setNumVfs(pf, 2);
    const std::size_t bridges = machine.bridges().size();
    machine.removeFunction(port);
    EXPECT_THAT(present(machine), ElementsAre("0000:3b:00.0"));
    EXPECT_EQ(machine.bridges().size(), bridges);
    machine.rescanBus();
    EXPECT_EQ(machine.nics().size(), 3U);
}

TEST(Hotplug, ADyingNamespaceGivesBackWhatItHad) {
    MachineSpec spec = host();
    spec.rdmaNetns = RdmaNetnsMode::exclusive;
    Machine machine(spec);
    machine.setNumVfs(pf, 2);
    constexpr NetnsId pod = 77;
    const auto vfs = machine.vfs(*machine.findByPci(pf));
    for (const Nic* vf : vfs) {
        machine.moveNetdev(*vf, pod);
        machine.moveRdma(*vf, pod);
    }
    const std::string first = vfs[0]->port.netdev, rdma = vfs[1]->rdma->name;
    machine.renameNetdev(*vfs[1], "net1");
    machine.renameNetdev(*machine.findByPci(second), "net1"); // the same name on the node
    machine.namespaceGone(pod);
    EXPECT_EQ(vfs[0]->port.netns, machine.netns());
    EXPECT_EQ(vfs[0]->port.netdev, first);
    EXPECT_EQ(vfs[1]->port.netdev, "dev" + std::to_string(vfs[1]->port.ifindex));
    EXPECT_EQ(vfs[1]->rdma->name, rdma);
    EXPECT_EQ(vfs[1]->rdma->netns, machine.netns());
    EXPECT_EQ(machine.rdmaDevicesVisibleFrom(machine.netns()).size(), 5U);
}

TEST(Hotplug, NamesArePerNamespaceInExclusiveMode) {
    MachineSpec spec = host();
    spec.rdmaNetns = RdmaNetnsMode::exclusive;
    Machine machine(spec);
    constexpr NetnsId pod = 77;
    const Nic &a = *machine.findByPci(pf), &b = *machine.findByPci(second);
    EXPECT_EQ(errnoOf([&] { machine.renameRdma(a, b.rdma->name); }), EEXIST);
    machine.moveRdma(a, pod);
    machine.renameRdma(a, b.rdma->name);
    EXPECT_EQ(machine.findByRdma(b.rdma->name), &b);
    EXPECT_EQ(errnoOf([&] { machine.moveRdma(a, machine.netns()); }), EEXIST);
    EXPECT_EQ(errnoOf([&] { machine.renameRdma(a, ""); }), EINVAL);
    EXPECT_EQ(errnoOf([&] { machine.renameRdma(a, std::string(65, 'x')); }), EINVAL);
    machine.renameRdma(a, std::string(64, 'x'));
    EXPECT_EQ(a.rdma->name, std::string(63, 'x'));
}

} // namespace
} // namespace rdmalab::hardware
