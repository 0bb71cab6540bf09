#include "plugins/kernel/rdma_kernel_conformance.h"
#include "plugins/kernel/vf_kernel_conformance.h"
#include "sim/kernel/model_rdma_kernel.h"
#include "sim/kernel/model_vf_kernel.h"

#include <gmock/gmock.h>

namespace rdmalab::kernel {
namespace {

using plugin::refusal;
using ::testing::ElementsAre;

hardware::NetnsId idOf(NetnsId netns) {
    return static_cast<hardware::NetnsId>(netns) + 1;
}

// A node with a two-VF ConnectX-5 whose ports are links of the world, and a pod.
class Node {
public:
    explicit Node(hardware::RdmaNetnsMode mode = hardware::RdmaNetnsMode::exclusive, bool infiniband = false)
        : world(fabric), node(world.addNode("node")), machine(specOf(node, mode, infiniband)) {
        for (const auto& nic : machine.nics()) {
            NicSpec spec;
            spec.name = nic->port.netdev;
            spec.mac = nic->port.mac;
            if (infiniband)
                spec.encap = "infiniband";
            world.addNic(node, spec);
        }
        host = world.kernel(node);
        pf = host->linkByName("ens6f0np0")->index;
        vfs = std::make_unique<ModelVfKernel>(machine, *host, &idOf);
        rdma = std::make_unique<ModelRdmaKernel>(machine, *host, &idOf);
    }
    void addPod() {
        const NetnsId netns = world.addNetns(node, "pod");
        world.bindNetns(node, "/run/netns/pod", netns);
        pod = world.kernel(netns);
    }
    static std::vector<std::string> names(plugin::RdmaKernel& kernel) {
        std::vector<std::string> out;
        for (const auto& device : kernel.devices())
            out.push_back(device.name);
        return out;
    }

    fabric::Fabric fabric;
    ModelWorld world;
    NetnsId node;
    hardware::Machine machine;
    std::unique_ptr<plugin::Kernel> host, pod;
    std::unique_ptr<ModelVfKernel> vfs;
    std::unique_ptr<ModelRdmaKernel> rdma;
    int pf = 0;

private:
    static hardware::MachineSpec specOf(NetnsId netns, hardware::RdmaNetnsMode mode, bool infiniband) {
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = "0000:af:00.0";
        nic.netdev = "ens6f0np0";
        nic.rdma = "mlx5_0";
        nic.totalVfs = 4;
        nic.numVfs = 2;
        if (infiniband)
            nic.linkLayer = hardware::LinkLayer::infiniband;
        hardware::MachineSpec spec;
        spec.name = "node";
        spec.netns = idOf(netns);
        spec.rdmaNetns = mode;
        spec.nics = {nic};
        return spec;
    }
};

TEST(ModelVfKernel, ShowsAndSetsTheVfsThatThereAre) {
    Node node;
    ASSERT_EQ(node.vfs->vfs(node.pf).size(), 2u);
    EXPECT_EQ(node.vfs->vfs(node.pf)[1].vlanProtocol, 0x8100);
    node.vfs->setVfMac(node.pf, 1, "02:aa:00:00:00:05");
    node.vfs->setVfVlan(node.pf, 1, 100, 3, 0x8100);
    node.vfs->setVfRate(node.pf, 1, 10, 1000);
    node.vfs->setVfSpoofCheck(node.pf, 1, true);
    node.vfs->setVfTrust(node.pf, 1, true);
    node.vfs->setVfLinkState(node.pf, 1, plugin::VfLinkState::disable);
    const auto info = node.vfs->vfs(node.pf)[1];
    EXPECT_EQ(info.vf, 1);
    EXPECT_EQ(info.mac, "02:aa:00:00:00:05");
    EXPECT_EQ(info.vlan, 100);
    EXPECT_EQ(info.qos, 3);
    EXPECT_EQ(info.minTxRate, 10u);
    EXPECT_EQ(info.maxTxRate, 1000u);
    EXPECT_TRUE(info.spoofCheck);
    EXPECT_TRUE(info.trust);
    EXPECT_EQ(info.linkState, plugin::VfLinkState::disable);
    EXPECT_EQ(node.vfs->vfs(node.pf)[0].vlan, 0);
    // The machine is where it is kept: every other face shows it.
    const auto& settings = node.machine.vfSettings(*node.machine.findByNetdev("ens6f0np0", idOf(node.node)), 1);
    EXPECT_EQ(settings.vlan, 100u);
    EXPECT_EQ(settings.linkState, hardware::VfLinkState::disabled);
}

TEST(ModelVfKernel, RefusesWhatTheKernelRefuses) {
    Node node;
    auto& vfs = *node.vfs;
    EXPECT_EQ(refusal([&] { vfs.setVfTrust(node.pf, 4, true); }), EINVAL);
    EXPECT_EQ(refusal([&] { vfs.setVfTrust(node.pf, -1, true); }), EINVAL);
    EXPECT_EQ(refusal([&] { vfs.setVfVlan(node.pf, 0, 4096, 0, 0x8100); }), EINVAL);
    EXPECT_EQ(refusal([&] { vfs.setVfMac(node.pf, 0, "01:00:5e:00:00:01"); }), EINVAL);
    EXPECT_EQ(refusal([&] { vfs.setVfRate(node.pf, 0, 100, 10); }), EINVAL);
    EXPECT_EQ(refusal([&] { vfs.setVfRate(node.pf, 0, 100, 0); }), 0);
    EXPECT_EQ(refusal([&] { vfs.setVfNodeGuid(node.pf, 0, 1); }), EOPNOTSUPP);
    const std::string vf = node.machine.vfs(*node.machine.findByNetdev("ens6f0np0", idOf(node.node)))[0]->port.netdev;
    EXPECT_EQ(refusal([&] { vfs.setVfTrust(node.host->linkByName(vf)->index, 0, true); }), EOPNOTSUPP);
}

TEST(ModelVfKernel, GuidsAreInfiniBands) {
    Node node(hardware::RdmaNetnsMode::exclusive, true);
    EXPECT_EQ(node.vfs->vfs(node.pf)[0].nodeGuid, 0u);
    node.vfs->setVfNodeGuid(node.pf, 0, 0x1122334455667788);
    node.vfs->setVfPortGuid(node.pf, 0, 0x1122334455667789);
    EXPECT_EQ(node.vfs->vfs(node.pf)[0].nodeGuid, 0x1122334455667788u);
    EXPECT_EQ(node.vfs->vfs(node.pf)[0].portGuid, 0x1122334455667789u);
}

TEST(ModelRdmaKernel, DeviceGoesToThePodAndComesBack) {
    Node node;
    node.addPod();
    ModelRdmaKernel inPod(node.machine, *node.pod, &idOf);
    const auto all = Node::names(*node.rdma);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_TRUE(Node::names(inPod).empty());
    const auto moved = node.rdma->deviceByName(all[2]);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->protocol, "roce");
    EXPECT_EQ(moved->ports, 1u);
    node.rdma->moveDevice(moved->index, *node.pod);
    EXPECT_THAT(Node::names(*node.rdma), ElementsAre(all[0], all[1]));
    EXPECT_THAT(Node::names(inPod), ElementsAre(all[2]));
    EXPECT_EQ(refusal([&] { node.rdma->moveDevice(moved->index, *node.pod); }), EINVAL); // it cannot be seen from here
    EXPECT_FALSE(inPod.ports(moved->index)[0].netdevIndex);                              // its netdev is not here
    inPod.moveDevice(moved->index, *node.host);
    EXPECT_EQ(Node::names(*node.rdma), all);
    const auto port = node.rdma->ports(node.rdma->deviceByName("mlx5_0")->index)[0];
    EXPECT_EQ(port.netdev, "ens6f0np0");
    EXPECT_EQ(port.netdevIndex, node.pf);
}

TEST(ModelRdmaKernel, SharedModeMovesNothingAndShowsEverything) {
    Node node(hardware::RdmaNetnsMode::shared);
    node.addPod();
    ModelRdmaKernel inPod(node.machine, *node.pod, &idOf);
    EXPECT_EQ(Node::names(inPod), Node::names(*node.rdma));
    const auto index = node.rdma->deviceByName("mlx5_0")->index;
    EXPECT_EQ(refusal([&] { node.rdma->moveDevice(index, *node.pod); }), EOPNOTSUPP);
}

TEST(ModelRdmaKernel, ModeChangesWithoutOtherNamespaces) {
    Node node(hardware::RdmaNetnsMode::shared);
    node.rdma->setNetnsMode(plugin::RdmaNetnsMode::exclusive);
    EXPECT_EQ(node.machine.rdmaNetnsMode(), hardware::RdmaNetnsMode::exclusive);
    const auto passage = node.host->temporaryNetns();
    EXPECT_EQ(refusal([&] { node.rdma->setNetnsMode(plugin::RdmaNetnsMode::shared); }), EBUSY);
}

TEST(ModelRdmaKernel, RenamesAndCharacterDevices) {
    Node node;
    const auto index = node.rdma->deviceByName("mlx5_0")->index;
    node.rdma->renameDevice(index, "rocep175s0f0");
    EXPECT_TRUE(node.rdma->deviceByName("rocep175s0f0"));
    EXPECT_EQ(refusal([&] { node.rdma->renameDevice(index, Node::names(*node.rdma)[1]); }), EEXIST);
    const auto uverbs = node.rdma->charDevice("uverbs", index);
    ASSERT_TRUE(uverbs);
    EXPECT_EQ(uverbs->name, "uverbs0");
    EXPECT_EQ(uverbs->major, 231u);
    EXPECT_EQ(uverbs->minor, 192u);
    EXPECT_EQ(uverbs->abi, 1u);
    const auto manager = node.rdma->charDevice("rdma_cm", std::nullopt);
    ASSERT_TRUE(manager);
    EXPECT_EQ(manager->name, "rdma_cm");
}

TEST(ModelKernelTemporaryNetns, EndsWithTheObjectAndSendsItsNicsHome) {
    Node node;
    {
        const auto passage = node.host->temporaryNetns();
        EXPECT_EQ(node.world.namespaces(node.node).size(), 2u);
        node.host->moveLink(node.pf, *passage);
        EXPECT_FALSE(node.host->linkByName("ens6f0np0"));
    }
    EXPECT_EQ(node.world.namespaces(node.node).size(), 1u);
    EXPECT_TRUE(node.host->linkByName("ens6f0np0"));
}

class VfWorld {
public:
    static std::string unavailable() { return ""; }
    plugin::Kernel& host() { return *node_.host; }
    plugin::VfKernel& vfs() { return *node_.vfs; }

private:
    Node node_;
};

class RdmaWorld {
public:
    static std::string unavailable() { return ""; }
    RdmaWorld() { node_.addPod(); }
    plugin::RdmaKernel& host() { return *node_.rdma; }
    plugin::Kernel& pod() { return *node_.pod; }

private:
    Node node_;
};

} // namespace
} // namespace rdmalab::kernel

namespace rdmalab::plugin {
using SimulatedVfs = rdmalab::kernel::VfWorld;
using SimulatedRdma = rdmalab::kernel::RdmaWorld;
INSTANTIATE_TYPED_TEST_SUITE_P(Model, VfKernelConformance, SimulatedVfs);
INSTANTIATE_TYPED_TEST_SUITE_P(Model, RdmaKernelConformance, SimulatedRdma);
} // namespace rdmalab::plugin
