// The sriov and rdma plugins on the real kernel. Its PFs are veths, which have no VFs: the executables are tested in their
// refusals, and the VF's way through the namespaces with a veth as its netdev and VF settings in memory.

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/process_exec.h"
#include "plugins/cni/testing/fake_sriov_node.h"
#include "plugins/cni/testing/pod_netns.h"
#include "plugins/kernel/file_lock.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <thread>

namespace rdmalab::plugin {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string plugins = std::string(RDMALAB_BINARY_DIR) + "/plugins";

void putFile(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

// A PF 0000:af:00.0 whose netdev is "uplink", with one VF whose netdev is "vf0", below a directory that is, or stands for, /sys.
void putDevices(const fs::path& sys) {
    const fs::path root = sys / "devices/pci0000:ae", pf = root / "0000:af:00.0", vf = root / "0000:af:00.1";
    putFile(pf / "sriov_numvfs", "1\n");
    for (const auto& path : {pf / "net/uplink", vf / "net/vf0", vf / "infiniband/mlx5_1", sys / "bus/pci/devices",
                             sys / "class/net", sys / "bus/pci/drivers/mlx5_core"})
        fs::create_directories(path);
    fs::create_symlink("../../../0000:af:00.0", pf / "net/uplink/device");
    fs::create_symlink("../0000:af:00.1", pf / "virtfn0");
    fs::create_symlink("../0000:af:00.0", vf / "physfn");
    fs::create_symlink("../../../bus/pci/drivers/mlx5_core", vf / "driver");
    for (const char* address : {"0000:af:00.0", "0000:af:00.1"})
        fs::create_symlink(std::string("../../../devices/pci0000:ae/") + address, sys / "bus/pci/devices" / address);
    fs::create_symlink("../../devices/pci0000:ae/0000:af:00.0/net/uplink", sys / "class/net/uplink");
}

class SriovNetns : public ::testing::Test {
protected:
    void SetUp() override {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
            GTEST_SKIP() << "needs the right to make network and mount namespaces: " << goErrnoText(errno);
        checked("private mounts", mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        kernel = std::make_unique<LinuxKernel>();
        kernel->addVeth({"uplink", "", "tor", "", 1500}, *kernel);
        kernel->addVeth({"vf0", "02:00:00:00:00:01", "vf0tor", "", 9000}, *kernel);
        pod = std::make_unique<testing::PodNetns>();
        ASSERT_TRUE(pod->usable());
    }
    // The executables look at /sys and keep their state below /var/lib/cni: both are this test's own.
    void replaceSystemDirectories() {
        if (!fs::exists(plugins + "/sriov") || !fs::exists(plugins + "/rdma"))
            GTEST_SKIP() << "needs the targets plugin_sriov and plugin_rdma";
        fs::create_directories("/var/lib/cni");
        for (const char* path : {"/sys", "/var/lib/cni"})
            checked("mount tmpfs", mount("tmpfs", path, "tmpfs", 0, nullptr));
        putDevices("/sys");
    }
    static std::string config(const std::string& type, const std::string& extra = "") {
        return R"({"cniVersion":"1.0.0","name":"rail","type":")" + type + R"(","deviceID":"0000:af:00.1")" + extra + "}";
    }
    CniInvocation invocation(const std::string& command, const std::string& input) {
        CniInvocation call;
        call.environment = {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "c1"}, {"CNI_NETNS", pod->path()},
                            {"CNI_IFNAME", "net1"},   {"CNI_ARGS", ""},          {"CNI_PATH", plugins}};
        call.input = input;
        return call;
    }
    static std::string message(const CniOutcome& outcome) {
        return outcome.output.empty() ? "" : stringOf(parseJson(outcome.output), "msg");
    }

    std::unique_ptr<LinuxKernel> kernel;
    std::unique_ptr<testing::PodNetns> pod;
};

TEST_F(SriovNetns, ExecutableFindsThatTheVethHasNoVfs) {
    replaceSystemDirectories();
    if (IsSkipped())
        return;
    ProcessExec exec;
    const auto outcome = exec.run(plugins + "/sriov", invocation("ADD", config("sriov")));
    EXPECT_EQ(outcome.exitStatus, 1);
    EXPECT_EQ(message(outcome), "failed to get original vf information: failed to find vf 0");
    EXPECT_TRUE(kernel->linkByName("vf0"));
    EXPECT_TRUE(fs::exists("/var/lib/cni/sriov/pci/vf_lock/0000:af:00.1.lock"));
    EXPECT_FALSE(fs::exists("/var/lib/cni/sriov/pci/0000:af:00.1"));
    const auto del = exec.run(plugins + "/sriov", invocation("DEL", config("sriov")));
    EXPECT_EQ(del.exitStatus, 0) << del.output;
    EXPECT_THAT(del.errors, HasSubstr("Cannot load config file from cache"));
    const auto version = exec.run(plugins + "/sriov", invocation("VERSION", ""));
    EXPECT_THAT(version.output, HasSubstr("\"1.1.0\"]"));
}

TEST_F(SriovNetns, ExecutableWaitsForTheLockOfTheOther) {
    replaceSystemDirectories();
    if (IsSkipped())
        return;
    fs::create_directories("/var/lib/cni/sriov/pci/vf_lock");
    auto lock = FileLock::acquire("/var/lib/cni/sriov/pci/vf_lock/0000:af:00.1.lock", 0600, std::chrono::milliseconds(0));
    ASSERT_TRUE(lock);
    putFile("/var/lib/cni/sriov/pci/0000:af:00.1", pod->path());
    std::string text;
    std::thread second([&] {
        ProcessExec exec;
        text = message(exec.run(plugins + "/sriov", invocation("ADD", config("sriov"))));
    });
    lock.reset();
    second.join();
    EXPECT_EQ(text, "SRIOV-CNI failed to load netconf: pci address 0000:af:00.1 is already allocated");
}

TEST_F(SriovNetns, RdmaExecutableAsksTheKernel) {
    replaceSystemDirectories();
    if (IsSkipped())
        return;
    ProcessExec exec;
    const auto alone = exec.run(plugins + "/rdma", invocation("ADD", config("rdma")));
    EXPECT_EQ(message(alone), "RDMA-CNI is expected to be called as part of a plugin chain");
    const auto chained =
        exec.run(plugins + "/rdma",
                 invocation("ADD", config("rdma", R"(,"prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"net1"}]})")));
    EXPECT_EQ(chained.exitStatus, 1);
    if (const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA); fd >= 0)
        ::close(fd); // this kernel has RDMA: its mode decides
    else
        EXPECT_EQ(message(chained), "failed to get RDMA subsystem namespace awareness mode. protocol not supported");
    EXPECT_EQ(exec.run(plugins + "/rdma", invocation("DEL", config("rdma"))).exitStatus, 0);
}

TEST_F(SriovNetns, NetdevGoesToThePodAndComesBackAsItWas) {
    char name[] = "/tmp/rdmalab-sriov-XXXXXX";
    const std::string root = mkdtemp(name);
    putDevices(root + "/sys");
    fs::create_directories(root + "/var/lib/cni");
    {
        LinuxFiles files(root);
        ProcessExec exec;
        testing::FakeSriovNode settings;
        VfInfo info;
        info.mac = "00:00:00:00:00:00";
        settings.vfs[kernel->linkByName("uplink")->index] = {info};
        CniServices services{*kernel, files, exec, {}, {}};
        services.vfKernel = [&](Kernel&) { return std::make_unique<testing::FakeVfKernel>(settings); };
        const auto input = config("sriov", R"(,"mac":"02:AA:00:00:00:05","vlan":100)");

        const auto added = sriovMain(invocation("ADD", input), services);
        ASSERT_EQ(added.exitStatus, 0) << added.output;
        const auto inPod = kernel->openNetns(pod->path());
        const auto link = inPod->linkByName("net1");
        ASSERT_TRUE(link);
        EXPECT_TRUE(link->up);
        EXPECT_EQ(link->mac, "02:aa:00:00:00:05");
        EXPECT_EQ(link->mtu, 9000);
        EXPECT_EQ(inPod->sysctl("ipv4/conf/net1/arp_notify"), "1");
        EXPECT_FALSE(kernel->linkByName("vf0"));
        EXPECT_EQ(settings.vf(0).vlan, 100);

        inPod->setLinkMtu(link->index, 1400);
        const auto deleted = sriovMain(invocation("DEL", input), services);
        ASSERT_EQ(deleted.exitStatus, 0) << deleted.output;
        const auto back = kernel->linkByName("vf0");
        ASSERT_TRUE(back);
        EXPECT_EQ(back->mac, "02:00:00:00:00:01");
        EXPECT_EQ(back->mtu, 9000);
        EXPECT_FALSE(back->up);
        EXPECT_EQ(settings.vf(0).vlan, 0);
        EXPECT_FALSE(fs::exists(root + "/var/lib/cni/sriov/pci/0000:af:00.1"));
        EXPECT_FALSE(fs::exists(root + "/var/lib/cni/sriov/c1-net1"));

        // A name that is taken: the VF is on the host again, under its own name.
        kernel->addVeth({"net1", "", "other", "", 1500}, *inPod);
        kernel->moveLink(kernel->linkByName("net1")->index, *inPod);
        EXPECT_THAT(message(sriovMain(invocation("ADD", input), services)),
                    HasSubstr("failed to move IF net1 to netns: file exists"));
        EXPECT_TRUE(kernel->linkByName("vf0"));
    }
    fs::remove_all(root);
}

} // namespace
} // namespace rdmalab::plugin
