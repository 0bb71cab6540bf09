#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace rdmalab::hardware {
namespace {

using ::testing::ElementsAre;

const PciAddress pf = *PciAddress::parse("0000:af:00.0"), other = *PciAddress::parse("0000:af:00.1"),
                 gpu = *PciAddress::parse("0000:3b:00.0"), nowhere = *PciAddress::parse("0000:ff:1f.7");

MachineSpec host() {
    MachineSpec spec;
    spec.name = "host";
    for (const PciAddress& address : {pf, other}) {
        NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = address.str();
        nic.totalVfs = 4;
        spec.nics.push_back(nic);
    }
    PlainSpec plain;
    plain.model = "H100";
    plain.pci = gpu.str();
    plain.driver = "nvidia";
    spec.gpus.push_back(plain);
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

class Drivers : public ::testing::Test {
protected:
    int bind(const std::string& driver, const PciAddress& address) {
        return errnoOf([&] { machine.bindDriver(driver, address); });
    }
    int unbind(const std::string& driver, const PciAddress& address) {
        return errnoOf([&] { machine.unbindDriver(driver, address); });
    }
    const std::string& driverOf(const PciAddress& address) { return machine.findFunction(address)->driver; }
    Machine machine{host()};
};

TEST_F(Drivers, AreThoseOfTheMachinesModels) {
    std::vector<std::string> names;
    for (const Machine::Driver& driver : machine.drivers())
        names.push_back(driver.name);
    EXPECT_THAT(names, ElementsAre("mlx5_core", "nvidia", "pcieport", "vfio-pci"));
    const Machine::Driver& mlx5 = *machine.findDriver("mlx5_core");
    for (const std::uint16_t device : {0x1017, 0x1018, 0x101e, 0x1021}) // all of its maker's cards
        EXPECT_THAT(mlx5.ids, ::testing::Contains(DriverId{0x15b3, device, {}, {}}));
    EXPECT_EQ(machine.findDriver("vfio-pci")->module, "vfio_pci");
    EXPECT_TRUE(machine.findDriver("vfio-pci")->ids.empty());
    EXPECT_EQ(machine.findDriver("pcieport")->module, "");
    EXPECT_EQ(machine.findDriver("ice"), nullptr);
}

TEST_F(Drivers, BindAndUnbindAnswerAsTheKernelDoes) {
    EXPECT_EQ(bind("mlx5_core", pf), EBUSY);
    EXPECT_EQ(bind("vfio-pci", pf), ENODEV); // does not match, bound or not
    EXPECT_EQ(bind("mlx5_core", nowhere), ENODEV);
    EXPECT_EQ(bind("nvme", pf), ENODEV);
    EXPECT_EQ(unbind("vfio-pci", pf), ENODEV);
    EXPECT_EQ(unbind("mlx5_core", nowhere), ENODEV);
    EXPECT_EQ(unbind("mlx5_core", pf), 0);
    EXPECT_EQ(unbind("mlx5_core", pf), ENODEV);
    EXPECT_EQ(unbind("", pf), ENODEV);
    EXPECT_EQ(bind("vfio-pci", pf), ENODEV);
    EXPECT_EQ(bind("nvidia", pf), ENODEV);
    EXPECT_EQ(bind("mlx5_core", pf), 0);
    EXPECT_EQ(unbind("nvidia", gpu), 0);
    EXPECT_EQ(driverOf(gpu), "");
    EXPECT_EQ(bind("nvidia", gpu), 0);
}

TEST_F(Drivers, APfComesBackAsItWasAtBoot) {
    const Nic& nic = *machine.findByPci(pf);
    const Port before = nic.port;
    const RdmaDevice rdma = *nic.rdma;
    machine.renameNetdev(nic, "roce0");
    machine.renameRdma(nic, "roce_0");
    machine.setMac(nic, "02:00:00:00:00:01");
    machine.unbindDriver("mlx5_core", pf);
    EXPECT_EQ(nic.port.netdev, "");
    EXPECT_FALSE(nic.rdma);
    machine.bindDriver("mlx5_core", pf);
    EXPECT_EQ(nic.port.netdev, before.netdev);
    EXPECT_EQ(nic.port.mac, before.mac);
    EXPECT_EQ(nic.port.portName, before.portName);
    EXPECT_GT(nic.port.ifindex, before.ifindex);
    EXPECT_NE(nic.port.instance, before.instance);
    EXPECT_EQ(nic.rdma->name, rdma.name);
    EXPECT_EQ(nic.rdma->nodeGuid, rdma.nodeGuid);
    EXPECT_EQ(nic.rdma->charDevices.size(), rdma.charDevices.size());
    EXPECT_GT(nic.rdma->index, rdma.index);
    EXPECT_TRUE(nic.rdma->gids.slots()[0]);
}

TEST_F(Drivers, ATakenNameIsNotGivenTwice) {
    machine.unbindDriver("mlx5_core", pf);
    machine.renameNetdev(*machine.findByPci(other), "enp175s0f0np0");
    machine.renameRdma(*machine.findByPci(other), "mlx5_0");
    machine.bindDriver("mlx5_core", pf);
    EXPECT_EQ(machine.findByPci(pf)->port.netdev, "eth0");
    EXPECT_EQ(machine.findByPci(pf)->rdma->name, "mlx5_1");
}

TEST_F(Drivers, VfioTakesWhatItIsGiven) {
    machine.setNumVfs(pf, 2);
    const PciAddress vf = machine.vfs(*machine.findByPci(pf))[0]->pci.address;
    machine.setDriverOverride(vf, "vfio-pci");
    EXPECT_EQ(driverOf(vf), "mlx5_core"); // a setting rebinds nothing
    EXPECT_EQ(bind("vfio-pci", vf), EBUSY);
    machine.unbindDriver("mlx5_core", vf);
    EXPECT_EQ(bind("mlx5_core", vf), ENODEV);
    machine.probeDriver(vf);
    EXPECT_EQ(driverOf(vf), "vfio-pci");
    EXPECT_EQ(machine.findByPci(vf)->port.netdev, "");
    EXPECT_FALSE(machine.findByPci(vf)->rdma);
    machine.unbindDriver("vfio-pci", vf);
    machine.setDriverOverride(vf, ""); // clears it
    EXPECT_FALSE(machine.findFunction(vf)->driverOverride);
    machine.probeDriver(vf);
    EXPECT_EQ(driverOf(vf), "mlx5_core");
    machine.probeDriver(vf); // bound already: nothing
    EXPECT_EQ(errnoOf([&] { machine.probeDriver(nowhere); }), ENODEV);
    machine.setDriverOverride(vf, "nosuchdriver");
    machine.unbindDriver("mlx5_core", vf);
    machine.probeDriver(vf); // nobody takes it, which is no error
    EXPECT_EQ(driverOf(vf), "");
    machine.setDriverOverride(vf, "nvidia"); // matches, but it is no GPU
    EXPECT_EQ(bind("nvidia", vf), ENODEV);
}

TEST(DriversWithoutIommu, VfioNeedsAGroup) {
    MachineSpec spec = host();
    spec.iommu = false;
    Machine machine(spec);
    machine.unbindDriver("mlx5_core", pf);
    machine.setDriverOverride(pf, "vfio-pci");
    EXPECT_EQ(errnoOf([&] { machine.bindDriver("vfio-pci", pf); }), EINVAL);
    machine.probeDriver(pf); // a probe that fails is no error here
    EXPECT_EQ(machine.findFunction(pf)->driver, "");
}

TEST_F(Drivers, UnderVfioAPfHasNoVfs) {
    machine.setFirmwareVfLimit(pf, 2);
    machine.unbindDriver("mlx5_core", pf);
    machine.setDriverOverride(pf, "vfio-pci");
    machine.bindDriver("vfio-pci", pf);
    EXPECT_EQ(machine.findFunction(pf)->vfLimit, 4U);
    EXPECT_EQ(errnoOf([&] { machine.setNumVfs(pf, 1); }), ENOENT);
}

TEST_F(Drivers, TakeTheirVfsAlong) {
    machine.setNumVfs(pf, 3);
    machine.setNumVfs(other, 1);
    machine.unbindDriver("mlx5_core", pf);
    EXPECT_EQ(machine.findFunction(pf)->numVfs, 0U);
    EXPECT_EQ(machine.nics().size(), 3U);
}

TEST_F(Drivers, DynamicIds) {
    const DriverId vf{0x15b3, 0x1018, {}, {}};
    EXPECT_EQ(errnoOf([&] { machine.addDriverId("mlx5_core", vf); }), EEXIST);
    EXPECT_EQ(errnoOf([&] { machine.removeDriverId("mlx5_core", vf); }), ENODEV); // not a dynamic one
    machine.setVfAutoprobe(pf, false);
    machine.setNumVfs(pf, 1);
    const PciAddress first = machine.vfs(*machine.findByPci(pf))[0]->pci.address;
    machine.addDriverId("vfio-pci", vf); // probes what has no driver, but VFs of this PF are not to be probed
    EXPECT_EQ(driverOf(first), "");
    machine.removeDriverId("vfio-pci", vf);
    machine.setVfAutoprobe(pf, true);
    machine.addDriverId("vfio-pci", vf);
    EXPECT_EQ(driverOf(first), "vfio-pci");
    EXPECT_EQ(errnoOf([&] { machine.addDriverId("vfio-pci", {0x15b3, 0x1018, 0x15b3, 0x8}); }), EEXIST); // covered
    machine.reloadDriver("vfio-pci");
    EXPECT_TRUE(machine.findDriver("vfio-pci")->dynamicIds.empty());
    EXPECT_EQ(driverOf(first), "");
    EXPECT_EQ(errnoOf([&] { machine.addDriverId("ice", vf); }), ENODEV);
}

TEST_F(Drivers, ReloadRebindsAllAndLosesVfs) {
    machine.setNumVfs(pf, 2);
    const std::uint64_t instance = machine.findByPci(pf)->pci.instance, port = machine.findByPci(pf)->port.instance;
    machine.reloadDriver("mlx5_core");
    EXPECT_EQ(machine.nics().size(), 2U);
    EXPECT_EQ(machine.findByPci(pf)->rdma->name, "mlx5_0");
    EXPECT_EQ(machine.findByPci(other)->rdma->name, "mlx5_1");
    EXPECT_EQ(machine.findByPci(pf)->pci.instance, instance); // the function never went
    EXPECT_NE(machine.findByPci(pf)->port.instance, port);
    EXPECT_EQ(driverOf(gpu), "nvidia");
    machine.setDriversAutoprobe(false);
    machine.reloadDriver("mlx5_core");
    EXPECT_EQ(driverOf(pf), "");
    EXPECT_EQ(errnoOf([&] { machine.reloadDriver("pcieport"); }), ENODEV);
}

TEST_F(Drivers, WithoutTheBussAutoprobeNewFunctionsStayAlone) {
    machine.setDriversAutoprobe(false);
    machine.setNumVfs(pf, 1);
    const PciAddress vf = machine.vfs(*machine.findByPci(pf))[0]->pci.address;
    EXPECT_EQ(driverOf(vf), "");
    EXPECT_EQ(bind("mlx5_core", vf), 0);
}

TEST_F(Drivers, PortsHaveTheirs) {
    const PciAddress port = machine.findByPci(pf)->pci.bridges.back();
    EXPECT_EQ(bind("pcieport", port), EBUSY);
    EXPECT_EQ(bind("mlx5_core", port), ENODEV);
    EXPECT_EQ(unbind("mlx5_core", port), ENODEV);
    EXPECT_EQ(unbind("pcieport", port), 0);
    EXPECT_EQ(unbind("pcieport", port), ENODEV);
    machine.probeDriver(port);
    EXPECT_EQ(bind("pcieport", port), EBUSY);
}

} // namespace
} // namespace rdmalab::hardware
