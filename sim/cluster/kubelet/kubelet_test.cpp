#include "sim/cluster/testing/cluster_fixture.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* hca = "rdma/hca";

class KubeletTest : public ClusterTest {
protected:
    void SetUp() override {
        ClusterTest::SetUp();
        node = &addNode("n1");
        settle();
    }
    Json statusOf(const std::string& podName, int index = 0) {
        return get(podName)["status"]["containerStatuses"][static_cast<std::size_t>(index)];
    }
    FakeNodeHost* node = nullptr;
};

TEST_F(KubeletTest, NodeObject) {
    const Json n = get("n1", "Node");
    EXPECT_EQ(n["metadata"]["labels"]["kubernetes.io/hostname"], "n1");
    EXPECT_EQ(n["status"]["addresses"][0], Json({{"type", "InternalIP"}, {"address", "10.0.0.1"}}));
    EXPECT_EQ(n["status"]["nodeInfo"]["kubeletVersion"], "v1.35.0");
    const Json ready = condition("n1", "Ready", "Node");
    EXPECT_EQ(ready["status"], "True");
    EXPECT_EQ(ready["reason"], "KubeletReady");
    EXPECT_EQ(ready["message"], "kubelet is posting ready status");
}

TEST_F(KubeletTest, RunningPodReportsEverything) {
    create(pod("p", {container("c")}));
    const Json status = get("p")["status"];
    EXPECT_EQ(status["phase"], "Running");
    EXPECT_EQ(status["podIP"], "10.244.0.1");
    EXPECT_EQ(status["hostIP"], "10.0.0.1");
    EXPECT_EQ(status["qosClass"], "BestEffort");
    std::vector<std::string> order;
    for (const Json& c : status["conditions"]) {
        order.push_back(c["type"]);
        EXPECT_EQ(c["status"], "True") << c.dump();
    }
    EXPECT_THAT(order, ElementsAre("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"));
    EXPECT_EQ(statusOf("p")["ready"], true);
    EXPECT_EQ(statusOf("p")["restartCount"], 0);
    EXPECT_TRUE(statusOf("p")["state"].contains("running"));
    EXPECT_THAT(events("Started"), SizeIs(1));
}

TEST_F(KubeletTest, AllocateThenAddThenStartAndDownTheOtherWay) {
    FakeNodeHost& host = *node;
    addPlugin(host, hca, 1);
    host.log.clear();
    create(devicePod("p", hca, 1));
    remove("p");
    EXPECT_THAT(host.log, ElementsAre("allocate rdma/hca 0", "sandbox default/p", "start c", "stop c", "end c", "teardown"));
    EXPECT_TRUE(get("p").is_null());
    EXPECT_THAT(events("Killing"), ElementsAre("Stopping container c"));
}

TEST_F(KubeletTest, SandboxFailureIsRetriedWithEvents) {
    const std::string error =
        "rpc error: code = Unknown desc = failed to setup network for sandbox \"0a\": plugin type=\"multus\" "
        "name=\"multus-cni-network\" failed (add): no IP";
    node->sandboxErrors = {error, error};
    create(pod("p", {container("c")}));
    EXPECT_EQ(phase("p"), "Pending");
    EXPECT_EQ(statusOf("p")["state"]["waiting"]["reason"], "ContainerCreating");
    EXPECT_EQ(condition("p", "PodReadyToStartContainers")["status"], "False");
    pass(25s);
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_EQ(node->countPrefix("sandbox"), 3);
    EXPECT_THAT(events("FailedCreatePodSandBox"),
                ElementsAre("Failed to create pod sandbox: " + error, "Failed to create pod sandbox: " + error));
    EXPECT_THAT(events("SandboxChanged"), Each("Pod sandbox changed, it will be killed and re-created."));
}

TEST_F(KubeletTest, FailedTearDownIsRetriedAndThePodStays) {
    create(pod("p", {container("c")}));
    node->stopErrors = {"cni down"};
    remove("p");
    EXPECT_TRUE(isTerminating(get("p")));
    EXPECT_THAT(events("FailedKillPod"), ElementsAre(HasSubstr("cni down")));
    pass(11s);
    EXPECT_TRUE(get("p").is_null());
    EXPECT_EQ(node->count("teardown"), 2);
}

TEST_F(KubeletTest, GraceIsKeptAndForceShortensIt) {
    node->scripts["c"].ignoresTerm = true;
    create(pod("p", {container("c")}, {{"terminationGracePeriodSeconds", 40}}));
    remove("p");
    pass(39s);
    EXPECT_FALSE(get("p").is_null());
    pass(2s);
    EXPECT_TRUE(get("p").is_null());

    create(pod("q", {container("c")}));
    remove("q");
    remove("q", 2);
    pass(3s);
    EXPECT_TRUE(get("q").is_null());
}

TEST_F(KubeletTest, ForceDeletedPodStillHoldsItsDeviceForAWhile) {
    addPlugin(*node, hca, 1);
    node->scripts["c"].ignoresTerm = true;
    create(devicePod("p", hca, 1));
    remove("p", 0);
    EXPECT_TRUE(get("p").is_null());
    create(devicePod("q", hca, 1));
    EXPECT_THAT(message("q"), HasSubstr("requested number of devices unavailable for rdma/hca. Requested: 1, Available: 0"));
    pass(2s);
    EXPECT_EQ(node->count("teardown"), 1);
    create(devicePod("r", hca, 1));
    EXPECT_EQ(phase("r"), "Running");
}

TEST_F(KubeletTest, InitContainersRunInOrderAndSidecarsStay) {
    Json side = container("side");
    side["restartPolicy"] = "Always";
    node->scripts["one"].exits = {1, 0}; // fails once
    node->scripts["one"].runFor = 1s;
    node->scripts["two"].exits = {0};
    create(pod("p", {container("app")}, {{"initContainers", Json::array({container("one"), side, container("two")})}}));
    EXPECT_EQ(condition("p", "Initialized")["message"], "containers with incomplete status: [one side two]");
    EXPECT_EQ(statusOf("p")["state"]["waiting"]["reason"], "PodInitializing");
    pass(5s);
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_TRUE(ready("p"));
    EXPECT_EQ(get("p")["status"]["initContainerStatuses"][0]["restartCount"], 1);
    EXPECT_THAT(node->log, Contains("start two"));
    node->log.clear();
    remove("p");
    EXPECT_THAT(node->log, ElementsAre("stop app", "end app", "stop side", "end side", "teardown"));
}

TEST_F(KubeletTest, FailedInitContainerOfARestartNeverPod) {
    node->scripts["i"].exits = {2};
    create(pod("p", {container("c")}, {{"restartPolicy", "Never"}, {"initContainers", Json::array({container("i")})}}));
    EXPECT_EQ(phase("p"), "Failed");
    EXPECT_EQ(node->count("start c"), 0);
    EXPECT_EQ(node->count("teardown"), 1);
}

TEST_F(KubeletTest, CrashLoopDoublesFromTenSeconds) {
    node->scripts["c"].exits = {1, 1, 1, 1};
    create(pod("p", {container("c")}));
    EXPECT_EQ(node->count("start c"), 2); // the first restart comes at once
    EXPECT_EQ(statusOf("p")["state"]["waiting"]["reason"], "CrashLoopBackOff");
    EXPECT_EQ(statusOf("p")["lastState"]["terminated"]["exitCode"], 1);
    EXPECT_EQ(phase("p"), "Running");
    pass(9s);
    EXPECT_EQ(node->count("start c"), 2);
    pass(2s);
    EXPECT_EQ(node->count("start c"), 3);
    pass(18s);
    EXPECT_EQ(node->count("start c"), 3);
    pass(3s);
    EXPECT_EQ(node->count("start c"), 4);
    EXPECT_THAT(events("BackOff"), Contains(HasSubstr("Back-off restarting failed container c in pod p_default(")));
}

TEST_F(KubeletTest, RestartPolicyDecidesTheEnd) {
    node->scripts["c"].exits = {0};
    create(pod("done", {container("c")}, {{"restartPolicy", "OnFailure"}}));
    EXPECT_EQ(phase("done"), "Succeeded");
    EXPECT_EQ(condition("done", "Ready")["reason"], "PodCompleted");
    node->scripts["c"].exits = {7};
    create(pod("bad", {container("c")}, {{"restartPolicy", "Never"}}));
    EXPECT_EQ(phase("bad"), "Failed");
    EXPECT_EQ(statusOf("bad")["state"]["terminated"]["exitCode"], 7);
    EXPECT_EQ(node->count("teardown"), 2);
    remove("bad");
    EXPECT_TRUE(get("bad").is_null());
    EXPECT_EQ(node->count("teardown"), 2);
}

TEST_F(KubeletTest, ReadinessComesFromTheNode) {
    node->scripts["c"].readyAfter = 5s;
    create(pod("p", {container("c")}));
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_FALSE(ready("p"));
    EXPECT_EQ(condition("p", "Ready")["message"], "containers with unready status: [c]");
    pass(5s);
    EXPECT_TRUE(ready("p"));
}

TEST_F(KubeletTest, MissingDeviceNodeIsACreateError) {
    node->scripts["c"].startErrors = {
        "failed to generate container \"x\" spec: failed to generate spec: lstat /dev/infiniband/uverbs0: no "
        "such file or directory"};
    create(pod("p", {container("c")}));
    EXPECT_EQ(statusOf("p")["state"]["waiting"]["reason"], "CreateContainerError");
    EXPECT_THAT(events("Failed"), ElementsAre(HasSubstr("Error: failed to generate container")));
    pass(11s);
    EXPECT_EQ(phase("p"), "Running");
    EXPECT_EQ(statusOf("p")["restartCount"], 0);
}

TEST_F(KubeletTest, ConfigMapVolumeWaitsForTheConfigMap) {
    Json c = container("c");
    c["volumeMounts"] = Json::array({{{"name", "cfg"}, {"mountPath", "/etc/cfg"}},
                                     {{"name", "cfg"}, {"mountPath", "/etc/one"}, {"subPath", "a"}},
                                     {{"name", "tmp"}, {"mountPath", "/tmp"}},
                                     {{"name", "host"}, {"mountPath", "/h"}, {"readOnly", true}}});
    create(
        pod("p", {c},
            {{"volumes", Json::array({{{"name", "cfg"}, {"configMap", {{"name", "settings"}}}},
                                      {{"name", "tmp"}, {"emptyDir", Json::object()}},
                                      {{"name", "host"}, {"hostPath", {{"path", "/opt/x"}, {"type", "DirectoryOrCreate"}}}}})}}));
    EXPECT_EQ(phase("p"), "Pending");
    EXPECT_THAT(events("FailedMount"),
                Contains("MountVolume.SetUp failed for volume \"cfg\" : configmap \"settings\" not found"));
    EXPECT_EQ(node->countPrefix("sandbox"), 0);
    create(
        {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "settings"}}}, {"data", {{"a", "1"}, {"b", "2"}}}});
    pass(5s);
    ASSERT_EQ(phase("p"), "Running");
    const auto& mounts = node->started.back().mounts;
    ASSERT_THAT(mounts, SizeIs(4));
    EXPECT_EQ(mounts[0].files, (std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(node->memory.read(mounts[1].hostPath), "1");
    EXPECT_TRUE(node->memory.directories.contains(mounts[2].hostPath));
    EXPECT_EQ(mounts[3].hostPath, "/opt/x");
    EXPECT_TRUE(mounts[3].readOnly);
}

TEST_F(KubeletTest, EnvironmentAndDownwardApi) {
    Json c = container("c", {{"cpu", "1500m"}});
    c["command"] = {"sh", "-c", "echo $(NODE) $$(X)"};
    const auto field = [](const char* name, const char* path) {
        return Json{{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
    };
    c["env"] = Json::array({field("NODE", "spec.nodeName"),
                            field("IP", "status.podIP"),
                            field("HOST", "status.hostIP"),
                            field("APP", "metadata.labels['app']"),
                            {{"name", "BOTH"}, {"value", "$(APP)-$(UNKNOWN)"}},
                            {{"name", "CPUS"}, {"valueFrom", {{"resourceFieldRef", {{"resource", "limits.cpu"}}}}}}});
    c["securityContext"] = {{"privileged", true}, {"capabilities", {{"add", {"IPC_LOCK"}}}}};
    Json p = pod("p", {c});
    p["metadata"]["labels"] = {{"app", "rdma"}};
    create(p);
    const ContainerConfig& config = node->started.back();
    EXPECT_EQ(config.env.at("NODE"), "n1");
    EXPECT_EQ(config.env.at("IP"), "10.244.0.1");
    EXPECT_EQ(config.env.at("HOST"), "10.0.0.1");
    EXPECT_EQ(config.env.at("BOTH"), "rdma-$(UNKNOWN)");
    EXPECT_EQ(config.env.at("CPUS"), "2");
    EXPECT_EQ(config.command.back(), "echo n1 $(X)");
    EXPECT_THAT(config.addCapabilities, ElementsAre("IPC_LOCK"));
    EXPECT_TRUE(config.privileged);
    EXPECT_EQ(config.sandboxId, cluster->kubelet("n1").sandboxId(uidOf(get("p"))));
}

TEST_F(KubeletTest, NodeWithoutNetworkRunsOnlyHostNetworkPods) {
    FakeNodeHost& other = addNode("n2");
    settle();
    other.networkProblem = "cni plugin not initialized";
    cluster->kubelet("n2").networkChanged();
    settle();
    const Json notReady = condition("n2", "Ready", "Node");
    EXPECT_EQ(notReady["status"], "False");
    EXPECT_EQ(notReady["reason"], "KubeletNotReady");
    EXPECT_THAT(notReady["message"].get<std::string>(),
                HasSubstr("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:"));
    EXPECT_THAT(get("n2", "Node")["spec"]["taints"], SizeIs(2));
    const Json tolerate = Json::array({{{"operator", "Exists"}}});
    create(pod("plain", {container("c")}, {{"nodeName", "n2"}, {"tolerations", tolerate}}));
    create(pod("host", {container("d")}, {{"nodeName", "n2"}, {"tolerations", tolerate}, {"hostNetwork", true}}));
    EXPECT_EQ(phase("host"), "Running");
    EXPECT_EQ(phase("plain"), "Pending");
    EXPECT_THAT(events("NetworkNotReady"), Contains(HasSubstr("network is not ready: container runtime network not ready")));
    other.networkProblem.clear();
    other.crash("d", 1); // a container change makes kubelet look again
    settle();
    EXPECT_EQ(phase("plain"), "Running");
    EXPECT_EQ(condition("n2", "Ready", "Node")["status"], "True");
    EXPECT_FALSE(get("n2", "Node")["spec"].contains("taints"));
}

TEST_F(KubeletTest, SilentKubeletMakesTheNodeUnknownAndPodsGoAfterFiveMinutes) {
    create(pod("p", {container("c")},
               {{"tolerations", Json::array({{{"key", "node.kubernetes.io/unreachable"},
                                              {"operator", "Exists"},
                                              {"effect", "NoExecute"},
                                              {"tolerationSeconds", 300}}})}}));
    cluster->kubelet("n1").stop();
    pass(49s);
    EXPECT_EQ(condition("n1", "Ready", "Node")["status"], "True");
    pass(2s);
    EXPECT_EQ(condition("n1", "Ready", "Node")["status"], "Unknown");
    EXPECT_EQ(condition("n1", "Ready", "Node")["reason"], "NodeStatusUnknown");
    EXPECT_FALSE(ready("p"));
    pass(290s);
    EXPECT_FALSE(isTerminating(get("p")));
    pass(15s);
    EXPECT_TRUE(isTerminating(get("p")));
    cluster->kubelet("n1").start();
    settle();
    EXPECT_TRUE(get("p").is_null());
    EXPECT_EQ(condition("n1", "Ready", "Node")["status"], "True");
    EXPECT_FALSE(get("n1", "Node")["spec"].contains("taints"));
}

TEST_F(KubeletTest, PodResourcesHideFinishedPodsOnlyInNewReleases) {
    for (const auto& [profile, visible] : {std::pair{"1.35", 0}, std::pair{"1.31", 1}}) {
        useProfile(profile);
        FakeNodeHost& host = addNode("n1");
        settle();
        host.scripts["c"].exits = {0};
        create(pod("p", {container("c")}, {{"restartPolicy", "Never"}}));
        EXPECT_THAT(cluster->kubelet("n1").podResources(), SizeIs(visible)) << profile;
    }
}

} // namespace
} // namespace rdmalab::cluster::testing
