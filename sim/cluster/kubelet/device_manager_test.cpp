#include "sim/cluster/kubelet/base64.h"
#include "sim/cluster/kubelet/device_checkpoint.h"
#include "sim/cluster/testing/cluster_fixture.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* hca = "rdma/hca";

class DeviceManagerTest : public ClusterTest {
protected:
    void SetUp() override {
        ClusterTest::SetUp();
        node = &addNode("n1");
    }
    DeviceCheckpoint checkpoint() { return decodeCheckpoint(node->memory.read(deviceCheckpointPath)); }
    // As a user who sets spec.nodeName.
    static Json bound(Json pod) {
        pod["spec"]["nodeName"] = "n1";
        return pod;
    }
    FakeNodeHost* node = nullptr;
};

TEST_F(DeviceManagerTest, ForeignVersionIsRefused) {
    node->addPlugin("p.sock", hca, healthy(1));
    node->registerPlugin("p.sock", "v1alpha");
    settle();
    EXPECT_THAT(node->registrationErrors,
                ElementsAre("requested API version \"v1alpha\" is not supported by kubelet. Supported version is [\"v1beta1\"]"));
    EXPECT_EQ(capacity("n1", hca), "");
}

TEST_F(DeviceManagerTest, NameMustBeAnExtendedResource) {
    for (const char* name : {"hca", "rdma/hca_", "kubernetes.io/hca", "x.kubernetes.io/hca", "requests.rdma/hca", "rdma/"}) {
        node->addPlugin("p.sock", name, healthy(1));
        node->registerPlugin("p.sock");
        settle();
        EXPECT_EQ(node->registrationErrors.back(), "the ResourceName \"" + std::string(name) + "\" is invalid");
    }
    EXPECT_TRUE(isExtendedResourceName("spidernet.io/hca_shared_devices"));
}

TEST_F(DeviceManagerTest, PluginThatDoesNotServeFailsRegistration) {
    node->registration({"v1beta1", "absent.sock", hca}, [&](const Result<Done>& result) {
        EXPECT_THAT(result.error, StartsWith("failed to dial device plugin:"));
    });
    settle();
}

TEST_F(DeviceManagerTest, CapacityCountsAllAndAllocatableOnlyHealthy) {
    FakePlugin& plugin = addPlugin(*node, hca, 0);
    plugin.send({{"a", "Healthy", {}}, {"b", "Healthy", {}}, {"c", "Healthy", {}}, {"d", "Unhealthy", {}}});
    settle();
    EXPECT_EQ(capacity("n1", hca), "4");
    EXPECT_EQ(allocatable("n1", hca), "3");
    plugin.send({{"a", "Healthy", {}}, {"e", "healthy", {}}}); // a replacement; lower case is not Healthy
    settle();
    EXPECT_EQ(capacity("n1", hca), "2");
    EXPECT_EQ(allocatable("n1", hca), "1");
}

TEST_F(DeviceManagerTest, ThousandDevicesPrintCanonically) {
    addPlugin(*node, hca, 1000);
    EXPECT_EQ(capacity("n1", hca), "1k");
    EXPECT_EQ(allocatable("n1", hca), "1k");
}

TEST_F(DeviceManagerTest, StoppedPluginKeepsCapacityForFiveMinutes) {
    FakePlugin& plugin = addPlugin(*node, hca, 4);
    plugin.close();
    settle();
    EXPECT_EQ(capacity("n1", hca), "4");
    EXPECT_EQ(allocatable("n1", hca), "0");
    pass(299s);
    EXPECT_EQ(capacity("n1", hca), "4");
    pass(2s);
    EXPECT_EQ(capacity("n1", hca), "0");
    EXPECT_EQ(allocatable("n1", hca), "0");
}

TEST_F(DeviceManagerTest, ReRegistrationWithinTheGraceRestores) {
    FakePlugin& plugin = addPlugin(*node, hca, 4);
    create(devicePod("p", hca, 1));
    plugin.close();
    pass(200s);
    node->registerPlugin("p.sock");
    settle();
    EXPECT_EQ(allocatable("n1", hca), "4");
    pass(400s);
    EXPECT_EQ(allocatable("n1", hca), "4");
    EXPECT_EQ(phase("p"), "Running");
}

TEST_F(DeviceManagerTest, SecondPluginTakesOverAndTheFirstOnesEndHurtsIt) {
    FakePlugin& first = addPlugin(*node, hca, 2, "a.sock");
    FakePlugin& second = addPlugin(*node, hca, 3, "b.sock");
    EXPECT_EQ(capacity("n1", hca), "3");
    create(devicePod("p", hca, 1));
    EXPECT_THAT(first.allocations, IsEmpty());
    EXPECT_THAT(second.allocations, SizeIs(1));
    first.send(healthy(5)); // whoever sends last decides the list
    settle();
    EXPECT_EQ(capacity("n1", hca), "5");
    first.close();
    settle();
    EXPECT_EQ(allocatable("n1", hca), "0");
}

TEST_F(DeviceManagerTest, UnhealthyDeviceDoesNotHurtARunningPod) {
    FakePlugin& plugin = addPlugin(*node, hca, 1);
    create(devicePod("p", hca, 1));
    plugin.send({{"0", "Unhealthy", {}}});
    pass(10s);
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_TRUE(ready("p"));
}

TEST_F(DeviceManagerTest, AllocatesInNaturalOrderAndWritesTheCheckpoint) {
    FakePlugin& plugin = addPlugin(*node, hca, 0);
    plugin.send({{"hca-10", "Healthy", {1}}, {"hca-2", "Healthy", {0}}, {"hca-1", "Healthy", {}}, {"hca-30", "Healthy", {}}});
    plugin.response.envs["RDMA"] = "yes";
    settle();
    create(devicePod("p", hca, 3));
    ASSERT_EQ(phase("p"), "Running");
    EXPECT_THAT(plugin.allocations, ElementsAre(ElementsAre("hca-1", "hca-2", "hca-10")));
    const auto file = checkpoint();
    ASSERT_THAT(file.entries, SizeIs(1));
    EXPECT_EQ(file.entries[0].podUid, uidOf(get("p")));
    EXPECT_EQ(file.entries[0].container, "c");
    EXPECT_THAT(file.entries[0].ids.at(-1), ElementsAre("hca-1"));
    EXPECT_THAT(file.entries[0].ids.at(0), ElementsAre("hca-2"));
    EXPECT_THAT(file.entries[0].ids.at(1), ElementsAre("hca-10"));
    EXPECT_EQ(file.entries[0].response.envs.at("RDMA"), "yes");
    EXPECT_THAT(file.registered.at(hca), SizeIs(4));
    EXPECT_EQ(plugin.preferredCalls, 0); // the option is off
    EXPECT_EQ(node->started.back().env.at("RDMA"), "yes");
}

TEST_F(DeviceManagerTest, PreferenceIsCutToWhatIsAvailableAndFilledUp) {
    FakePlugin& plugin = addPlugin(*node, hca, 4);
    plugin.options.preferredAllocationAvailable = true;
    node->registerPlugin("p.sock");
    settle();
    plugin.preferred = {{"3", "nonsense"}};
    create(devicePod("p", hca, 2));
    EXPECT_THAT(plugin.allocations, ElementsAre(ElementsAre("0", "3")));
}

TEST_F(DeviceManagerTest, InitContainerHandsItsDeviceOn) {
    addPlugin(*node, hca, 2);
    node->scripts["init"].exits = {0};
    create(pod("p", {container("app", {{hca, "1"}})}, {{"initContainers", Json::array({container("init", {{hca, "2"}})})}}));
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_THAT(ids("n1", "p", "init"), ElementsAre("0", "1"));
    EXPECT_THAT(ids("n1", "p", "app"), ElementsAre("0"));
    // The pod counts as 2 in all: nothing is left, but not as 3, which would never have fitted.
    create(devicePod("q", hca, 1));
    EXPECT_EQ(nodeOf("q"), "");
}

TEST_F(DeviceManagerTest, SidecarKeepsItsDevice) {
    addPlugin(*node, hca, 2);
    Json sidecar = container("side", {{hca, "1"}});
    sidecar["restartPolicy"] = "Always";
    create(pod("p", {container("app", {{hca, "1"}})}, {{"initContainers", Json::array({sidecar})}}));
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_THAT(ids("n1", "p", "side"), ElementsAre("0"));
    EXPECT_THAT(ids("n1", "p", "app"), ElementsAre("1"));
}

TEST_F(DeviceManagerTest, AppContainersShareNothing) {
    addPlugin(*node, hca, 2);
    create(pod("p", {container("a", {{hca, "1"}}), container("b", {{hca, "1"}})}));
    EXPECT_THAT(ids("n1", "p", "a"), ElementsAre("0"));
    EXPECT_THAT(ids("n1", "p", "b"), ElementsAre("1"));
}

TEST_F(DeviceManagerTest, AllocateErrorRejectsThePodAndLeaksNothing) {
    FakePlugin& plugin = addPlugin(*node, hca, 1);
    plugin.allocateError = "rpc error: code = Unknown desc = boom";
    create(devicePod("p", hca, 1));
    EXPECT_EQ(phase("p"), "Failed");
    EXPECT_EQ(reason("p"), "UnexpectedAdmissionError");
    EXPECT_EQ(message("p"),
              "Pod was rejected: Allocate failed due to rpc error: code = Unknown desc = boom, which is unexpected");
    EXPECT_THAT(events("UnexpectedAdmissionError"),
                ElementsAre("Allocate failed due to rpc error: code = Unknown desc = boom, which is unexpected"));
    EXPECT_EQ(node->countPrefix("sandbox"), 0);
    plugin.allocateError.clear();
    create(devicePod("q", hca, 1));
    EXPECT_EQ(phase("q"), "Running");
    pass(600s);
    EXPECT_EQ(phase("p"), "Failed"); // for ever
}

TEST_F(DeviceManagerTest, EmptyAllocateResponseRejectsThePod) {
    addPlugin(*node, hca, 1).emptyResponse = true;
    create(devicePod("p", hca, 1));
    EXPECT_EQ(reason("p"), "UnexpectedAdmissionError");
    EXPECT_THAT(message("p"), HasSubstr("no containers return in allocation response"));
}

TEST_F(DeviceManagerTest, RestartedContainerKeepsItsDevices) {
    FakePlugin& plugin = addPlugin(*node, hca, 2);
    plugin.options.preStartRequired = true;
    node->registerPlugin("p.sock");
    settle();
    create(devicePod("p", hca, 1));
    EXPECT_EQ(plugin.preStarts, 1);
    node->crash("c", 1);
    settle();
    EXPECT_EQ(get("p")["status"]["containerStatuses"][0]["restartCount"], 1);
    EXPECT_EQ(plugin.preStarts, 2);
    EXPECT_THAT(plugin.allocations, SizeIs(1));
    EXPECT_THAT(ids("n1", "p", "c"), ElementsAre("0"));
}

TEST_F(DeviceManagerTest, FailedPreStartBlocksTheContainer) {
    FakePlugin& plugin = addPlugin(*node, hca, 1);
    plugin.options.preStartRequired = true;
    plugin.preStartError = "no reset";
    node->registerPlugin("p.sock");
    settle();
    create(devicePod("p", hca, 1));
    const Json waiting = get("p")["status"]["containerStatuses"][0]["state"]["waiting"];
    EXPECT_EQ(waiting["reason"], "CreateContainerConfigError");
    EXPECT_EQ(waiting["message"], "device plugin PreStartContainer rpc failed with err: no reset");
    plugin.preStartError.reset();
    pass(11s);
    EXPECT_EQ(phase("p"), "Running");
}

TEST_F(DeviceManagerTest, FirstAnswerWinsWhenResourcesDisagree) {
    FakePlugin& a = addPlugin(*node, "rdma/a", 1, "a.sock");
    FakePlugin& b = addPlugin(*node, "rdma/b", 1, "b.sock");
    a.response = {{{"DEV", "a"}}, {{"/m", "/host/a", true}}, {{"/dev/x", "/dev/a", "rw"}}, {}, {}};
    b.response = {
        {{"DEV", "b"}, {"B", "1"}}, {{"/m", "/host/b", true}}, {{"/dev/x", "/dev/b", "rw"}, {"/dev/y", "/dev/y", "r"}}, {}, {}};
    create(pod("p", {container("c", {{"rdma/a", "1"}, {"rdma/b", "1"}})}));
    const ContainerConfig& config = node->started.back();
    EXPECT_EQ(config.env.at("DEV"), "a");
    EXPECT_EQ(config.env.at("B"), "1");
    EXPECT_THAT(config.devices, ElementsAre(DeviceSpec{"/dev/x", "/dev/a", "rw"}, DeviceSpec{"/dev/y", "/dev/y", "r"}));
    ASSERT_THAT(config.mounts, SizeIs(1));
    EXPECT_EQ(config.mounts[0].hostPath, "/host/a");
    EXPECT_THAT(kubeletLog, Contains(HasSubstr("environment variable DEV is already set to a")));
}

TEST_F(DeviceManagerTest, ReleaseIsLazyInTheFile) {
    addPlugin(*node, hca, 1);
    create(devicePod("p", hca, 1));
    const std::string old = uidOf(get("p"));
    remove("p");
    ASSERT_TRUE(get("p").is_null());
    ASSERT_THAT(checkpoint().entries, SizeIs(1));
    EXPECT_EQ(checkpoint().entries[0].podUid, old);
    create(devicePod("p", hca, 1)); // the same name, another uid
    EXPECT_EQ(phase("p"), "Running");
    ASSERT_THAT(checkpoint().entries, SizeIs(1));
    EXPECT_EQ(checkpoint().entries[0].podUid, uidOf(get("p")));
}

TEST_F(DeviceManagerTest, PodBoundByHandRunsWithoutAResourceTheNodeNeverHad) {
    create(bound(devicePod("p", hca, 1)));
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_THAT(node->started.back().devices, IsEmpty());
}

TEST_F(DeviceManagerTest, PodBoundByHandToAFullNodeIsRejected) {
    addPlugin(*node, hca, 1);
    create(devicePod("p", hca, 1));
    create(bound(devicePod("q", hca, 1)));
    EXPECT_EQ(phase("q"), "Failed");
    EXPECT_THAT(message("q"), HasSubstr("requested number of devices unavailable for rdma/hca. Requested: 1, Available: 0"));
    create(bound(pod("r", {container("c", {{"cpu", "100"}})})));
    EXPECT_EQ(reason("r"), "OutOfcpu");
    EXPECT_EQ(message("r"),
              "Pod was rejected: Node didn't have enough resource: cpu, requested: 100000, used: 0, capacity: 8000");
    EXPECT_THAT(events("OutOfcpu"),
                ElementsAre("Node didn't have enough resource: cpu, requested: 100000, used: 0, capacity: 8000"));
}

TEST_F(DeviceManagerTest, PluginDownAtAdmission) {
    addPlugin(*node, hca, 1).close();
    settle();
    create(bound(devicePod("p", hca, 1)));
    EXPECT_EQ(message("p"),
              "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices "
              "rdma/hca, which is unexpected");
    pass(301s);
    create(devicePod("late", hca, 1));
    EXPECT_EQ(nodeOf("late"), "");
}

TEST_F(DeviceManagerTest, KubeletRestartKeepsPodsAndWaitsForPlugins) {
    FakePlugin& plugin = addPlugin(*node, hca, 2);
    create(devicePod("p", hca, 1));
    const Json before = get("p")["status"];
    node->log.clear();
    cluster->kubelet("n1").stop();
    node->crash("nobody", 1);
    settle();
    cluster->kubelet("n1").start();
    settle();
    EXPECT_EQ(capacity("n1", hca), "0");
    EXPECT_EQ(phase("p"), "Running");
    node->registerPlugin("p.sock");
    settle();
    EXPECT_EQ(allocatable("n1", hca), "2");
    EXPECT_THAT(node->log, ElementsAre("kubelet down", "kubelet up")); // no Allocate, sandbox or start again
    EXPECT_THAT(ids("n1", "p", "c"), ElementsAre("0"));
    EXPECT_EQ(get("p")["status"], before);
    create(devicePod("q", hca, 1));
    EXPECT_THAT(plugin.allocations.back(), ElementsAre("1"));
    remove("p");
    EXPECT_TRUE(get("p").is_null());
}

TEST_F(DeviceManagerTest, ContainerThatEndedWhileKubeletWasDownIsRestarted) {
    create(pod("p", {container("c")}));
    cluster->kubelet("n1").stop();
    node->crash("c", 3);
    settle();
    cluster->kubelet("n1").start();
    settle();
    const Json status = get("p")["status"]["containerStatuses"][0];
    EXPECT_EQ(status["restartCount"], 1);
    EXPECT_EQ(status["lastState"]["terminated"]["exitCode"], 3);
}

TEST_F(DeviceManagerTest, RebootBeforeThePluginIsUpRejectsThePod) {
    addPlugin(*node, hca, 2);
    create(devicePod("p", hca, 1));
    cluster->kubelet("n1").stop();
    cluster->kubelet("n1").forgetContainers();
    node->containers.clear();
    cluster->kubelet("n1").start();
    settle();
    EXPECT_EQ(phase("p"), "Failed");
    EXPECT_THAT(message("p"), HasSubstr("no healthy devices present"));
}

TEST_F(DeviceManagerTest, CorruptCheckpointMeansNoAllocations) {
    addPlugin(*node, hca, 1);
    create(devicePod("p", hca, 1));
    cluster->kubelet("n1").stop();
    node->memory.contents[deviceCheckpointPath] = "{\"Data\":";
    cluster->kubelet("n1").start();
    settle();
    EXPECT_THAT(kubeletLog, Contains(StartsWith("Continue after failing to read checkpoint file.")));
    EXPECT_THAT(ids("n1", "p", "c"), IsEmpty());
    EXPECT_EQ(phase("p"), "Running");
}

TEST_F(DeviceManagerTest, PodResourcesAreThereDuringCniAddAndGroupedByNuma) {
    FakePlugin& plugin = addPlugin(*node, hca, 0);
    plugin.send({{"a", "Healthy", {0}}, {"b", "Healthy", {1}}, {"c", "Healthy", {0}}});
    settle();
    std::vector<PodResources> seen;
    node->onSandbox = [&](const SandboxConfig&) { seen = cluster->kubelet("n1").podResources(); };
    create(devicePod("p", hca, 3));
    ASSERT_THAT(seen, SizeIs(1));
    EXPECT_EQ(seen[0].name, "p");
    EXPECT_THAT(seen[0].containers[0].devices,
                ElementsAre(ContainerDevices{hca, {"a", "c"}, {0}}, ContainerDevices{hca, {"b"}, {1}}));
    EXPECT_TRUE(cluster->kubelet("n1").podResources("default", "p").has_value());
    EXPECT_THAT(cluster->kubelet("n1").allocatableDevices(), SizeIs(2));
}

TEST_F(DeviceManagerTest, CheckpointHasUpstreamsShape) {
    DeviceCheckpoint file;
    file.entries.push_back({"u", "c", hca, {{-1, {"id2"}}, {0, {"id1"}}}, {{{"A", "1"}}, {}, {}, {}, {}}});
    file.registered[hca] = {"id1", "id2"};
    const std::string text = encodeCheckpoint(file);
    EXPECT_THAT(text, StartsWith(R"({"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"rdma/hca",)"));
    EXPECT_THAT(text, HasSubstr(R"("RegisteredDevices":{"rdma/hca":["id1","id2"]}},"Checksum":)"));
    const auto old = decodeCheckpoint(
        R"({"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r/x","DeviceIDs":["1"],"AllocResp":""}],"AllDevices":{}},"Checksum":1})");
    EXPECT_THAT(old.entries[0].ids.at(-1), ElementsAre("1"));
    EXPECT_THROW(decodeCheckpoint("[]"), std::runtime_error);
    EXPECT_THROW(decodeCheckpoint(R"({"Data":{"PodDeviceEntries":[{"PodUID":"u"}]}})"), std::runtime_error);
}

TEST(Base64, RoundTripsEveryLength) {
    std::string bytes;
    for (int i = 0; i < 70; ++i) {
        EXPECT_EQ(decodeBase64(encodeBase64(bytes)), bytes);
        bytes += static_cast<char>(i * 37);
    }
    EXPECT_THROW(decodeBase64("a*b="), std::runtime_error);
}

} // namespace
} // namespace rdmalab::cluster::testing
