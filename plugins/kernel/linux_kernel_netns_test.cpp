#include "plugins/kernel/kernel_conformance.h"
#include "plugins/kernel/linux_kernel.h"
#include "plugins/kernel/netns.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <atomic>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rdmalab::plugin {
namespace {

// A namespace of its own, made by a thread that ends with it; the descriptor keeps it alive.
UniqueFd newNetns() {
    UniqueFd fd;
    std::exception_ptr failure;
    std::thread maker([&] {
        try {
            checked("unshare network namespace", ::unshare(CLONE_NEWNET));
            fd = openCurrentNetns();
        } catch (...) {
            failure = std::current_exception();
        }
    });
    maker.join();
    if (failure)
        std::rethrow_exception(failure);
    return fd;
}

std::string whyNoNetns() {
    try {
        newNetns();
        return "";
    } catch (const std::exception& error) {
        return std::string("needs root: ") + error.what();
    }
}

class LinuxWorld {
public:
    static std::string unavailable() { return whyNoNetns(); }

    LinuxWorld() : hostFd_(newNetns()), podFd_(newNetns()), host_(hostFd_.get()), pod_(podFd_.get()) {
        file_.reset(checked("mkstemp", ::mkstemp(plainPath_)));
    }
    ~LinuxWorld() { ::unlink(plainPath_); }

    Kernel& host() { return host_; }
    Kernel& pod() { return pod_; }
    std::string podPath() const { return "/proc/self/fd/" + std::to_string(podFd_.get()); }
    std::string plainFilePath() const { return plainPath_; }

private:
    UniqueFd hostFd_, podFd_, file_;
    LinuxKernel host_, pod_;
    char plainPath_[32] = "/tmp/rdmalab-plain-XXXXXX";
};

INSTANTIATE_TYPED_TEST_SUITE_P(Linux, KernelConformance, LinuxWorld);

class LinuxKernelTest : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = whyNoNetns(); !reason.empty())
            GTEST_SKIP() << "SKIPPED: " << reason;
    }
    static ino_t currentNetns() {
        struct stat found {};
        checked("stat", ::stat("/proc/thread-self/ns/net", &found));
        return found.st_ino;
    }
};

TEST_F(LinuxKernelTest, TheCallersNamespaceNeverChanges) {
    const ino_t before = currentNetns();
    const UniqueFd fd = newNetns();
    LinuxKernel kernel(fd.get());
    ino_t inside = 0;
    kernel.inside([&] { inside = currentNetns(); });
    EXPECT_NE(inside, before);
    EXPECT_EQ(currentNetns(), before);
    EXPECT_EQ(kernel.sysctl("ipv4/conf/lo/arp_notify"), "0");
    EXPECT_EQ(kernel.links().size(), 1u);
    EXPECT_EQ(currentNetns(), before);
    EXPECT_THROW(kernel.inside([] { throw std::runtime_error("passed on"); }), std::runtime_error);
}

TEST_F(LinuxKernelTest, AKernelOfTheCurrentNamespaceStaysWithItOnOtherThreads) {
    std::unique_ptr<LinuxKernel> kernel;
    std::thread pod([&] {
        checked("unshare", ::unshare(CLONE_NEWNET));
        kernel = std::make_unique<LinuxKernel>();
        kernel->setSysctl("ipv4/conf/lo/arp_notify", "1");
    });
    pod.join();
    LinuxKernel here;
    EXPECT_FALSE(kernel->sameNetns(here));
    EXPECT_EQ(kernel->sysctl("ipv4/conf/lo/arp_notify"), "1");
    EXPECT_EQ(kernel->links().size(), 1u);
}

TEST_F(LinuxKernelTest, ManyThreadsWorkInTheirOwnNamespaces) {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&failures, i] {
            try {
                const UniqueFd a = newNetns(), b = newNetns();
                LinuxKernel host(a.get()), pod(b.get());
                const std::string name = "nic" + std::to_string(i);
                host.addVeth({.name = name, .mac = "", .peerName = "far", .peerMac = "", .mtu = 0}, pod);
                pod.setSysctl("ipv4/conf/far/arp_notify", "1");
                if (!host.linkByName(name) || host.links().size() != 2 || pod.sysctl("ipv4/conf/far/arp_notify") != "1")
                    ++failures;
            } catch (const std::exception&) {
                ++failures;
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
}

TEST_F(LinuxKernelTest, LongDumpsArriveWhole) {
    const UniqueFd fd = newNetns();
    LinuxKernel kernel(fd.get());
    for (int i = 0; i < 120; ++i)
        kernel.addVeth({.name = "a" + std::to_string(i), .mac = "", .peerName = "b" + std::to_string(i), .peerMac = "", .mtu = 0},
                       kernel);
    EXPECT_EQ(kernel.links().size(), 241u);
}

TEST_F(LinuxKernelTest, IptablesRulesInOtherWordsAreRecognised) {
    const UniqueFd fd = newNetns();
    LinuxKernel kernel(fd.get());
    // iptables-save prints this as "-s 10.0.0.0/8 ... --set-xmark 0x7/0xff".
    const IptablesRule rule{"-t", "mangle", "-A", "OUTPUT", "-s", "10.0.0.0/255.0.0.0", "-j", "MARK", "--set-xmark", "7/255"};
    if (const std::string text = refusalText([&] { kernel.ensureIptablesRules({rule}, AF_INET); }); !text.empty())
        GTEST_SKIP() << "SKIPPED: the packet filter does not work here: " << text;
    kernel.ensureIptablesRules({rule, rule}, AF_INET);
    EXPECT_EQ(kernel.iptablesRules("mangle", AF_INET).size(), 1u);
    kernel.ensureIptablesRules({{"-t", "mangle", "-A", "OUTPUT", "-d", "fd00::1", "-j", "ACCEPT"}}, AF_INET6);
    EXPECT_EQ(kernel.iptablesRules("mangle", AF_INET6).size(), 1u);
    EXPECT_EQ(kernel.iptablesRules("mangle", AF_INET).size(), 1u);
}

} // namespace
} // namespace rdmalab::plugin
