// The RDMA and VF sides of the real kernel; most machines have neither, so their refusals are what is tested.
#include "plugins/kernel/announce.h"
#include "plugins/kernel/file_lock.h"
#include "plugins/kernel/linux_kernel.h"
#include "plugins/kernel/linux_rdma_kernel.h"
#include "plugins/kernel/linux_vf_kernel.h"
#include "plugins/kernel/netlink_socket.h"
#include "plugins/kernel/netns.h"
#include "plugins/kernel/rdma_kernel_conformance.h"
#include "plugins/kernel/vf_kernel_conformance.h"
#include "util/syscall.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/stat.h>

namespace rdmalab::plugin {
namespace {

std::string whyNoNetns() {
    try {
        newNetns();
        return "";
    } catch (const std::exception& error) {
        return std::string("needs root: ") + error.what();
    }
}

class LinuxVfWorld {
public:
    static std::string unavailable() { return whyNoNetns(); }
    LinuxVfWorld() : netns_(newNetns()), host_(netns_.get()), vfs_(netns_.get()) {}
    Kernel& host() { return host_; }
    VfKernel& vfs() { return vfs_; }

private:
    UniqueFd netns_;
    LinuxKernel host_;
    LinuxVfKernel vfs_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Linux, VfKernelConformance, LinuxVfWorld);

class LinuxRdmaWorld {
public:
    static std::string unavailable() {
        if (auto reason = whyNoNetns(); !reason.empty())
            return reason;
        try {
            LinuxRdmaKernel(openCurrentNetns().get()).netnsMode();
            return "";
        } catch (const KernelError& error) {
            return std::string("this kernel has no RDMA subsystem: ") + error.what();
        }
    }
    LinuxRdmaWorld() : podFd_(newNetns()), pod_(podFd_.get()), host_(openCurrentNetns().get()) {}
    RdmaKernel& host() { return host_; }
    Kernel& pod() { return pod_; }

private:
    UniqueFd podFd_;
    LinuxKernel pod_;
    LinuxRdmaKernel host_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Linux, RdmaKernelConformance, LinuxRdmaWorld);

class LinuxSriov : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = whyNoNetns(); !reason.empty())
            GTEST_SKIP() << "SKIPPED: " << reason;
        netns = newNetns();
    }
    UniqueFd netns;
};

TEST_F(LinuxSriov, AKernelWithoutRdmaSaysSoWithGosText) {
    LinuxRdmaKernel rdma(netns.get());
    try {
        rdma.netnsMode();
    } catch (const KernelError& error) {
        EXPECT_EQ(error.code(), EPROTONOSUPPORT);
        EXPECT_STREQ(error.what(), "protocol not supported");
        EXPECT_EQ(refusal([&] { rdma.devices(); }), EPROTONOSUPPORT);
        return;
    }
    GTEST_SKIP() << "SKIPPED: this kernel has RDMA";
}

TEST_F(LinuxSriov, TemporaryNamespaceIsAnotherOneAndTakesAVethAlong) {
    LinuxKernel host(netns.get());
    host.addVeth({.name = "nic0", .mac = "", .peerName = "far0", .peerMac = "", .mtu = 0}, host);
    {
        const auto passage = host.temporaryNetns();
        EXPECT_FALSE(passage->sameNetns(host));
        host.moveLink(host.linkByName("nic0")->index, *passage);
        EXPECT_FALSE(host.linkByName("nic0"));
        const auto link = passage->linkByName("nic0");
        ASSERT_TRUE(link);
        passage->renameLink(link->index, "net1");
        passage->moveLink(link->index, host);
    }
    EXPECT_TRUE(host.linkByName("net1"));
}

TEST_F(LinuxSriov, AlternativeNamesAreSeenAndDeleted) {
    LinuxKernel host(netns.get());
    host.addVeth({.name = "nic0", .mac = "", .peerName = "far0", .peerMac = "", .mtu = 0}, host);
    const int index = host.linkByName("nic0")->index;
    EXPECT_TRUE(host.linkByName("nic0")->altNames.empty());
    host.inside([&] {
        for (const char* name : {"enp1s0", "ens1"}) {
            NetlinkMessage message(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
            ifinfomsg header{};
            header.ifi_index = index;
            message.header(header).nest(IFLA_PROP_LIST, [&] { message.put(IFLA_ALT_IFNAME, std::string(name)); });
            NetlinkSocket().request(message);
        }
    });
    EXPECT_EQ(host.linkByName("nic0")->altNames, (std::vector<std::string>{"enp1s0", "ens1"}));
    host.deleteLinkAltName(index, "enp1s0");
    EXPECT_EQ(host.linkByName("nic0")->altNames, (std::vector<std::string>{"ens1"}));
    EXPECT_NE(refusal([&] { host.deleteLinkAltName(index, "enp1s0"); }), 0);
}

TEST_F(LinuxSriov, AnnouncementsArriveAtTheOtherEnd) {
    LinuxKernel host(netns.get());
    host.addVeth({.name = "nic0", .mac = "02:00:00:00:00:01", .peerName = "far0", .peerMac = "", .mtu = 0}, host);
    const int index = host.linkByName("nic0")->index, far = host.linkByName("far0")->index;
    for (const int link : {index, far})
        host.setLinkUp(link, true);
    UniqueFd receiver;
    host.inside([&] {
        receiver.reset(checked("socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = far;
        checked("bind", ::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    });
    const timeval patience{10, 0};
    checked("timeout", ::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    const auto receivedEndOf = [&](std::size_t offset, const std::vector<unsigned char>& wanted, std::size_t skip) {
        for (;;) {
            unsigned char frame[2048];
            const auto size = ::recv(receiver.get(), frame, sizeof frame, 0);
            if (size < 0)
                return false;
            if (static_cast<std::size_t>(size) >= offset + wanted.size() &&
                std::equal(wanted.begin() + static_cast<long>(skip), wanted.end(), frame + offset + skip))
                return true;
        }
    };
    const std::vector<unsigned char> mac{2, 0, 0, 0, 0, 1};
    const auto v4 = *IpAddress::parse("10.9.0.1"), v6 = *IpAddress::parse("fd00::1");
    host.announceAddress(index, v4);
    EXPECT_TRUE(receivedEndOf(14, gratuitousArp(mac, v4), 0));
    // The source of the advertisement is the link-local address, which takes a moment to be usable.
    KernelError last("", 0);
    for (int i = 0; i < 5000; ++i) {
        last = KernelError("", refusal([&] { host.announceAddress(index, v6); }));
        if (last.code() != EADDRNOTAVAIL)
            break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(last.code(), 0);
    EXPECT_TRUE(receivedEndOf(14 + 40, neighbourAdvertisement(mac, v6), 4)); // the kernel filled in the checksum
    EXPECT_EQ(refusal([&] { host.announceAddress(host.linkByName("lo")->index, v4); }), EINVAL);
}

} // namespace
} // namespace rdmalab::plugin
