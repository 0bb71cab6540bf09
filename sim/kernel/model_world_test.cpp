#include "sim/kernel/model_world.h"

#include "plugins/kernel/kernel.h"

#include <gtest/gtest.h>

namespace rdmalab::kernel {
namespace {

using plugin::Kernel;

class ModelWorldTest : public testing::Test {
protected:
    ModelWorldTest() : world(fabric) {
        fabric.addSwitch("tor0");
        node = world.addNode("node-1");
        pod = world.addNetns(node, "pod-1");
        port = fabric.addPort("tor0");
        nic = world.addNic(
            node, {.name = "ens6f0np0", .mac = "", .port = port, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
        host = world.kernel(node);
        inside = world.kernel(pod);
    }
    int index(Kernel& kernel, const std::string& name) { return kernel.linkByName(name).value().index; }
    void addMacvlan(const std::string& name) {
        plugin::MacvlanSpec spec;
        spec.name = name;
        spec.masterIndex = index(*host, "ens6f0np0");
        host->addMacvlan(spec, *inside);
    }

    fabric::Fabric fabric;
    ModelWorld world;
    NetnsId node{}, pod{};
    fabric::PortId port;
    NetdevId nic{};
    std::unique_ptr<Kernel> host, inside;
};

TEST_F(ModelWorldTest, ANodeStartsWithLoopbackUpAndAPodWithLoopbackDown) {
    EXPECT_TRUE(host->linkByName("lo")->up);
    EXPECT_FALSE(inside->linkByName("lo")->up);
    EXPECT_EQ(world.nodeOf(pod), node);
    EXPECT_EQ(world.namespaces(node), (std::vector<NetnsId>{node, pod}));
}

TEST_F(ModelWorldTest, CarrierOfANicComesFromTheFabric) {
    EXPECT_TRUE(host->linkByName("ens6f0np0")->lowerUp);
    fabric.setCable(port, false);
    EXPECT_FALSE(host->linkByName("ens6f0np0")->lowerUp);
    EXPECT_TRUE(host->linkByName("ens6f0np0")->up);
    fabric.setCable(port, true);
    EXPECT_TRUE(host->linkByName("ens6f0np0")->lowerUp);
    EXPECT_EQ(host->linkByName("ens6f0np0")->kind, "");
}

TEST_F(ModelWorldTest, ANicThatGetsItsCableLaterGetsItsLinkLocalAddressThen) {
    const auto late = fabric.addPort("");
    world.addNic(
        node,
        {.name = "late0", .mac = "0c:42:a1:00:00:01", .port = late, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
    const int link = index(*host, "late0");
    EXPECT_TRUE(host->addresses(link).empty());
    fabric.moveCable(late, "tor0");
    ASSERT_EQ(host->addresses(link).size(), 1u);
    EXPECT_EQ(host->addresses(link)[0].cidr.str(), "fe80::e42:a1ff:fe00:1/64");
}

TEST_F(ModelWorldTest, WhenANamespaceDiesItsNicsComeHomeAndItsOtherLinksDie) {
    addMacvlan("net1");
    const auto spare =
        world.addNic(node, {.name = "ens1f1", .mac = "", .port = {}, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
    plugin::VethSpec veth;
    veth.name = "veth1234";
    veth.peerName = "veth0";
    host->addVeth(veth, *inside);
    host->moveLink(index(*host, "ens1f1"), *inside);
    inside->renameLink(index(*inside, "ens1f1"), "net2");
    inside->addAddress(index(*inside, "net2"), *Cidr::parse("10.0.0.1/24"));
    world.removeNetns(pod);
    const auto home = world.netdev(spare);
    ASSERT_TRUE(home);
    EXPECT_EQ(home->netns, node);
    EXPECT_EQ(home->name, "net2"); // the kernel does not remember what it was called
    EXPECT_FALSE(home->up);
    EXPECT_TRUE(host->addresses(home->index).empty());
    EXPECT_FALSE(host->linkByName("veth1234"));
    EXPECT_THROW(inside->links(), plugin::KernelError);
    EXPECT_EQ(host->links().size(), 3u); // lo and two NICs
}

TEST_F(ModelWorldTest, AComingHomeNicWhoseNameIsTakenIsRenamed) {
    host->moveLink(index(*host, "ens6f0np0"), *inside);
    world.addNic(node, {.name = "ens6f0np0", .mac = "", .port = {}, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = false});
    world.removeNetns(pod);
    EXPECT_EQ(world.netdev(nic)->name, "dev0");
}

TEST_F(ModelWorldTest, PathsBelongToANode) {
    const NetnsId other = world.addNode("node-2");
    world.bindNetns(node, "/var/run/netns/cni-1", pod);
    EXPECT_TRUE(host->openNetns("/var/run/netns/cni-1")->sameNetns(*inside));
    EXPECT_TRUE(inside->openNetns("/run/netns/cni-1")->sameNetns(*inside)); // seen from a pod's namespace too
    EXPECT_THROW(world.kernel(other)->openNetns("/var/run/netns/cni-1"), plugin::KernelError);
    EXPECT_THROW(world.bindNetns(other, "/var/run/netns/cni-1", pod), std::invalid_argument);
    EXPECT_EQ(world.boundNetns(node, "/run/netns/cni-1"), pod);
    world.removeNetns(pod);
    EXPECT_FALSE(world.boundNetns(node, "/run/netns/cni-1"));
    EXPECT_THROW(host->openNetns("/var/run/netns/cni-1"), plugin::KernelError);
}

TEST_F(ModelWorldTest, LinksDoNotCrossNodes) {
    const auto other = world.kernel(world.addNode("node-2"));
    try {
        host->moveLink(index(*host, "ens6f0np0"), *other);
        FAIL();
    } catch (const plugin::KernelError& error) {
        EXPECT_EQ(error.code(), EINVAL);
    }
}

TEST_F(ModelWorldTest, ObserversFollowALinkThroughItsLife) {
    std::vector<std::string> seen;
    world.onNetdevChange([&](NetdevId, NetdevChange change, const NetdevInfo& info) {
        const char* const names[] = {"added", "removed", "renamed", "moved", "state"};
        seen.push_back(std::string(names[static_cast<int>(change)]) + " " + info.name);
    });
    addMacvlan("temp");
    inside->renameLink(index(*inside, "temp"), "net1");
    inside->setLinkUp(index(*inside, "net1"), true);
    world.removeNic(nic);
    EXPECT_EQ(seen, (std::vector<std::string>{"added temp", "renamed net1", "state net1", "removed net1", "removed ens6f0np0"}));
    EXPECT_FALSE(world.netdev(nic));
}

TEST_F(ModelWorldTest, TheSameSeedGivesTheSameMacs) {
    const auto macs = [](std::uint64_t seed) {
        fabric::Fabric cables;
        ModelWorld again(cables, seed);
        const NetnsId home = again.addNode("n");
        std::string all;
        for (const char* const name : {"a", "b"})
            all +=
                again
                    .netdev(again.addNic(
                        home, {.name = name, .mac = "", .port = {}, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = false}))
                    ->mac +
                " ";
        return all;
    };
    EXPECT_EQ(macs(7), macs(7));
    EXPECT_NE(macs(7), macs(8));
    EXPECT_NE(macs(7).substr(0, 17), macs(7).substr(18, 17));
}

TEST_F(ModelWorldTest, AWorldThatEndsBeforeItsFabricIsNotCalledAgain) {
    {
        ModelWorld brief(fabric);
        brief.addNic(brief.addNode("n"),
                     {.name = "a", .mac = "", .port = port, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
    }
    fabric.setCable(port, false);
}

TEST_F(ModelWorldTest, RemovingANodeTakesEverythingWithIt) {
    addMacvlan("net1");
    world.removeNode(node);
    EXPECT_FALSE(world.netdev(nic));
    EXPECT_THROW(world.name(pod), std::invalid_argument);
    EXPECT_THROW(host->links(), plugin::KernelError);
}

TEST_F(ModelWorldTest, NicMtuLimits) {
    const int link = index(*host, "ens6f0np0");
    host->setLinkMtu(link, 9978);
    EXPECT_THROW(host->setLinkMtu(link, 9979), plugin::KernelError);
    EXPECT_THROW(host->deleteLink(link), plugin::KernelError);
}

} // namespace
} // namespace rdmalab::kernel
