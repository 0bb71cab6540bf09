#include "harness/netns/netdev_sync.h"

#include "harness/netns/fabric_wiring.h"
#include "harness/netns/network_namespace_view.h"
#include "harness/netns/ping.h"
#include "harness/netns/port_wires.h"
#include "harness/netns/testing_netns.h"
#include "sim/hardware/live_machine.h"

#include <gmock/gmock.h>

#include <fcntl.h>

namespace rdmalab::harness {
namespace {

using hardware::Nic;
using hardware::PciAddress;
using testing::Contains;
using testing::Not;

const PciAddress pf0 = *PciAddress::parse("0000:af:00.0"), pf1 = *PciAddress::parse("0000:af:00.1"),
                 vf0 = *PciAddress::parse("0000:af:00.2"), vf1 = *PciAddress::parse("0000:af:00.3");

// A node without a /sys: the machine, its namespace, and what keeps them in step.
struct Node {
    explicit Node(PortWires& wires, const std::string& name, const hardware::MachineSpec& spec)
        : netns(newNetworkNamespace()), kernel(netns.get()), live(named(spec, name, netns)),
          sync(live, wires, netns, [](const Nic& nic) { return nic.pci.address == pf0 ? "sw0" : ""; }) {
        live.lock(), sync.start();
    }

    static hardware::MachineSpec named(hardware::MachineSpec spec, const std::string& name, const UniqueFd& netns) {
        spec.name = name;
        spec.netns = netnsIdOf(netns);
        return spec;
    }
    plugin::Link link(const std::string& name, plugin::LinuxKernel* where = nullptr) {
        const auto found = (where ? *where : kernel).linkByName(name);
        if (!found)
            throw std::runtime_error("no link " + name);
        return *found;
    }
    std::vector<std::string> names() {
        std::vector<std::string> all;
        for (const auto& one : kernel.links())
            all.push_back(one.name);
        return all;
    }
    const hardware::Port& port(const PciAddress& address) {
        const auto access = live.lock();
        sync.refresh();
        return access->findByPci(address)->port;
    }
    void change(const std::function<void(hardware::Machine&)>& what) {
        const auto access = live.lock();
        sync.refresh();
        what(*access);
        sync.refresh(); // as the next look at a /sys does
    }

    UniqueFd netns;
    plugin::LinuxKernel kernel;
    hardware::LiveMachine live;
    NetdevSync sync;
};

class NetdevSyncTest : public NetnsTest {
protected:
    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped())
            return;
        if (!wires_) { // one per lab, whose nodes' links end some time after them
            wires_ = std::make_unique<PortWires>();
            addSwitchBridge("sw0", 0);
        }
        node_ = std::make_unique<Node>(*wires_, "node-1", connectX5("node-1"));
    }

    static inline std::unique_ptr<PortWires> wires_;
    std::unique_ptr<Node> node_;
};

TEST_F(NetdevSyncTest, PortsAreInterfacesWithWhatTheMachineSays) {
    const auto link = node_->link("ens6f0np0");
    const auto& port = node_->port(pf0);
    EXPECT_EQ(link.mac, port.mac);
    EXPECT_EQ(link.mtu, 1500);
    EXPECT_TRUE(link.up);
    EXPECT_TRUE(link.lowerUp);
    EXPECT_THAT(node_->names(), testing::ElementsAre("lo", "ens6f0np0", "ens6f1np1"));
}

TEST_F(NetdevSyncTest, MachineFollowsWhatIsDoneToALink) {
    const int index = node_->link("ens6f0np0").index;
    node_->kernel.setLinkUp(index, false);
    node_->kernel.renameLink(index, "rail0");
    node_->kernel.setLinkMac(index, "02:00:00:00:00:99");
    node_->kernel.setLinkMtu(index, 9000);
    node_->kernel.addAddress(index, *Cidr::parse("172.16.0.1/24"));
    const auto& port = node_->port(pf0);
    EXPECT_EQ(port.netdev, "rail0");
    EXPECT_EQ(port.mac, "02:00:00:00:00:99");
    EXPECT_EQ(port.mtu, 9000);
    EXPECT_FALSE(port.up);
    EXPECT_THAT(port.addresses, Contains(*Cidr::parse("172.16.0.1/24")));
}

TEST_F(NetdevSyncTest, NamesMayBeExchangedBetweenTwoLooks) {
    const int first = node_->link("ens6f0np0").index, second = node_->link("ens6f1np1").index;
    node_->kernel.renameLink(first, "between");
    node_->kernel.renameLink(second, "ens6f0np0");
    node_->kernel.renameLink(first, "ens6f1np1");
    EXPECT_EQ(node_->port(pf0).netdev, "ens6f1np1");
    EXPECT_EQ(node_->port(pf1).netdev, "ens6f0np0");
}

TEST_F(NetdevSyncTest, LinkFollowsWhatIsDoneToTheMachine) {
    node_->change([](hardware::Machine& machine) {
        const Nic& nic = *machine.findByPci(pf0);
        machine.setLink(nic, false);
        machine.renameNetdev(nic, "rail0");
        machine.setMtu(nic, 4200);
        machine.setMac(nic, "02:00:00:00:00:98");
        machine.setLink(nic, true);
    });
    const auto link = node_->link("rail0");
    EXPECT_EQ(link.mac, "02:00:00:00:00:98");
    EXPECT_EQ(link.mtu, 4200);
    EXPECT_TRUE(link.up);
    EXPECT_EQ(node_->port(pf0).netdev, "rail0");
}

TEST_F(NetdevSyncTest, VfsAreInterfacesFromTheMomentTheyExist) {
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 4); });
    const auto link = node_->link("ens6f0v1");
    EXPECT_EQ(link.mac, node_->port(vf1).mac);
    EXPECT_FALSE(link.up);
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 0); });
    EXPECT_THAT(node_->names(), testing::ElementsAre("lo", "ens6f0np0", "ens6f1np1"));
}

TEST_F(NetdevSyncTest, TakenNameMeansTheKernelsOwn) {
    plugin::MacvlanSpec other;
    other.name = "ens6f0v0";
    other.masterIndex = node_->link("ens6f0np0").index;
    node_->kernel.addMacvlan(other, node_->kernel);
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 1); });
    EXPECT_EQ(node_->port(vf0).netdev, "eth0");
    EXPECT_EQ(node_->link("eth0").mac, node_->port(vf0).mac);
}

TEST_F(NetdevSyncTest, VfIsFollowedIntoAPodAndRescuedFromItsEnd) {
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 2); });
    const UniqueFd netns = newNetworkNamespace();
    plugin::LinuxKernel pod(netns.get());
    std::shared_ptr<NamespaceLinks> links;
    node_->change([&](hardware::Machine&) { links = node_->sync.watch(netns); });
    const int index = node_->link("ens6f0v0").index;
    node_->kernel.moveLink(index, pod);
    pod.renameLink(pod.linkByName("ens6f0v0")->index, "net1");
    EXPECT_EQ(node_->port(vf0).netns, netnsIdOf(netns));
    EXPECT_EQ(node_->port(vf0).netdev, "net1");
    {
        const auto access = node_->live.lock();
        NetworkNamespaceView view(node_->sync, links);
        view.generation();
        const auto found = std::find_if(view.links().begin(), view.links().end(), [](const auto& l) { return l.name == "net1"; });
        ASSERT_NE(found, view.links().end());
        EXPECT_EQ(found->nic, vf0);
        EXPECT_EQ(found->ifindex, pod.linkByName("net1")->index);
        EXPECT_EQ(::faccessat(view.sysfs(), "class/net/net1/ifindex", R_OK, 0), 0);
        EXPECT_NE(::faccessat(view.sysfs(), "class/net/ens6f1np1/ifindex", R_OK, 0), 0);
    }
    node_->change([&](hardware::Machine&) { node_->sync.namespaceGone(netnsIdOf(netns)); });
    EXPECT_EQ(node_->port(vf0).netns, netnsIdOf(node_->netns));
    EXPECT_EQ(node_->link("net1").mac, node_->port(vf0).mac);
}

TEST_F(NetdevSyncTest, RescuedPortIsDevNWhenItsNameIsTaken) {
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 1); });
    const UniqueFd netns = newNetworkNamespace();
    plugin::LinuxKernel pod(netns.get());
    node_->change([&](hardware::Machine&) { node_->sync.watch(netns); });
    node_->kernel.moveLink(node_->link("ens6f0v0").index, pod);
    pod.renameLink(pod.linkByName("ens6f0v0")->index, "ens6f0np0");
    EXPECT_EQ(node_->port(vf0).netdev, "ens6f0np0");
    node_->change([&](hardware::Machine&) { node_->sync.namespaceGone(netnsIdOf(netns)); });
    EXPECT_EQ(node_->port(vf0).netdev, "dev0");
    EXPECT_EQ(node_->link("dev0").mac, node_->port(vf0).mac);
    EXPECT_EQ(node_->link("ens6f0np0").mac, node_->port(pf0).mac);
}

TEST_F(NetdevSyncTest, PortSurvivesTheNamespaceThatItDiedWith) {
    {
        const UniqueFd netns = newNetworkNamespace(); // nobody tells about it, as with `ip netns add`
        plugin::LinuxKernel foreign(netns.get());
        node_->kernel.moveLink(node_->link("ens6f0np0").index, foreign);
        EXPECT_NE(node_->port(pf0).netns, netnsIdOf(node_->netns));
    }
    for (bool back = false; !back;) {
        ASSERT_TRUE(readable(wires_->events()));
        for (const int wire : wires_->takeLost()) // those of earlier tests' nodes, too
            node_->change([&](hardware::Machine&) { back = node_->sync.wireLost(wire) || back; });
    }
    EXPECT_EQ(node_->port(pf0).netns, netnsIdOf(node_->netns));
    const auto link = node_->link("ens6f0np0");
    EXPECT_EQ(link.mac, node_->port(pf0).mac);
    EXPECT_FALSE(link.up);
    node_->kernel.setLinkUp(link.index, true);
    EXPECT_TRUE(node_->link("ens6f0np0").lowerUp); // wired as before
}

TEST_F(NetdevSyncTest, DeletedLinkOfAPortIsBackAtTheNextLook) {
    node_->kernel.deleteLink(node_->link("ens6f0np0").index);
    EXPECT_EQ(node_->port(pf0).netdev, "ens6f0np0");
    EXPECT_EQ(node_->link("ens6f0np0").mac, node_->port(pf0).mac);
}

TEST_F(NetdevSyncTest, CarrierIsThatOfTheCableAndOfThePf) {
    node_->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 2); });
    for (const char* name : {"ens6f0v0", "ens6f0v1"})
        node_->kernel.setLinkUp(node_->link(name).index, true);
    EXPECT_TRUE(node_->link("ens6f0v0").lowerUp);
    node_->change([](hardware::Machine& machine) { machine.unplugCable(*machine.findByPci(pf0)); });
    EXPECT_FALSE(node_->link("ens6f0np0").lowerUp);
    EXPECT_FALSE(node_->link("ens6f0v0").lowerUp);
    node_->change([](hardware::Machine& machine) { machine.plugCable(*machine.findByPci(pf0)); });
    EXPECT_TRUE(node_->link("ens6f0v0").lowerUp);

    node_->kernel.setLinkUp(node_->link("ens6f0np0").index, false); // by hand, with ip
    EXPECT_FALSE(node_->port(vf0).carrier());
    EXPECT_FALSE(node_->link("ens6f0v0").lowerUp);
    node_->kernel.setLinkUp(node_->link("ens6f0np0").index, true);
    EXPECT_TRUE(node_->port(vf0).carrier());
    EXPECT_TRUE(node_->link("ens6f0v0").lowerUp);

    node_->change([](hardware::Machine& machine) {
        auto settings = machine.vfSettings(*machine.findByPci(pf0), 1);
        settings.linkState = hardware::VfLinkState::disabled;
        machine.setVfSettings(pf0, 1, settings);
    });
    EXPECT_FALSE(node_->link("ens6f0v1").lowerUp);
    EXPECT_TRUE(node_->link("ens6f0v0").lowerUp);
}

TEST_F(NetdevSyncTest, UnpluggedCardTakesItsInterfacesAlongAndBringsThemBack) {
    node_->change([](hardware::Machine& machine) {
        machine.setNumVfs(pf0, 1);
        machine.unplugCard(pf0);
    });
    EXPECT_THAT(node_->names(), testing::ElementsAre("lo"));
    node_->change([](hardware::Machine& machine) { machine.replugCard(pf0); });
    EXPECT_THAT(node_->names(), testing::UnorderedElementsAre("lo", "ens6f0np0", "ens6f1np1"));
    EXPECT_TRUE(node_->link("ens6f0np0").lowerUp);
}

TEST_F(NetdevSyncTest, VfsOfTwoNodesReachEachOtherThroughTheSwitch) {
    Node other(*wires_, "node-2", connectX5("node-2"));
    for (auto* node : {node_.get(), &other}) {
        node->change([](hardware::Machine& machine) { machine.setNumVfs(pf0, 1); });
        const int index = node->link("ens6f0v0").index;
        node->kernel.addAddress(index, *Cidr::parse(node == &other ? "172.16.9.2/24" : "172.16.9.1/24"));
        node->kernel.setLinkUp(index, true);
    }
    PingResult answer;
    node_->kernel.inside([&] { answer = ping(*IpAddress::parse("172.16.9.2"), 3, 1000); });
    EXPECT_TRUE(answer.answered) << answer.detail;
}

TEST_F(NetdevSyncTest, MacvlanOnAPortGivesItsRdmaDeviceGids) {
    const UniqueFd netns = newNetworkNamespace();
    plugin::LinuxKernel pod(netns.get());
    node_->change([&](hardware::Machine&) { node_->sync.watch(netns); });
    plugin::MacvlanSpec spec;
    spec.name = "net1";
    spec.masterIndex = node_->link("ens6f0np0").index;
    node_->kernel.addMacvlan(spec, pod);
    pod.addAddress(pod.linkByName("net1")->index, *Cidr::parse("172.16.8.1/24"));
    const auto gids = [&] {
        std::vector<std::string> all;
        node_->change([&](hardware::Machine& machine) {
            const auto& slots = machine.findByPci(pf0)->rdma->gids.slots();
            for (std::size_t slot = 0; slot < slots.size(); ++slot)
                if (slots[slot])
                    all.push_back(slots[slot]->netdev + " " + hardware::gidText(slots[slot]->bytes));
        });
        return all;
    };
    EXPECT_THAT(gids(), Contains("net1 0000:0000:0000:0000:0000:ffff:ac10:0801"));
    pod.deleteLink(pod.linkByName("net1")->index);
    EXPECT_THAT(gids(), Not(Contains(testing::StartsWith("net1 "))));
}

} // namespace
} // namespace rdmalab::harness
