// A node as its processes and pods meet it: what they see in /sys and /dev is what `ip` and the machine say.
#include "harness/netns/netns_node.h"

#include "fakekernel/supervisor.h"
#include "fakesysfs/fuse_mount.h"
#include "harness/netns/fabric_wiring.h"
#include "harness/netns/node_hardware.h"
#include "harness/netns/port_wires.h"
#include "harness/netns/testing_netns.h"
#include "harness/netns/worker_pool.h"
#include "sim/clock/real_loop.h"
#include "sim/cluster/result.h"

#include <gmock/gmock.h>

namespace rdmalab::harness {
namespace {

using testing::HasSubstr;

// A CNI plugin that hands the pod what the file /vf names, under the name net1, and takes it back.
constexpr const char* moverPlugin = R"(#!/bin/sh
vf=$(cat /vf)
pod=$(basename "$CNI_NETNS")
case $CNI_COMMAND in
ADD) [ -z "$vf" ] || ip link set dev "$vf" netns "$pod" && ip -n "$pod" link set dev "$vf" name net1 up
     echo '{"cniVersion":"0.4.0","interfaces":[],"ips":[]}' ;;
esac
)";

struct Services {
    clock::RealLoop loop;
    PortWires wires;
    fakesysfs::FuseService fuse;
    fakekernel::Supervisor supervisor;
    WorkerPool workers{4};
};

class NetnsNodeTest : public NetnsTest {
protected:
    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped())
            return;
        if (!services_) {
            services_ = std::make_unique<Services>();
            addSwitchBridge("sw0", 0);
        }
        node_ = make("node-1");
    }
    void TearDown() override { node_.reset(); }
    static void TearDownTestSuite() { services_.reset(); }

    static std::unique_ptr<NetnsNode> make(const std::string& name) {
        static int index = 0;
        NetnsNodeSpec spec;
        spec.name = name;
        spec.index = index++;
        spec.addresses = {"10.255.0.1"};
        spec.cniFiles = {{"10-mover.conf", R"({"cniVersion":"0.4.0","name":"pods","type":"mover"})"}};
        spec.bridges = {{"0000:af:00.0", "sw0"}};
        auto node = std::make_unique<NetnsNode>(
            std::move(spec), connectX5(name), LabPlace{"/tmp", "/tmp"},
            LabServices{services_->loop, services_->workers, services_->wires, services_->fuse, services_->supervisor});
        node->hardware().plugPorts();
        node->files().write("/opt/cni/bin/mover", moverPlugin, 0755);
        node->files().write("/vf", "", 0644);
        return node;
    }

    template <typename Value>
    static Value await(const std::function<void(cluster::Callback<Value>)>& start) {
        std::optional<cluster::Result<Value>> result;
        start([&](cluster::Result<Value> reply) { result = std::move(reply); });
        if (!services_->loop.runUntil([&] { return result.has_value(); }, std::chrono::seconds(30)))
            throw std::runtime_error("no reply");
        if (!*result)
            throw std::runtime_error(result->error);
        return *result->value;
    }

    static Inside onNode() {
        Inside inside;
        inside.node = "node-1";
        return inside;
    }

    // What a shell in there says; a failed script's exit code ends it.
    static std::string sh(NetnsNode& node, const std::string& script, const Inside& inside = onNode()) {
        const auto done = await<ExecResult>([&](cluster::Callback<ExecResult> reply) {
            node.exec(inside, {"sh", "-c", script}, std::chrono::seconds(20), std::move(reply));
        });
        return done.output + done.errors + (done.exitCode == 0 ? "" : "exit " + std::to_string(done.exitCode));
    }
    std::string sh(const std::string& script) { return sh(*node_, script); }

    std::string macOf(const char* pci) {
        return node_->hardware().machine().lock()->findByPci(*hardware::PciAddress::parse(pci))->port.mac;
    }

    struct Pod {
        std::string sandbox, container;
        Inside inside;
    };
    Pod startPod(const std::string& vf, bool privileged = false, bool hostNetwork = false,
                 const std::vector<cluster::ContainerMount>& mounts = {}) {
        node_->files().write("/vf", vf, 0644);
        cluster::SandboxConfig config;
        config.podUid = "0123456789-uid";
        config.podNamespace = "default";
        config.podName = "web-0";
        config.hostNetwork = hostNetwork;
        Pod pod;
        pod.sandbox = await<cluster::SandboxStatus>([&](cluster::Callback<cluster::SandboxStatus> reply) {
                          node_->runPodSandbox(config, std::move(reply));
                      }).id;
        cluster::ContainerConfig container;
        container.sandboxId = pod.sandbox;
        container.podUid = config.podUid;
        container.podNamespace = config.podNamespace;
        container.podName = config.podName;
        container.name = "main";
        container.command = {"sleep", "1000"};
        container.privileged = privileged;
        container.hostNetwork = hostNetwork;
        container.mounts = mounts;
        pod.container = await<std::string>([&](cluster::Callback<std::string> reply) {
            node_->startContainer(
                container, std::move(reply), [] {}, [this](cluster::ContainerExit) { ended_ = true; });
        });
        pod.inside = onNode();
        pod.inside.podNamespace = config.podNamespace;
        pod.inside.podName = config.podName;
        pod.inside.podUid = config.podUid;
        pod.inside.container = "main";
        return pod;
    }
    void stopPod(const Pod& pod) {
        ended_ = false;
        node_->stopContainer(pod.container, 0);
        services_->loop.runUntil([this] { return ended_; }, std::chrono::seconds(20));
        await<cluster::Done>(
            [&](cluster::Callback<cluster::Done> reply) { node_->stopPodSandbox(pod.sandbox, std::move(reply)); });
    }

    static inline std::unique_ptr<Services> services_;
    std::unique_ptr<NetnsNode> node_;
    bool ended_ = false;
};

TEST_F(NetnsNodeTest, WhoWritesSriovNumvfsFindsTheFunctionsAtOnce) {
    EXPECT_EQ(sh("cd /sys/class/net/ens6f0np0/device; ls | grep -c virtfn; echo 4 > sriov_numvfs && ls -d virtfn*"),
              "0\nvirtfn0\nvirtfn1\nvirtfn2\nvirtfn3\n");
    EXPECT_EQ(sh("for v in 0 1 2 3; do cat /sys/class/net/ens6f0np0/device/virtfn$v/net/*/address; done"),
              sh("for v in 0 1 2 3; do ip -o link show ens6f0v$v | sed 's/.*ether \\([^ ]*\\).*/\\1/'; done"));
    EXPECT_EQ(sh("cd /dev/infiniband; for u in 0 1 2 3 4 5; do test -c uverbs$u && stat -c %t:%T uverbs$u; done"),
              "e7:c0\ne7:c1\ne7:c2\ne7:c3\ne7:c4\ne7:c5\n");
    EXPECT_EQ(
        sh("f=/sys/class/net/ens6f0np0/device/sriov_numvfs; echo 0 > $f && cat $f; ls /sys/class/net; "
           "ip -o link | wc -l; ls -d /sys/class/net/ens6f0np0/device/virtfn* 2>/dev/null; ls /dev/infiniband | grep -c uverbs"),
        "0\nens6f0np0\nens6f1np1\nlo\n3\n2\n");
}

TEST_F(NetnsNodeTest, InterfaceMadeAMomentAgoIsThereWithItsIndex) {
    const auto seen =
        sh("ip link add mv0 link ens6f0np0 type macvlan mode bridge && cd /sys/class/net/mv0 && cat ifindex iflink mtu; "
           "cat /sys/class/net/ens6f0np0/ifindex; readlink -f .");
    const auto index = std::to_string(node_->kernel().linkByName("mv0")->index);
    const auto below = std::to_string(node_->kernel().linkByName("ens6f0np0")->index);
    EXPECT_EQ(seen, index + "\n" + below + "\n1500\n" + below + "\n/sys/devices/virtual/net/mv0\n");
    EXPECT_EQ(sh("ip link del mv0; ls /sys/class/net"), "ens6f0np0\nens6f1np1\nlo\n");
}

TEST_F(NetnsNodeTest, RenamedPortIsRenamedInItsDevice) {
    EXPECT_EQ(sh("ip link set ens6f0np0 down; ip link set ens6f0np0 name rail0; ls /sys/bus/pci/devices/0000:af:00.0/net; "
                 "basename $(readlink -f /sys/class/net/rail0/device); test -e /sys/class/net/ens6f0np0 || echo gone"),
              "rail0\n0000:af:00.0\ngone\n");
}

TEST_F(NetnsNodeTest, VfOfAPodIsInThePodsSysAndBackWhenThePodIsGone) {
    sh("echo 2 > /sys/class/net/ens6f0np0/device/sriov_numvfs");
    const Pod pod = startPod("ens6f0v0");
    EXPECT_EQ(sh(*node_, "ls /sys/class/net; basename $(readlink -f /sys/class/net/net1/device); cat /sys/class/net/net1/address",
                 pod.inside),
              "lo\nnet1\n0000:af:00.2\n" + macOf("0000:af:00.2") + "\n");
    EXPECT_EQ(sh("ls /sys/bus/pci/devices/0000:af:00.2/net; echo; ls /sys/bus/pci/devices/0000:af:00.3/net"), "\nens6f0v1\n");
    EXPECT_THAT(sh(*node_, "echo 1 > /sys/class/net/net1/mtu", pod.inside), HasSubstr("Read-only file system"));
    stopPod(pod);
    EXPECT_EQ(sh("ls /sys/bus/pci/devices/0000:af:00.2/net; ip -br link show net1 | cut -c1-4"), "net1\nnet1\n");
}

TEST_F(NetnsNodeTest, PrivilegedHostNetworkContainerMayMakeVfs) {
    const Pod pod = startPod("", true, true);
    const auto inPod =
        sh(*node_, "echo 1 > /sys/class/net/ens6f0np0/device/sriov_numvfs && ls /sys/class/net /dev/infiniband", pod.inside);
    EXPECT_EQ(inPod, sh("ls /sys/class/net /dev/infiniband"));
    EXPECT_THAT(sh("ls /sys/class/net"), HasSubstr("ens6f0v0"));
    stopPod(pod);
}

TEST_F(NetnsNodeTest, NodesSysMountedIntoAPodIsTheNodes) {
    cluster::ContainerMount sys;
    sys.hostPath = "/sys";
    sys.containerPath = "/host/sys";
    const Pod pod = startPod("", false, false, {sys});
    EXPECT_EQ(sh(*node_, "echo 1 > /host/sys/class/net/ens6f0np0/device/sriov_numvfs; ls /host/sys/class/net /sys/class/net",
                 pod.inside),
              "/host/sys/class/net:\nens6f0np0\nens6f0v0\nens6f1np1\nlo\n\n/sys/class/net:\nlo\n");
    stopPod(pod);
}

TEST_F(NetnsNodeTest, PfDownTakesTheCarrierOfItsVfs) {
    sh("echo 1 > /sys/class/net/ens6f0np0/device/sriov_numvfs; ip link set ens6f0v0 up");
    EXPECT_EQ(sh("cat /sys/class/net/ens6f0v0/carrier; ip link set ens6f0np0 down; cat /sys/class/net/ens6f0v0/carrier; "
                 "ip link set ens6f0np0 up; cat /sys/class/net/ens6f0v0/carrier"),
              "1\n0\n1\n");
    node_->hardware().setCable("ens6f0np0", false);
    EXPECT_EQ(sh("cat /sys/class/net/ens6f0np0/carrier /sys/class/net/ens6f0v0/carrier"), "0\n0\n");
}

TEST_F(NetnsNodeTest, VfsOfTwoNodesReachEachOther) {
    const auto other = make("node-2");
    for (auto* node : {node_.get(), other.get()})
        EXPECT_EQ(sh(*node, "echo 1 > /sys/class/net/ens6f0np0/device/sriov_numvfs && ip addr add 172.16.9." +
                                std::string(node == node_.get() ? "1" : "2") + "/24 dev ens6f0v0 && ip link set ens6f0v0 up"),
                  "");
    EXPECT_THAT(sh("ping -c 1 -W 5 172.16.9.2"), HasSubstr("1 received"));
}

TEST_F(NetnsNodeTest, CharacterDevicesGoAndComeBack) {
    node_->hardware().setCharDevice("umad0", false);
    EXPECT_EQ(sh("ls /dev/infiniband | grep umad; ls -d /sys/class/infiniband_mad/umad*"),
              "umad1\n/sys/class/infiniband_mad/umad1\n");
    node_->hardware().setCharDevice("umad0", true);
    EXPECT_EQ(sh("ls /dev/infiniband | grep umad"), "umad0\numad1\n");
    EXPECT_THROW(node_->hardware().setCharDevice("umad0", true), std::runtime_error);
}

TEST_F(NetnsNodeTest, FunctionOfVfioHasItsDeviceNode) {
    sh("echo 1 > /sys/class/net/ens6f0np0/device/sriov_numvfs; d=/sys/bus/pci/devices/0000:af:00.2; "
       "echo 0000:af:00.2 > $d/driver/unbind; echo vfio-pci > $d/driver_override; echo 0000:af:00.2 > "
       "/sys/bus/pci/drivers_probe");
    EXPECT_EQ(sh("g=$(basename $(readlink /sys/bus/pci/devices/0000:af:00.2/iommu_group)); test -c /dev/vfio/$g && echo there; "
                 "ip -o link | grep -c ens6f0v0"),
              "there\n0\nexit 1");
}

TEST_F(NetnsNodeTest, NothingOfTheMachineBelowShinesThrough) {
    EXPECT_EQ(sh("ls /sys/class/net /sys/bus/pci/devices | grep -v -e ens6f -e '^lo$' -e '^$' -e /sys -e 0000:a[ef]; "
                 "ls -A /sys/fs/cgroup; test -e /sys/class/dmi && echo dmi"),
              "exit 1");
}

} // namespace
} // namespace rdmalab::harness
