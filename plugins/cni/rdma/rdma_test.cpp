#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/cni/testing/fake_sriov_node.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const json previous = json::parse(R"({"cniVersion":"1.0.0","interfaces":[{"name":"net1","mac":"02:aa:00:00:00:05",
    "sandbox":"/run/netns/pod1","mtu":9000}],"ips":[{"address":"10.1.0.2/24","interface":0}],"dns":{"domain":"x"}})");

class Rdma : public ::testing::Test {
protected:
    Rdma() {
        node.addPf("ens6f0np0", 2);
        node.addPod("pod1");
        services.now = [] { return std::chrono::system_clock::time_point(std::chrono::seconds(1700000000)); };
        services.vfKernel = [this](Kernel&) { return std::make_unique<testing::FakeVfKernel>(node); };
        services.rdmaKernel = [this](Kernel& netns) {
            return std::make_unique<testing::FakeRdmaKernel>(node, dynamic_cast<testing::FakeSriovKernel&>(netns).netns());
        };
    }
    static json config(const json& extra = json::object()) {
        json object{
            {"cniVersion", "1.0.0"}, {"name", "rail"}, {"type", "rdma"}, {"deviceID", "0000:af:00.2"}, {"prevResult", previous}};
        object.update(extra);
        return object;
    }
    CniOutcome run(const std::string& command, const json& input = config(), const std::string& netns = "/run/netns/pod1",
                   const std::string& args = "") {
        CniInvocation call;
        call.environment = {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "c1"}, {"CNI_NETNS", netns},
                            {"CNI_IFNAME", "net1"},   {"CNI_ARGS", args},        {"CNI_PATH", "/opt/cni/bin"}};
        call.input = input.dump();
        return rdmaMain(call, services);
    }
    std::string message(const CniOutcome& outcome) {
        return outcome.output.empty() ? "" : stringOf(parseJson(outcome.output), "msg");
    }
    std::string failureOf(const json& input) { return message(run("ADD", input)); }
    std::string& state() { return node.files.content["/var/lib/cni/rdma/rail-c1-net1"]; }
    bool hasState() { return node.files.content.count("/var/lib/cni/rdma/rail-c1-net1") != 0; }

    testing::FakeSriovNode node;
    testing::FakeSriovKernel host{node, "host"};
    testing::FakeExec exec;
    CniServices services{host, node.files, exec, {}, {}};
};

TEST_F(Rdma, MovesTheVfsDeviceAndPassesTheResultOn) {
    const auto outcome = run("ADD");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_EQ(parseJson(outcome.output), previous);
    EXPECT_THAT(node.log, ElementsAre("rdma sys get in host", "rdma dump in host", "rdma set 3 from host to pod1"));
    EXPECT_EQ(node.whereIsRdma("mlx5_3"), "pod1");
    EXPECT_EQ(state(),
              R"({"version":"1.0","deviceID":"0000:af:00.2","sandboxRdmaDevName":"mlx5_3","containerRdmaDevName":"mlx5_3"})");
    EXPECT_EQ(node.files.modes["/var/lib/cni/rdma/rail-c1-net1"], 0600u);
    EXPECT_EQ(outcome.errors, "2023-11-14T22:13:20Z INF RDMA-CNI: cmdAdd\n");
}

TEST_F(Rdma, NeedsAChainBeforeAnythingElse) {
    node.mode = RdmaNetnsMode::shared;
    auto input = config();
    input.erase("prevResult");
    EXPECT_EQ(failureOf(input), "RDMA-CNI is expected to be called as part of a plugin chain");
    EXPECT_THAT(node.log, IsEmpty());
    EXPECT_THAT(failureOf(config({{"prevResult", {{"cniVersion", "0.2.0"}}}})), HasSubstr("could not parse prevResult: "));
}

TEST_F(Rdma, RefusesSharedMode) {
    node.mode = RdmaNetnsMode::shared;
    EXPECT_EQ(failureOf(config()),
              "RDMA subsystem namespace awareness mode is set to shared, expecting it to be set to exclusive, "
              "invalid system configurations");
    EXPECT_THAT(node.logged("rdma set"), IsEmpty());
}

TEST_F(Rdma, KernelWithoutRdma) {
    node.refusals["rdma"] = EPROTONOSUPPORT;
    EXPECT_EQ(failureOf(config()), "failed to get RDMA subsystem namespace awareness mode. protocol not supported");
    services.rdmaKernel = {};
    EXPECT_EQ(failureOf(config()), "failed to get RDMA subsystem namespace awareness mode. operation not supported");
}

TEST_F(Rdma, OnlyRealDirectoriesAreDevices) {
    node.files.directories.erase("/sys/devices/pci0000:ae/0000:af:00.2/infiniband/mlx5_3");
    const std::string none = "failed to get RDMA device for device ID 0000:af:00.2: no RDMA devices found";
    EXPECT_EQ(failureOf(config()), none);
    node.files.links["/sys/devices/pci0000:ae/0000:af:00.2/infiniband/mlx5_3"] = "/sys/class/infiniband/mlx5_3";
    EXPECT_EQ(failureOf(config()), none);
}

TEST_F(Rdma, TwoDevicesAreTooMany) {
    node.files.directories.insert("/sys/devices/pci0000:ae/0000:af:00.2/infiniband/mlx5_9");
    EXPECT_EQ(failureOf(config()), "failed to get RDMA device for device ID 0000:af:00.2: discovered more than one RDMA device "
                                   "[mlx5_3 mlx5_9]. Unsupported state");
}

TEST_F(Rdma, SubFunctionsAreOnTheAuxiliaryBus) {
    node.files.directories.insert("/sys/bus/auxiliary/devices/mlx5_core.sf.4/infiniband/mlx5_2");
    EXPECT_EQ(run("ADD", config({{"deviceID", "mlx5_core.sf.4"}})).exitStatus, 0);
    EXPECT_EQ(node.whereIsRdma("mlx5_2"), "pod1");
    EXPECT_EQ(failureOf(config({{"deviceID", "0000:af:00.9"}})),
              "failed to get RDMA device for device ID 0000:af:00.9: no RDMA devices found");
}

TEST_F(Rdma, DeviceByAdminMac) {
    auto input = config();
    input.erase("deviceID");
    EXPECT_EQ(failureOf(input), "failed to derive PCI device ID from mac \"02:aa:00:00:00:05\". could not find VF PCI device "
                                "according to administrative mac address set on PF");
    node.vf(0).mac = node.vf(1).mac = "02:aa:00:00:00:05";
    EXPECT_EQ(failureOf(input),
              "failed to derive PCI device ID from mac \"02:aa:00:00:00:05\". found more than one VF PCI device "
              "matching provided administrative mac address");
    node.vf(0).mac = "02:aa:00:00:00:06";
    ASSERT_EQ(run("ADD", input).exitStatus, 0);
    EXPECT_EQ(node.whereIsRdma("mlx5_3"), "pod1");
    EXPECT_THAT(state(), HasSubstr("0000:af:00.2"));
    input["prevResult"]["interfaces"].push_back({{"name", "veth"}});
    EXPECT_EQ(failureOf(input), "\"DeviceID\" network configuration attribute is required for rdma CNI");
}

TEST_F(Rdma, DeviceThatIsNotHere) {
    node.rdma.erase(node.rdma.begin() + 1);
    EXPECT_EQ(failureOf(config()),
              "failed to move RDMA device mlx5_3 to namespace. failed to move RDMA device mlx5_3 to namespace. "
              "cannot find RDMA link from name: mlx5_3");
}

TEST_F(Rdma, DriverThatCannotMove) {
    node.refusals["rdma set"] = EOPNOTSUPP;
    EXPECT_EQ(failureOf(config()),
              "failed to move RDMA device mlx5_3 to namespace. failed to move RDMA device mlx5_3 to namespace. "
              "failed to move RDMA dev mlx5_3 to namespace. operation not supported");
    EXPECT_FALSE(hasState());
}

TEST_F(Rdma, NamespaceThatDoesNotExist) {
    EXPECT_EQ(
        message(run("ADD", config(), "/run/netns/none")),
        "failed to move RDMA device mlx5_3 to namespace. failed to open network namespace /run/netns/none: failed to Statfs "
        "\"/run/netns/none\": no such file or directory");
}

TEST_F(Rdma, StateThatCannotBeWrittenMovesTheDeviceBack) {
    node.files.readOnly.insert("/var/lib/cni/rdma");
    EXPECT_EQ(failureOf(config()), "failed to write cache data in the path(\"/var/lib/cni/rdma/rail-c1-net1\"): open "
                                   "/var/lib/cni/rdma/rail-c1-net1: read-only file system");
    EXPECT_EQ(node.whereIsRdma("mlx5_3"), "host");
}

TEST_F(Rdma, DelBringsTheDeviceBackInWhateverMode) {
    run("ADD");
    node.log.clear();
    ASSERT_EQ(run("DEL").exitStatus, 0);
    EXPECT_THAT(node.log, ElementsAre("rdma dump in pod1", "rdma set 3 from pod1 to host"));
    EXPECT_EQ(node.whereIsRdma("mlx5_3"), "host");
    EXPECT_FALSE(hasState());
    const auto again = run("DEL");
    EXPECT_EQ(again.exitStatus, 0);
    EXPECT_THAT(again.errors,
                HasSubstr("WRN failed to load cache entry(\"rail-c1-net1\"). it may have been deleted by a previous "
                          "CMD_DEL call. failed to read cache data in the path(\"/var/lib/cni/rdma/rail-c1-net1\"): open "
                          "/var/lib/cni/rdma/rail-c1-net1: no such file or directory"));
}

TEST_F(Rdma, DelWithoutNamespaceLeavesTheState) {
    run("ADD");
    EXPECT_EQ(run("DEL", config(), "").exitStatus, 0);
    EXPECT_TRUE(hasState());
}

TEST_F(Rdma, DelOfANamespaceThatIsGoneFailsEveryTime) {
    run("ADD");
    node.endPod("pod1");
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(message(run("DEL")),
                  "failed to restore RDMA device mlx5_3 to default namespace. failed to open network namespace "
                  "/run/netns/pod1: failed to Statfs \"/run/netns/pod1\": no such file or directory");
    EXPECT_EQ(node.whereIsRdma("mlx5_3"), "host"); // the kernel's doing
}

TEST_F(Rdma, DeviceThatLeftThePodOnItsOwn) {
    run("ADD");
    node.rdma[1].netns = "host";
    EXPECT_EQ(message(run("DEL")),
              "failed to restore RDMA device mlx5_3 to default namespace. failed to move RDMA device mlx5_3 to "
              "default namespace. cannot find RDMA link from name: mlx5_3");
    EXPECT_TRUE(hasState());
}

TEST_F(Rdma, CheckSucceedsWithEverythingMissing) {
    auto input = config();
    input.erase("prevResult");
    EXPECT_EQ(run("CHECK", input).exitStatus, 0);
}

TEST_F(Rdma, ArgsAndDebug) {
    EXPECT_EQ(message(run("ADD", config(), "/run/netns/pod1", "FOO=1")), "ARGS: unknown args [\"FOO=1\"]");
    const auto outcome = run("ADD", config({{"args", {{"cni", {{"debug", true}}}}}}), "/run/netns/pod1", "IgnoreUnknown=1;FOO=1");
    EXPECT_EQ(outcome.exitStatus, 0);
    EXPECT_THAT(outcome.errors, HasSubstr("DBG moving RDMA device mlx5_3 to namespace /run/netns/pod1"));
}

TEST_F(Rdma, OldResultsAreKeptInTheirVersion) {
    const json old = json::parse(R"({"cniVersion":"0.3.1","interfaces":[{"name":"net1","mac":"02:aa:00:00:00:05","sandbox":"s"}],
        "ips":[{"version":"4","address":"10.1.0.2/24","interface":0}],"dns":{}})");
    const auto outcome = run("ADD", config({{"cniVersion", "0.3.1"}, {"prevResult", old}}));
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_EQ(parseJson(outcome.output), old);
}

} // namespace
} // namespace rdmalab::plugin
