#include "plugins/kernel/kernel.h"
#include "sim/kernel/model_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::kernel {
namespace {

using plugin::Kernel;
using testing::HasSubstr;

IpAddress ip(const std::string& text) {
    return *IpAddress::parse(text);
}
Cidr cidr(const std::string& text) {
    return *Cidr::parse(text);
}

// Two nodes on one switch, each with a rail ens6f0np0 that has a host address, and pods on macvlans.
class ReachabilityTest : public testing::Test {
protected:
    struct Node {
        NetnsId id{};
        fabric::PortId port;
        std::unique_ptr<Kernel> kernel;
    };
    struct Pod {
        NetnsId id{};
        std::unique_ptr<Kernel> kernel;
    };

    ReachabilityTest() : world(fabric) {
        fabric.addSwitch("tor0");
        one = addNode("node-1", "172.16.0.1/16");
        two = addNode("node-2", "172.16.0.2/16");
    }
    Node addNode(const std::string& name, const std::string& address) {
        Node node;
        node.id = world.addNode(name);
        node.port = fabric.addPort("tor0");
        world.addNic(
            node.id,
            {.name = "ens6f0np0", .mac = "", .port = node.port, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
        node.kernel = world.kernel(node.id);
        node.kernel->addAddress(nic(node), cidr(address));
        return node;
    }
    static int nic(const Node& node) { return node.kernel->linkByName("ens6f0np0")->index; }
    Pod addPod(const Node& node, const std::string& name, const std::string& address, const std::string& mode = "bridge") {
        Pod pod;
        pod.id = world.addNetns(node.id, name);
        pod.kernel = world.kernel(pod.id);
        plugin::MacvlanSpec spec;
        spec.name = "eth0";
        spec.masterIndex = nic(node);
        spec.mode = mode;
        node.kernel->addMacvlan(spec, *pod.kernel);
        pod.kernel->setLinkUp(1, true);
        pod.kernel->setLinkUp(2, true);
        pod.kernel->addAddress(2, cidr(address));
        return pod;
    }
    std::string why(NetnsId from, const std::string& dst) { return world.reachable(from, std::nullopt, ip(dst)).why; }

    fabric::Fabric fabric;
    ModelWorld world;
    Node one, two;
};

TEST_F(ReachabilityTest, MacvlanPodsOnTwoNodesReachEachOther) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.16.11.2/16");
    EXPECT_EQ(why(a.id, "172.16.11.2"), "");
    EXPECT_EQ(why(b.id, "172.16.11.1"), "");
    EXPECT_EQ(why(a.id, "172.16.11.1"), ""); // itself
    EXPECT_EQ(why(a.id, "172.16.0.2"), "");  // the other node's own address
    EXPECT_TRUE(world.reachable(a.id, ip("172.16.11.1"), ip("172.16.11.2")).ok);
    EXPECT_THAT(world.reachable(a.id, ip("1.2.3.4"), ip("172.16.11.2")).why, HasSubstr("1.2.3.4 is not an address"));
}

TEST_F(ReachabilityTest, MacvlansOfOneMasterReachEachOtherInBridgeModeOnly) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(one, "pod-b", "172.16.11.2/16");
    const Pod c = addPod(one, "pod-c", "172.16.11.3/16", "private");
    EXPECT_EQ(why(a.id, "172.16.11.2"), "");
    EXPECT_THAT(why(a.id, "172.16.11.3"), HasSubstr("macvlan mode private"));
    EXPECT_EQ(why(c.id, "172.16.0.2"), "");
}

TEST_F(ReachabilityTest, AMacvlanCannotReachItsOwnHost) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16");
    EXPECT_THAT(why(a.id, "172.16.0.1"), HasSubstr("a macvlan and its master cannot reach each other"));
    EXPECT_THAT(why(one.id, "172.16.11.1"), HasSubstr("a macvlan and its master cannot reach each other"));
}

TEST_F(ReachabilityTest, TheFirstBrokenLinkIsNamed) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.16.11.2/16");
    EXPECT_EQ(why(a.id, "10.0.0.1"), "pod-a: no route to 10.0.0.1");
    EXPECT_EQ(why(a.id, "172.16.99.99"), "pod-a: eth0: no link anywhere has the address 172.16.99.99");
    fabric.setCable(two.port, false);
    EXPECT_EQ(why(a.id, "172.16.11.2"),
              "pod-b: eth0 has no carrier: its master ens6f0np0 has no carrier (cable of port 1 is unplugged)");
    fabric.setCable(two.port, true);
    two.kernel->setLinkUp(nic(two), false);
    EXPECT_EQ(why(a.id, "172.16.11.2"), "pod-b: eth0 has no carrier: its master ens6f0np0 is down");
    EXPECT_EQ(why(b.id, "172.16.11.1"), "pod-b: eth0 has no carrier: its master ens6f0np0 is down");
    two.kernel->setLinkUp(nic(two), true);
    b.kernel->setLinkUp(2, false);
    EXPECT_EQ(why(a.id, "172.16.11.2"), "pod-b: eth0 is down");
    b.kernel->setLinkUp(2, true);
    EXPECT_EQ(why(a.id, "172.16.11.2"), "");
    fabric.setVlan(two.port, 5);
    EXPECT_EQ(why(a.id, "172.16.11.2"), "between node-1: ens6f0np0 and node-2: ens6f0np0: port 0 is in VLAN 0, port 1 in VLAN 5");
    a.kernel->setLinkUp(1, false);
    EXPECT_EQ(why(a.id, "172.16.11.1"), "pod-a: lo is down");
}

TEST_F(ReachabilityTest, TheWayBackCounts) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.16.11.2/32");
    EXPECT_EQ(why(a.id, "172.16.11.2"), "on the way back: pod-b: no route to 172.16.11.1");
    plugin::Route back;
    back.dst = cidr("172.16.0.0/16");
    back.linkIndex = 2;
    b.kernel->addRoute(back);
    EXPECT_EQ(why(a.id, "172.16.11.2"), "");
}

TEST_F(ReachabilityTest, AGatewayMustForward) {
    const Node gateway = addNode("gateway", "172.16.0.254/16");
    const auto second = fabric.addPort("tor0", 20);
    world.addNic(gateway.id,
                 {.name = "lan1", .mac = "", .port = second, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
    gateway.kernel->addAddress(gateway.kernel->linkByName("lan1")->index, cidr("172.17.0.254/16"));
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.17.11.2/16");
    fabric.setVlan(two.port, 20);
    plugin::Route route;
    route.gateway = ip("172.16.0.254");
    a.kernel->addRoute(route);
    route.gateway = ip("172.17.0.254");
    b.kernel->addRoute(route);
    EXPECT_EQ(why(a.id, "172.17.11.2"), "gateway: does not forward packets for 172.17.11.2 (net.ipv4.ip_forward is 0)");
    gateway.kernel->setSysctl("ipv4/ip_forward", "1");
    EXPECT_EQ(why(a.id, "172.17.11.2"), "");
}

TEST_F(ReachabilityTest, Ipv6AndLinkLocalAddresses) {
    const Pod a = addPod(one, "pod-a", "fd00::1/64"), b = addPod(two, "pod-b", "fd00::2/64");
    EXPECT_EQ(why(a.id, "fd00::2"), "");
    std::string linkLocal;
    for (const auto& address : b.kernel->addresses(2))
        if (address.cidr.address.isLinkLocal())
            linkLocal = address.cidr.address.str();
    EXPECT_EQ(why(a.id, linkLocal), "");
    EXPECT_EQ(why(a.id, "::1"), "");
}

TEST_F(ReachabilityTest, AVethWithHostRoutes) {
    // What the coordinator builds in underlay mode: pod <-> its own host over veth0.
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16");
    EXPECT_NE(why(one.id, "172.16.11.1"), "");
    plugin::VethSpec spec;
    spec.name = "veth0123456";
    spec.peerName = "veth0";
    one.kernel->addVeth(spec, *a.kernel);
    const int hostSide = one.kernel->linkByName("veth0123456")->index, podSide = a.kernel->linkByName("veth0")->index;
    one.kernel->setLinkUp(hostSide, true);
    a.kernel->setLinkUp(podSide, true);
    plugin::Route route;
    route.dst = cidr("172.16.0.1/32");
    route.linkIndex = podSide;
    route.scope = 253;
    route.source = ip("172.16.11.1");
    a.kernel->addRoute(route);
    plugin::Rule rule;
    rule.table = 500;
    rule.priority = 1000;
    one.kernel->addRule(rule);
    route.dst = cidr("172.16.11.1/32");
    route.linkIndex = hostSide;
    route.table = 500;
    route.source.reset();
    one.kernel->addRoute(route);
    EXPECT_EQ(why(one.id, "172.16.11.1"), "");
    EXPECT_EQ(why(a.id, "172.16.0.1"), "");
    one.kernel->setNeighbour({ip("172.16.11.1"), "02:00:00:00:00:99", hostSide, true});
    EXPECT_THAT(why(one.id, "172.16.11.1"), HasSubstr("the neighbour entry for 172.16.11.1 says 02:00:00:00:00:99"));
    one.kernel->setNeighbour({ip("172.16.11.1"), a.kernel->linkByName("veth0")->mac, hostSide, true});
    EXPECT_EQ(why(one.id, "172.16.11.1"), "");
}

TEST_F(ReachabilityTest, PolicyRoutingOfTwoRailsAndRpFilter) {
    const auto railPorts = std::pair(fabric.addPort("tor0"), fabric.addPort("tor0"));
    world.addNic(
        one.id, {.name = "rail1", .mac = "", .port = railPorts.first, .mtu = 1500, .maxMtu = 9978, .encap = "ether", .up = true});
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.16.11.2/16");
    plugin::MacvlanSpec spec;
    spec.name = "net1";
    spec.masterIndex = one.kernel->linkByName("rail1")->index;
    one.kernel->addMacvlan(spec, *a.kernel);
    const int net1 = a.kernel->linkByName("net1")->index;
    a.kernel->setLinkUp(net1, true);
    a.kernel->addAddress(net1, cidr("172.16.12.1/16"));
    // Both links have a route to the network; the first one wins, so answers from net1's address leave by eth0.
    a.kernel->setSysctl("ipv4/conf/all/rp_filter", "1");
    EXPECT_THAT(why(b.id, "172.16.12.1"), HasSubstr("pod-a: net1: rp_filter 1 drops packets from 172.16.11.2"));
    a.kernel->setSysctl("ipv4/conf/all/rp_filter", "2");
    EXPECT_EQ(why(b.id, "172.16.12.1"), "");
    a.kernel->setSysctl("ipv4/conf/all/rp_filter", "1");
    plugin::Route own;
    own.dst = cidr("172.16.0.0/16");
    own.linkIndex = net1;
    own.table = 102;
    a.kernel->addRoute(own);
    plugin::Rule rule;
    rule.from = cidr("172.16.12.1/32");
    rule.table = 102;
    a.kernel->addRule(rule);
    EXPECT_EQ(why(b.id, "172.16.12.1"), "");
}

TEST_F(ReachabilityTest, ADuplicateOfTheSendersAddressIsRefused) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/16"), b = addPod(two, "pod-b", "172.16.11.2/16");
    b.kernel->addAddress(1, cidr("172.16.11.1/32"));
    EXPECT_THAT(why(a.id, "172.16.11.2"), HasSubstr("which is an address of its own namespace"));
}

TEST_F(ReachabilityTest, ConnectionMarksSendAnswersBackTheWayTheyCame) {
    const Pod a = addPod(one, "pod-a", "172.16.11.1/32");
    plugin::VethSpec spec;
    spec.name = "vethhost";
    spec.peerName = "veth0";
    one.kernel->addVeth(spec, *a.kernel);
    const int hostSide = one.kernel->linkByName("vethhost")->index, podSide = a.kernel->linkByName("veth0")->index;
    one.kernel->setLinkUp(hostSide, true);
    a.kernel->setLinkUp(podSide, true);
    plugin::Route route;
    route.dst = cidr("172.16.11.1/32");
    route.linkIndex = hostSide;
    one.kernel->addRoute(route);
    route = {};
    route.dst = cidr("0.0.0.0/0");
    route.linkIndex = podSide;
    route.table = 100;
    a.kernel->addRoute(route);
    plugin::Rule rule;
    rule.mark = 1;
    rule.table = 100;
    a.kernel->addRule(rule);
    EXPECT_EQ(why(one.id, "172.16.11.1"), "on the way back: pod-a: no route to 172.16.0.1");
    a.kernel->ensureIptablesRules(
        {{"-t", "mangle", "-A", "PREROUTING", "-i", "veth0", "-m", "conntrack", "--ctstate", "NEW", "-j", "MARK", "--set-xmark",
          "0x1"},
         {"-t", "mangle", "-A", "PREROUTING", "-m", "mark", "--mark", "0x1", "-j", "CONNMARK", "--save-mark"},
         {"-t", "mangle", "-A", "OUTPUT", "-j", "CONNMARK", "--restore-mark"}},
        2);
    EXPECT_EQ(why(one.id, "172.16.11.1"), "");
}

TEST_F(ReachabilityTest, ProxyArpAnswersForAPointToPointGateway) {
    // A calico-like pod network: default via 169.254.1.1, which only the host's proxy answers for.
    Pod a;
    a.id = world.addNetns(one.id, "pod-a");
    a.kernel = world.kernel(a.id);
    plugin::VethSpec spec;
    spec.name = "cali1";
    spec.peerName = "eth0";
    one.kernel->addVeth(spec, *a.kernel);
    const int hostSide = one.kernel->linkByName("cali1")->index, podSide = a.kernel->linkByName("eth0")->index;
    one.kernel->setLinkUp(hostSide, true);
    a.kernel->setLinkUp(podSide, true);
    a.kernel->addAddress(podSide, cidr("10.244.1.7/32"));
    plugin::Route route;
    route.dst = cidr("169.254.1.1/32");
    route.linkIndex = podSide;
    route.scope = 253;
    a.kernel->addRoute(route);
    route = {};
    route.gateway = ip("169.254.1.1");
    a.kernel->addRoute(route);
    route = {};
    route.dst = cidr("10.244.1.7/32");
    route.linkIndex = hostSide;
    one.kernel->addRoute(route);
    route.dst = cidr("0.0.0.0/0");
    route.linkIndex = nic(one);
    one.kernel->addRoute(route);
    EXPECT_THAT(why(a.id, "172.16.0.1"), HasSubstr("no link anywhere has the address 169.254.1.1"));
    one.kernel->setSysctl("ipv4/conf/cali1/proxy_arp", "1");
    EXPECT_EQ(why(a.id, "172.16.0.1"), "");
}

} // namespace
} // namespace rdmalab::kernel
