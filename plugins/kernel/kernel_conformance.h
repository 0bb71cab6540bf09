// What every Kernel must do, whatever is behind it. Instantiated for LinuxKernel and for the simulator's kernel, so that the two
// agree. A World gives three fresh, empty namespaces of one machine:
//   struct World {
//       static std::string unavailable();  // why it cannot run here; empty if it can
//       Kernel& host(); Kernel& pod();     // `lo` exists and is down
//       std::string podPath();             // opens `pod` with host().openNetns()
//       std::string plainFilePath();       // a file that is no namespace
//   };
#pragma once

#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <thread>

namespace rdmalab::plugin {

// The errno of a refused request; 0 when it is not refused.
template <typename Action>
int refusal(Action&& action) {
    try {
        action();
    } catch (const KernelError& error) {
        return error.code();
    }
    return 0;
}

template <typename Action>
std::string refusalText(Action&& action) {
    try {
        action();
    } catch (const KernelError& error) {
        return error.what();
    }
    return "";
}

template <typename World>
class KernelConformance : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = World::unavailable(); !reason.empty())
            GTEST_SKIP() << "SKIPPED: " << reason;
        world = std::make_unique<World>();
    }

    Kernel& host() { return world->host(); }
    Kernel& pod() { return world->pod(); }

    static int indexOf(Kernel& kernel, const std::string& name) {
        const auto link = kernel.linkByName(name);
        return link ? link->index : 0;
    }
    static Link linkNamed(Kernel& kernel, const std::string& name) {
        const auto link = kernel.linkByName(name);
        EXPECT_TRUE(link.has_value()) << name;
        return link.value_or(Link{});
    }
    // The kernel hands carrier on from link to link in the background.
    template <typename Condition>
    static bool eventually(Condition&& condition) {
        for (int i = 0; i < 2000; ++i) {
            if (condition())
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return condition();
    }

    // A cable: `nic0` in host, `far0` in pod.
    void addCable(bool up = true) {
        host().addVeth({.name = "nic0", .mac = "02:00:00:00:00:01", .peerName = "far0", .peerMac = "02:00:00:00:00:02", .mtu = 0},
                       pod());
        if (!up)
            return;
        host().setLinkUp(indexOf(host(), "nic0"), true);
        pod().setLinkUp(indexOf(pod(), "far0"), true);
    }
    void addMacvlan(const std::string& name, Kernel& target, const std::string& mode = "bridge", const std::string& mac = "") {
        host().addMacvlan(
            {.name = name, .masterIndex = indexOf(host(), "nic0"), .mode = mode, .mtu = 0, .mac = mac, .bcQueueLength = 0},
            target);
    }
    static std::optional<Route> findRoute(Kernel& kernel, int table, const std::string& dst, int link = 0) {
        for (const Route& route : kernel.routes(table))
            if ((dst == "default" ? !route.dst : route.dst && route.dst->str() == dst) && (link == 0 || route.linkIndex == link))
                return route;
        return std::nullopt;
    }
    static std::vector<std::string> addressTexts(Kernel& kernel, int link, bool withLinkLocal = false) {
        std::vector<std::string> texts;
        for (const Address& address : kernel.addresses(link))
            if (withLinkLocal || address.cidr.address.isV4() || !address.cidr.address.isLinkLocal())
                texts.push_back(address.cidr.str());
        return texts;
    }
    static Cidr cidr(const std::string& text) { return *Cidr::parse(text); }
    static IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }

    std::unique_ptr<World> world;
};

TYPED_TEST_SUITE_P(KernelConformance);

TYPED_TEST_P(KernelConformance, AFreshNamespaceHasLoopbackOnly) {
    const auto links = this->pod().links();
    ASSERT_EQ(links.size(), 1u);
    EXPECT_EQ(links[0].index, 1);
    EXPECT_EQ(links[0].name, "lo");
    EXPECT_EQ(links[0].encap, "loopback");
    EXPECT_EQ(links[0].kind, "");
    EXPECT_EQ(links[0].mac, "00:00:00:00:00:00");
    EXPECT_EQ(links[0].mtu, 65536);
    EXPECT_EQ(links[0].parentIndex, 0);
    EXPECT_FALSE(links[0].up);
    EXPECT_FALSE(links[0].lowerUp);
    EXPECT_FALSE(links[0].broadcast);
    EXPECT_TRUE(this->pod().addresses(0).empty());
    EXPECT_TRUE(this->pod().routes(0).empty());
}

TYPED_TEST_P(KernelConformance, LoopbackGetsItsAddressesWhenItComesUp) {
    Kernel& pod = this->pod();
    pod.setLinkUp(1, true);
    EXPECT_TRUE(pod.linkByIndex(1)->lowerUp);
    EXPECT_EQ(this->addressTexts(pod, 1), (std::vector<std::string>{"127.0.0.1/8", "::1/128"}));
    const auto net = this->findRoute(pod, RT_TABLE_LOCAL, "127.0.0.0/8");
    ASSERT_TRUE(net);
    EXPECT_EQ(net->scope, RT_SCOPE_HOST);
    EXPECT_EQ(net->protocol, RTPROT_KERNEL);
    EXPECT_TRUE(this->findRoute(pod, RT_TABLE_LOCAL, "127.255.255.255/32"));
    EXPECT_TRUE(this->findRoute(pod, RT_TABLE_LOCAL, "::1/128"));
    EXPECT_TRUE(pod.routes(RT_TABLE_MAIN).empty());
}

TYPED_TEST_P(KernelConformance, NamespacesOpenByPath) {
    const auto opened = this->host().openNetns(this->world->podPath());
    EXPECT_TRUE(opened->sameNetns(this->pod()));
    EXPECT_FALSE(opened->sameNetns(this->host()));
    const std::string missing = "/var/run/netns/is-not-there";
    EXPECT_EQ(refusal([&] { this->host().openNetns(missing); }), ENOENT);
    EXPECT_EQ(refusalText([&] { this->host().openNetns(missing); }),
              "failed to Statfs \"" + missing + "\": no such file or directory");
    const std::string plain = this->world->plainFilePath();
    EXPECT_EQ(refusal([&] { this->host().openNetns(plain); }), EINVAL);
    EXPECT_EQ(refusalText([&] { this->host().openNetns(plain); }).rfind("unknown FS magic on \"" + plain + "\": ", 0), 0u);
}

TYPED_TEST_P(KernelConformance, AVethPairSpansNamespaces) {
    this->host().addVeth(
        {.name = "a0", .mac = "02:00:00:00:00:0a", .peerName = "b0", .peerMac = "02:00:00:00:00:0b", .mtu = 1400}, this->pod());
    const Link a = this->linkNamed(this->host(), "a0"), b = this->linkNamed(this->pod(), "b0");
    EXPECT_EQ(a.kind, "veth");
    EXPECT_EQ(a.encap, "ether");
    EXPECT_EQ(a.mac, "02:00:00:00:00:0a");
    EXPECT_EQ(b.mac, "02:00:00:00:00:0b");
    EXPECT_EQ(a.mtu, 1400);
    EXPECT_EQ(b.mtu, 1400);
    EXPECT_EQ(a.parentIndex, b.index);
    EXPECT_EQ(b.parentIndex, a.index);
    EXPECT_TRUE(a.parentElsewhere);
    EXPECT_TRUE(a.multicast && a.broadcast);
    EXPECT_FALSE(this->host().linkByName("b0"));
    this->host().deleteLink(a.index);
    EXPECT_FALSE(this->pod().linkByName("b0"));
}

TYPED_TEST_P(KernelConformance, AVethPairInOneNamespace) {
    Kernel& host = this->host();
    host.addVeth({.name = "a0", .mac = "", .peerName = "b0", .peerMac = "", .mtu = 0}, host);
    const Link a = this->linkNamed(host, "a0");
    EXPECT_EQ(a.mtu, 1500);
    EXPECT_FALSE(a.parentElsewhere);
    EXPECT_EQ(a.parentIndex, this->indexOf(host, "b0"));
    EXPECT_EQ(refusal([&] { host.addVeth({.name = "c0", .mac = "", .peerName = "b0", .peerMac = "", .mtu = 0}, host); }), EEXIST);
    EXPECT_EQ(refusal([&] { host.addVeth({.name = "b0", .mac = "", .peerName = "d0", .peerMac = "", .mtu = 0}, host); }), EEXIST);
    EXPECT_FALSE(host.linkByName("c0"));
    EXPECT_FALSE(host.linkByName("d0"));
    EXPECT_EQ(host.links().size(), 3u);
}

TYPED_TEST_P(KernelConformance, CarrierNeedsBothEndsOfAVeth) {
    this->addCable(false);
    Kernel &host = this->host(), &pod = this->pod();
    host.setLinkUp(this->indexOf(host, "nic0"), true);
    EXPECT_TRUE(this->linkNamed(host, "nic0").up);
    EXPECT_FALSE(this->linkNamed(host, "nic0").lowerUp);
    pod.setLinkUp(this->indexOf(pod, "far0"), true);
    EXPECT_TRUE(this->linkNamed(host, "nic0").lowerUp);
    EXPECT_TRUE(this->linkNamed(pod, "far0").lowerUp);
    host.setLinkUp(this->indexOf(host, "nic0"), false);
    EXPECT_FALSE(this->linkNamed(host, "nic0").lowerUp);
    EXPECT_FALSE(this->linkNamed(pod, "far0").lowerUp);
}

TYPED_TEST_P(KernelConformance, AMacvlanIsBornInTheOtherNamespace) {
    this->addCable();
    this->addMacvlan("net1", this->pod(), "bridge", "02:00:00:00:01:01");
    const Link link = this->linkNamed(this->pod(), "net1");
    EXPECT_EQ(link.kind, "macvlan");
    EXPECT_EQ(link.mode, "bridge");
    EXPECT_EQ(link.mac, "02:00:00:00:01:01");
    EXPECT_EQ(link.mtu, 1500);
    EXPECT_EQ(link.parentIndex, this->indexOf(this->host(), "nic0"));
    EXPECT_TRUE(link.parentElsewhere);
    EXPECT_FALSE(link.up);
    EXPECT_FALSE(this->host().linkByName("net1"));
    this->addMacvlan("here", this->host(), "vepa");
    EXPECT_EQ(this->linkNamed(this->host(), "here").mode, "vepa");
    EXPECT_FALSE(this->linkNamed(this->host(), "here").parentElsewhere);
}

TYPED_TEST_P(KernelConformance, MacvlanCreationIsRefusedWithTheKernelsErrno) {
    this->addCable();
    Kernel &host = this->host(), &pod = this->pod();
    this->addMacvlan("net1", pod);
    const int nic = this->indexOf(host, "nic0");
    MacvlanSpec spec{.name = "net1", .masterIndex = nic, .mode = "bridge", .mtu = 0, .mac = "", .bcQueueLength = 0};
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), EEXIST);
    EXPECT_EQ(refusalText([&] { host.addMacvlan(spec, pod); }), "file exists");
    spec.name = "net2";
    spec.mtu = 9000;
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), EINVAL);
    spec.mtu = 0;
    spec.masterIndex = 77;
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), ENODEV);
    spec.masterIndex = nic;
    spec.mode = "passthru";
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), EINVAL);
    spec.mode = "bogus";
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), EINVAL);
    spec.mode = "bridge";
    spec.masterIndex = 1; // lo
    EXPECT_EQ(refusal([&] { host.addMacvlan(spec, pod); }), EINVAL);
    EXPECT_FALSE(pod.linkByName("net2"));
}

TYPED_TEST_P(KernelConformance, APassthruMacvlanIsAloneAndSharesTheMac) {
    this->addCable();
    this->addMacvlan("only", this->pod(), "passthru");
    EXPECT_EQ(this->linkNamed(this->pod(), "only").mac, "02:00:00:00:00:01");
    EXPECT_EQ(this->linkNamed(this->pod(), "only").mode, "passthru");
    EXPECT_EQ(refusal([&] { this->addMacvlan("second", this->pod()); }), EINVAL);
}

TYPED_TEST_P(KernelConformance, MacvlansFollowTheirMaster) {
    this->addCable();
    Kernel &host = this->host(), &pod = this->pod();
    this->addMacvlan("net1", pod);
    this->addMacvlan("net2", host);
    pod.setLinkUp(this->indexOf(pod, "net1"), true);
    EXPECT_TRUE(this->eventually([&] { return this->linkNamed(pod, "net1").lowerUp; }));
    host.setLinkUp(this->indexOf(host, "nic0"), false);
    EXPECT_TRUE(this->eventually([&] { return !this->linkNamed(pod, "net1").lowerUp; }));
    EXPECT_TRUE(this->linkNamed(pod, "net1").up);
    host.setLinkMtu(this->indexOf(host, "nic0"), 1300);
    EXPECT_EQ(this->linkNamed(pod, "net1").mtu, 1300);
    EXPECT_EQ(refusal([&] { pod.setLinkMtu(this->indexOf(pod, "net1"), 1301); }), EINVAL);
    host.deleteLink(this->indexOf(host, "nic0"));
    EXPECT_FALSE(pod.linkByName("net1"));
    EXPECT_FALSE(host.linkByName("net2"));
    EXPECT_FALSE(pod.linkByName("far0"));
}

TYPED_TEST_P(KernelConformance, AMacvlanOnAMacvlanHangsOnTheSameMaster) {
    this->addCable();
    this->addMacvlan("mid", this->host());
    this->host().addMacvlan({.name = "top",
                             .masterIndex = this->indexOf(this->host(), "mid"),
                             .mode = "bridge",
                             .mtu = 0,
                             .mac = "",
                             .bcQueueLength = 0},
                            this->pod());
    EXPECT_EQ(this->linkNamed(this->pod(), "top").parentIndex, this->indexOf(this->host(), "nic0"));
    this->host().deleteLink(this->indexOf(this->host(), "mid"));
    EXPECT_TRUE(this->pod().linkByName("top"));
}

TYPED_TEST_P(KernelConformance, TwoMacvlansWithOneMacCannotBothBeUp) {
    this->addCable();
    Kernel& pod = this->pod();
    this->addMacvlan("net1", pod, "bridge", "02:00:00:00:01:01");
    this->addMacvlan("net2", pod, "bridge", "02:00:00:00:01:01");
    this->addMacvlan("net3", pod, "bridge", "02:00:00:00:00:01"); // the master's own
    pod.setLinkUp(this->indexOf(pod, "net1"), true);
    EXPECT_EQ(refusal([&] { pod.setLinkUp(this->indexOf(pod, "net2"), true); }), EADDRINUSE);
    EXPECT_EQ(refusal([&] { pod.setLinkUp(this->indexOf(pod, "net3"), true); }), EADDRINUSE);
    EXPECT_FALSE(this->linkNamed(pod, "net2").up);
}

TYPED_TEST_P(KernelConformance, RenamingChecksTheName) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    this->addMacvlan("other", host);
    EXPECT_EQ(refusal([&] { host.renameLink(nic, "other"); }), EEXIST);
    EXPECT_EQ(refusalText([&] { host.renameLink(nic, "other"); }), "file exists");
    EXPECT_EQ(refusal([&] { host.renameLink(nic, "name-of-16-chars"); }), ERANGE);
    EXPECT_EQ(refusal([&] { host.renameLink(nic, ".."); }), EINVAL);
    EXPECT_EQ(refusal([&] { host.renameLink(nic, "a/b"); }), EINVAL);
    EXPECT_EQ(refusal([&] { host.renameLink(99, "x"); }), ENODEV);
    host.setLinkUp(nic, false);
    host.renameLink(nic, "fifteen-letters");
    EXPECT_EQ(this->indexOf(host, "fifteen-letters"), nic);
    EXPECT_FALSE(host.linkByName("nic0"));
    EXPECT_FALSE(host.linkByName("a-name-no-link-can-have"));
}

TYPED_TEST_P(KernelConformance, LinksThatCannotBeDeletedOrChanged) {
    this->addCable(false);
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    EXPECT_EQ(refusal([&] { host.deleteLink(1); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { host.deleteLink(99); }), ENODEV);
    EXPECT_EQ(refusal([&] { host.setLinkUp(99, true); }), ENODEV);
    EXPECT_EQ(refusal([&] { host.setLinkMtu(nic, 60); }), EINVAL);
    EXPECT_EQ(refusal([&] { host.setLinkMtu(nic, 70000); }), EINVAL);
    EXPECT_EQ(refusal([&] { host.setLinkMac(nic, "01:00:00:00:00:01"); }), EADDRNOTAVAIL);
    EXPECT_EQ(refusal([&] { host.setLinkMac(nic, "nonsense"); }), EINVAL);
    host.setLinkMac(nic, "0A:1B:00:00:00:05");
    host.setLinkTxQueueLength(nic, 500);
    EXPECT_EQ(this->linkNamed(host, "nic0").mac, "0a:1b:00:00:00:05");
}

TYPED_TEST_P(KernelConformance, AMovedLinkArrivesDownAndBare) {
    this->addCable();
    Kernel &host = this->host(), &pod = this->pod();
    host.addVeth({.name = "far0", .mac = "", .peerName = "tail", .peerMac = "", .mtu = 0}, host);
    EXPECT_EQ(refusal([&] { host.moveLink(this->indexOf(host, "far0"), pod); }), EEXIST);
    EXPECT_EQ(refusal([&] { host.moveLink(1, pod); }), EINVAL);
    const int nic = this->indexOf(host, "nic0");
    this->addMacvlan("rider", host);
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    host.setSysctl("ipv4/conf/nic0/arp_notify", "1");
    host.moveLink(nic, pod);
    EXPECT_FALSE(host.linkByName("nic0"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.1/32"));
    const Link moved = this->linkNamed(pod, "nic0");
    EXPECT_FALSE(moved.up);
    EXPECT_TRUE(pod.addresses(moved.index).empty());
    EXPECT_EQ(pod.sysctl("ipv4/conf/nic0/arp_notify"), "0");
    EXPECT_TRUE(this->linkNamed(host, "rider").parentElsewhere); // a move is not the master's death
}

TYPED_TEST_P(KernelConformance, AnAddressMakesRoutes) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    host.addAddress(nic, this->cidr("10.1.0.9/24"));
    host.addAddress(nic, this->cidr("10.2.0.1/32"));
    host.addAddress(nic, this->cidr("fd00::1/64"));
    host.addAddress(nic, this->cidr("fd00::2/64"));
    EXPECT_EQ(this->addressTexts(host, nic),
              (std::vector<std::string>{"10.1.0.1/24", "10.2.0.1/32", "10.1.0.9/24", "fd00::2/64", "fd00::1/64"}));
    EXPECT_EQ(refusal([&] { host.addAddress(nic, this->cidr("10.1.0.1/24")); }), EEXIST);
    EXPECT_EQ(refusal([&] { host.addAddress(nic, this->cidr("fd00::1/64")); }), EEXIST);
    EXPECT_EQ(refusalText([&] { host.addAddress(nic, this->cidr("10.1.0.1/24")); }), "file exists");
    EXPECT_EQ(refusal([&] { host.addAddress(99, this->cidr("10.1.0.1/24")); }), ENODEV);

    const auto connected = this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24");
    ASSERT_TRUE(connected);
    EXPECT_EQ(connected->source, this->ip("10.1.0.1"));
    EXPECT_EQ(connected->scope, RT_SCOPE_LINK);
    EXPECT_EQ(connected->protocol, RTPROT_KERNEL);
    EXPECT_EQ(connected->linkIndex, nic);
    EXPECT_FALSE(connected->gateway);
    const auto local = this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.9/32");
    ASSERT_TRUE(local);
    EXPECT_EQ(local->source, this->ip("10.1.0.1")); // the primary address
    EXPECT_EQ(local->scope, RT_SCOPE_HOST);
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.255/32"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "10.2.0.1/32"));
    const auto six = this->findRoute(host, RT_TABLE_MAIN, "fd00::/64");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->priority, 256);
    EXPECT_FALSE(six->source);
}

TYPED_TEST_P(KernelConformance, ALinkWithCarrierGetsALinkLocalAddress) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    EXPECT_TRUE(
        this->eventually([&] { return this->addressTexts(host, nic, true) == std::vector<std::string>{"fe80::ff:fe00:1/64"}; }));
    EXPECT_EQ(host.addresses(nic).at(0).scope, RT_SCOPE_LINK);
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_MAIN, "fe80::/64", nic));
}

TYPED_TEST_P(KernelConformance, WhatSurvivesALinkGoingDown) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    host.addAddress(nic, this->cidr("fd00::1/64"));
    Route route;
    route.dst = this->cidr("10.9.0.0/16");
    route.gateway = this->ip("10.1.0.254");
    host.addRoute(route);
    host.setLinkUp(nic, false);
    EXPECT_EQ(this->addressTexts(host, nic, true), (std::vector<std::string>{"10.1.0.1/24"}));
    EXPECT_TRUE(host.routes(RT_TABLE_MAIN).empty());
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.1/32"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.255/32"));
    host.setLinkUp(nic, true);
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "10.9.0.0/16"));

    host.setSysctl("ipv6/conf/nic0/keep_addr_on_down", "1");
    host.addAddress(nic, this->cidr("fd00::2/64"));
    host.setLinkUp(nic, false);
    EXPECT_EQ(this->addressTexts(host, nic), (std::vector<std::string>{"10.1.0.1/24", "fd00::2/64"}));
}

TYPED_TEST_P(KernelConformance, AnAddressOnADownLinkWaitsWithItsRoutes) {
    this->addCable(false);
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_LOCAL, "10.1.0.1/32"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
    host.setLinkUp(nic, true);
    EXPECT_TRUE(this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
}

TYPED_TEST_P(KernelConformance, Ipv6CanBeSwitchedOff) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("fd00::1/64"));
    host.setSysctl("ipv6/conf/nic0/disable_ipv6", "1");
    EXPECT_TRUE(this->addressTexts(host, nic, true).empty());
    EXPECT_EQ(refusal([&] { host.addAddress(nic, this->cidr("fd00::2/64")); }), EACCES);
    host.setSysctl("ipv6/conf/nic0/disable_ipv6", "0");
    host.addAddress(nic, this->cidr("fd00::2/64"));
    EXPECT_EQ(this->addressTexts(host, nic), (std::vector<std::string>{"fd00::2/64"}));
}

TYPED_TEST_P(KernelConformance, RoutesAreCheckedBeforeTheyAreAdded) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    host.addAddress(nic, this->cidr("fd00::1/64"));
    this->addMacvlan("idle", host);
    Route route;
    route.gateway = this->ip("10.77.0.1");
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), ENETUNREACH);
    EXPECT_EQ(refusalText([&] { host.addRoute(route); }), "network is unreachable");
    route.gateway = this->ip("fd77::1");
    route.family = AF_INET6;
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), EHOSTUNREACH);
    route = {};
    route.dst = this->cidr("10.9.0.0/24");
    route.linkIndex = this->indexOf(host, "idle");
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), ENETDOWN);
    route.dst = this->cidr("fd09::/64");
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), ENETDOWN);
    route.linkIndex = 99;
    route.dst = this->cidr("10.9.0.0/24");
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), ENODEV);
    route.linkIndex = nic;
    route.source = this->ip("9.9.9.9");
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), EINVAL);
    route.source.reset();
    route.gateway = this->ip("10.1.0.254");
    route.scope = RT_SCOPE_LINK;
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), ENETUNREACH);
    route = {};
    route.dst = this->cidr("fd09::/64");
    route.gateway = this->ip("fd00::1"); // its own address
    EXPECT_NE(refusal([&] { host.addRoute(route); }), 0);
}

TYPED_TEST_P(KernelConformance, ARouteThatIsNotExclusiveGoesInFront) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    Route route;
    route.exclusive = false;
    route.gateway = this->ip("10.1.0.254");
    host.addRoute(route);
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), EEXIST); // the very same one
    route.gateway = this->ip("10.1.0.253");
    host.addRoute(route);
    std::vector<std::string> gateways;
    for (const Route& there : host.routes(RT_TABLE_MAIN))
        if (!there.dst && there.gateway)
            gateways.push_back(there.gateway->str());
    EXPECT_EQ(gateways, (std::vector<std::string>{"10.1.0.253", "10.1.0.254"}));
}

TYPED_TEST_P(KernelConformance, RoutesOfEveryTable) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.addAddress(nic, this->cidr("10.1.0.1/24"));
    host.addAddress(nic, this->cidr("fd00::1/64"));
    Route route;
    route.gateway = this->ip("10.1.0.254");
    host.addRoute(route);
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), EEXIST);
    route.gateway = this->ip("10.1.0.253"); // a destination has one route per metric, whatever its gateway
    EXPECT_EQ(refusal([&] { host.addRoute(route); }), EEXIST);
    route.priority = 10;
    host.addRoute(route);
    route.priority = 0;
    route.table = 500;
    host.addRoute(route);
    const auto found = this->findRoute(host, 500, "default");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->gateway, this->ip("10.1.0.253"));
    EXPECT_EQ(found->linkIndex, nic);
    EXPECT_EQ(found->protocol, RTPROT_BOOT);
    EXPECT_EQ(found->family, AF_INET);

    Route six;
    six.family = AF_INET6;
    six.gateway = this->ip("fd00::fe");
    six.table = 101;
    host.addRoute(six);
    EXPECT_EQ(refusal([&] { host.addRoute(six); }), EEXIST);
    const auto stored = this->findRoute(host, 101, "default");
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->priority, 1024);
    EXPECT_EQ(stored->family, AF_INET6);

    Route onLink;
    onLink.dst = this->cidr("172.81.0.10/32");
    onLink.linkIndex = nic;
    onLink.scope = RT_SCOPE_LINK;
    onLink.source = this->ip("10.1.0.1");
    host.addRoute(onLink);
    EXPECT_EQ(this->findRoute(host, RT_TABLE_MAIN, "172.81.0.10/32")->source, this->ip("10.1.0.1"));
    host.deleteRoute(onLink);
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "172.81.0.10/32"));
    EXPECT_EQ(refusal([&] { host.deleteRoute(onLink); }), ESRCH);
    // What was read can be taken out again, kernel-made routes included.
    host.deleteRoute(*this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
    EXPECT_FALSE(this->findRoute(host, RT_TABLE_MAIN, "10.1.0.0/24"));
    host.deleteRoute(*stored);
    EXPECT_FALSE(this->findRoute(host, 101, "default"));
}

TYPED_TEST_P(KernelConformance, PolicyRules) {
    Kernel& host = this->host();
    const auto priorities = [&](int family) {
        std::vector<int> found;
        for (const Rule& rule : host.rules())
            if (rule.family == family)
                found.push_back(rule.priority);
        return found;
    };
    EXPECT_EQ(priorities(AF_INET), (std::vector<int>{0, 32766, 32767}));
    EXPECT_EQ(priorities(AF_INET6), (std::vector<int>{0, 32766}));
    Rule from;
    from.from = this->cidr("172.16.11.1/32");
    from.table = 101;
    host.addRule(from);
    from.from = this->cidr("172.16.12.1/32");
    from.table = 102;
    host.addRule(from);
    EXPECT_EQ(priorities(AF_INET), (std::vector<int>{0, 32764, 32765, 32766, 32767}));
    EXPECT_EQ(host.rules().at(1).from, this->cidr("172.16.12.1/32"));
    EXPECT_EQ(host.rules().at(1).table, 102);

    Rule marked;
    marked.mark = 1;
    marked.table = 100;
    marked.priority = 1000;
    host.addRule(marked);
    EXPECT_EQ(refusal([&] { host.addRule(marked); }), EEXIST);
    EXPECT_EQ(host.rules().at(1).mark, 1u);
    marked.family = AF_INET6;
    host.addRule(marked);
    EXPECT_EQ(priorities(AF_INET6), (std::vector<int>{0, 1000, 32766}));

    Rule to;
    to.to = this->cidr("172.81.0.100/32");
    to.table = 500;
    EXPECT_EQ(refusal([&] { host.deleteRule(to); }), ENOENT);
    to.priority = 1000;
    host.addRule(to);
    to.priority = -1;
    host.deleteRule(to);
    EXPECT_EQ(refusal([&] { host.deleteRule(to); }), ENOENT);
}

TYPED_TEST_P(KernelConformance, Neighbours) {
    this->addCable();
    Kernel& host = this->host();
    const int nic = this->indexOf(host, "nic0");
    host.setNeighbour({this->ip("10.1.0.2"), "02:00:00:00:00:aa", nic, true});
    host.setNeighbour({this->ip("10.1.0.2"), "02:00:00:00:00:bb", nic, true});
    host.setNeighbour({this->ip("fd00::2"), "02:00:00:00:00:cc", nic, true});
    const auto all = host.neighbours();
    ASSERT_EQ(all.size(), 2u);
    const auto four = std::find_if(all.begin(), all.end(), [](const Neighbour& entry) { return entry.ip.isV4(); });
    ASSERT_NE(four, all.end());
    EXPECT_EQ(four->mac, "02:00:00:00:00:bb");
    EXPECT_EQ(four->linkIndex, nic);
    EXPECT_TRUE(four->permanent);
    EXPECT_EQ(refusal([&] { host.setNeighbour({this->ip("10.1.0.2"), "02:00:00:00:00:aa", 99, true}); }), ENODEV);
    host.setLinkUp(nic, false);
    EXPECT_TRUE(host.neighbours().empty());
}

TYPED_TEST_P(KernelConformance, Sysctls) {
    this->addCable();
    Kernel &host = this->host(), &pod = this->pod();
    EXPECT_EQ(pod.sysctl("ipv4/conf/far0/arp_notify"), "0");
    pod.setSysctl("ipv4/conf/far0/arp_notify", "1");
    EXPECT_EQ(pod.sysctl("ipv4/conf/far0/arp_notify"), "1");
    pod.setSysctl("ipv6/conf/far0/ndisc_notify", "1\n");
    EXPECT_EQ(pod.sysctl("ipv6/conf/far0/ndisc_notify"), "1");
    EXPECT_EQ(host.sysctl("ipv4/conf/nic0/arp_notify"), "0");
    EXPECT_EQ(refusal([&] { host.sysctl("ipv4/conf/far0/arp_notify"); }), ENOENT);
    EXPECT_EQ(refusalText([&] { host.setSysctl("ipv4/conf/far0/arp_notify", "1"); }),
              "open /proc/sys/net/ipv4/conf/far0/arp_notify: no such file or directory");
    EXPECT_EQ(refusal([&] { pod.sysctl("ipv4/conf/far0/no_such_key"); }), ENOENT);
    EXPECT_EQ(refusal([&] { pod.setSysctl("ipv4/conf/far0/arp_notify", "yes"); }), EINVAL);
    EXPECT_EQ(refusal([&] { pod.sysctl("../kernel/hostname"); }), EINVAL);
    // Keys follow the link's name.
    const int far = this->indexOf(pod, "far0");
    pod.setLinkUp(far, false);
    pod.renameLink(far, "net1");
    EXPECT_EQ(pod.sysctl("ipv4/conf/net1/arp_notify"), "1");
    EXPECT_EQ(refusal([&] { pod.sysctl("ipv4/conf/far0/arp_notify"); }), ENOENT);
    // Forwarding is one switch under three names.
    pod.setSysctl("ipv4/ip_forward", "1");
    EXPECT_EQ(pod.sysctl("ipv4/conf/all/forwarding"), "1");
    EXPECT_EQ(pod.sysctl("ipv4/conf/net1/forwarding"), "1");
    pod.setSysctl("ipv4/conf/all/rp_filter", "0");
    EXPECT_EQ(pod.sysctl("ipv4/conf/all/rp_filter"), "0");
    EXPECT_EQ(pod.sysctl("ipv6/conf/lo/disable_ipv6"), "0");
}

TYPED_TEST_P(KernelConformance, IptablesRulesAreAddedOnce) {
    Kernel& pod = this->pod();
    const std::vector<IptablesRule> rules{
        {"-t", "mangle", "-A", "PREROUTING", "-i", "veth0", "-m", "conntrack", "--ctstate", "NEW", "-j", "MARK", "--set-xmark",
         "0x1"},
        {"-t", "mangle", "-A", "PREROUTING", "-m", "mark", "--mark", "0x1", "-j", "CONNMARK", "--save-mark"},
        {"-t", "mangle", "-A", "OUTPUT", "-j", "CONNMARK", "--restore-mark"}};
    if (const std::string text = refusalText([&] { pod.ensureIptablesRules(rules, AF_INET); }); !text.empty())
        GTEST_SKIP() << "SKIPPED: the packet filter does not work here: " << text;
    EXPECT_EQ(pod.iptablesRules("mangle", AF_INET), rules);
    pod.ensureIptablesRules(rules, AF_INET);
    EXPECT_EQ(pod.iptablesRules("mangle", AF_INET), rules);
    EXPECT_TRUE(this->host().iptablesRules("mangle", AF_INET).empty());
    EXPECT_NE(refusal([&] { pod.ensureIptablesRules({{"-t", "mangle", "-A", "NOWHERE", "-j", "ACCEPT"}}, AF_INET); }), 0);
    EXPECT_NE(refusal([&] { pod.ensureIptablesRules({{"-t", "mangle", "-j", "ACCEPT"}}, AF_INET); }), 0);
}

REGISTER_TYPED_TEST_SUITE_P(KernelConformance, AFreshNamespaceHasLoopbackOnly, LoopbackGetsItsAddressesWhenItComesUp,
                            NamespacesOpenByPath, AVethPairSpansNamespaces, AVethPairInOneNamespace, CarrierNeedsBothEndsOfAVeth,
                            AMacvlanIsBornInTheOtherNamespace, MacvlanCreationIsRefusedWithTheKernelsErrno,
                            APassthruMacvlanIsAloneAndSharesTheMac, MacvlansFollowTheirMaster,
                            AMacvlanOnAMacvlanHangsOnTheSameMaster, TwoMacvlansWithOneMacCannotBothBeUp, RenamingChecksTheName,
                            LinksThatCannotBeDeletedOrChanged, AMovedLinkArrivesDownAndBare, AnAddressMakesRoutes,
                            ALinkWithCarrierGetsALinkLocalAddress, WhatSurvivesALinkGoingDown,
                            AnAddressOnADownLinkWaitsWithItsRoutes, Ipv6CanBeSwitchedOff, RoutesAreCheckedBeforeTheyAreAdded,
                            ARouteThatIsNotExclusiveGoesInFront, RoutesOfEveryTable, PolicyRules, Neighbours, Sysctls,
                            IptablesRulesAreAddedOnce);

} // namespace rdmalab::plugin
