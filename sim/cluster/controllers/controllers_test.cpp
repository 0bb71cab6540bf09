#include "sim/cluster/testing/cluster_fixture.h"

#include <gmock/gmock.h>

#include <set>

namespace rdmalab::cluster::testing {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* hca = "rdma/hca";

class ControllersTest : public ClusterTest {
protected:
    static Json workload(const std::string& kind, const std::string& name, Json spec,
                         std::vector<Json> containers = {container("c")}, Json podSpec = Json::object()) {
        podSpec["containers"] = std::move(containers);
        if (kind != "Job")
            spec["selector"] = {{"matchLabels", {{"app", name}}}};
        spec["template"] = {{"metadata", {{"labels", {{"app", name}}}}}, {"spec", std::move(podSpec)}};
        return {{"apiVersion", kind == "Job" ? "batch/v1" : "apps/v1"},
                {"kind", kind},
                {"metadata", {{"name", name}, {"namespace", "default"}}},
                {"spec", std::move(spec)}};
    }
    void patch(const std::string& kind, const std::string& name, const Json& change) {
        cluster->store().mergePatch(kind, "default", name, change);
        settle();
    }
    void newImage(const std::string& kind, const std::string& name, const std::string& image) {
        Json object = get(name, kind);
        object["spec"]["template"]["spec"]["containers"][0]["image"] = image;
        cluster->store().update(object);
        settle();
    }
    static Json taint(const char* effect = "NoSchedule") { return {{"key", "k"}, {"effect", effect}}; }
};

TEST_F(ControllersTest, DaemonSetSkipsTaintedNodesButNotCordonedOnes) {
    addNode("n1");
    addNode("n2");
    addNode("n3", {}, {}, {taint()});
    settle();
    cluster->store().mergePatch("Node", {}, "n2", {{"spec", {{"unschedulable", true}}}});
    settle();
    create(workload("DaemonSet", "ds", Json::object()));
    ASSERT_THAT(pods(), SizeIs(2));
    std::set<std::string> nodes;
    for (const auto& p : pods()) {
        nodes.insert(stringAt(*p, {"spec", "nodeName"}));
        EXPECT_EQ(stringAt(*p, {"status", "phase"}), "Running");
        EXPECT_EQ(nameOf(*p).size(), 8U);
        EXPECT_TRUE(labelOf(*p, "controller-revision-hash"));
        EXPECT_EQ(labelOf(*p, "pod-template-generation"), "1");
    }
    EXPECT_EQ(nodes, (std::set<std::string>{"n1", "n2"}));
    const Json status = get("ds", "DaemonSet")["status"];
    EXPECT_EQ(status["desiredNumberScheduled"], 2);
    EXPECT_EQ(status["numberReady"], 2);
    addNode("n4");
    settle();
    EXPECT_THAT(pods(), SizeIs(3));
}

TEST_F(ControllersTest, DaemonSetPodWithoutRoomNamesOnlyItsNode) {
    addNode("n1");
    addNode("n2");
    addNode("n3");
    settle();
    create(workload("DaemonSet", "ds", Json::object(), {container("c", {{hca, "1"}})}));
    EXPECT_TRUE(
        unschedulable(nameOf(*pods()[0]))
            .starts_with("0/3 nodes are available: 1 Insufficient rdma/hca, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."))
        << unschedulable(nameOf(*pods()[0]));
}

TEST_F(ControllersTest, DaemonSetRollsNodeByNode) {
    addNode("n1").scripts["c"].readyAfter = 1s;
    addNode("n2").scripts["c"].readyAfter = 1s;
    settle();
    create(workload("DaemonSet", "ds", Json::object()));
    pass(2s);
    newImage("DaemonSet", "ds", "new");
    EXPECT_EQ(get("ds", "DaemonSet")["status"]["updatedNumberScheduled"], 1);
    EXPECT_EQ(get("ds", "DaemonSet")["status"]["numberUnavailable"], 1);
    pass(3s);
    EXPECT_EQ(get("ds", "DaemonSet")["status"]["updatedNumberScheduled"], 2);
    for (const auto& p : pods())
        EXPECT_EQ((*p)["spec"]["containers"][0]["image"], "new");
}

TEST_F(ControllersTest, FailedDaemonPodIsReplacedWithBackoff) {
    FakeNodeHost& node = addNode("n1");
    FakePlugin& plugin = addPlugin(node, hca, 1);
    plugin.allocateError = "boom";
    create(workload("DaemonSet", "ds", Json::object(), {container("c", {{hca, "1"}})}));
    pass(60s);
    const auto tries = plugin.allocations.size();
    EXPECT_GT(tries, 3U);
    EXPECT_LT(tries, 10U); // 0, 1, 2, 4, ... seconds apart
    plugin.allocateError.clear();
    pass(120s);
    ASSERT_THAT(pods(), SizeIs(1));
    EXPECT_EQ(stringAt(*pods()[0], {"status", "phase"}), "Running");
}

TEST_F(ControllersTest, DeploymentMakesScalesAndRemoves) {
    addNode("n1");
    settle();
    create(workload("Deployment", "web", {{"replicas", 3}}));
    ASSERT_THAT(pods(), SizeIs(3));
    const auto sets = cluster->store().list("ReplicaSet");
    ASSERT_THAT(sets, SizeIs(1));
    const std::string hash = labelOf(*pods()[0], "pod-template-hash").value();
    EXPECT_EQ(nameOf(*sets[0]), "web-" + hash);
    EXPECT_THAT(nameOf(*pods()[0]), StartsWith("web-" + hash + "-"));
    EXPECT_EQ(get("web", "Deployment")["status"]["availableReplicas"], 3);
    EXPECT_EQ(condition("web", "Available", "Deployment")["status"], "True");
    patch("Deployment", "web", {{"spec", {{"replicas", 1}}}});
    EXPECT_THAT(pods(), SizeIs(1));
    EXPECT_EQ(get("web", "Deployment")["status"]["replicas"], 1);
    cluster->store().remove("Deployment", "default", "web");
    pass(1s);
    EXPECT_THAT(pods(), IsEmpty());
}

TEST_F(ControllersTest, RollingUpdateNeedsRoomForAnExclusiveDevice) {
    addPlugin(addNode("n1"), hca, 1);
    create(workload("Deployment", "web", {{"replicas", 1}}, {container("c", {{hca, "1"}})}));
    newImage("Deployment", "web", "new");
    pass(5s);
    std::multiset<std::string> phases;
    for (const auto& p : pods())
        phases.insert(stringAt(*p, {"status", "phase"}));
    EXPECT_EQ(phases, (std::multiset<std::string>{"Pending", "Running"}));
    pass(601s);
    EXPECT_EQ(condition("web", "Progressing", "Deployment")["reason"], "ProgressDeadlineExceeded");
}

TEST_F(ControllersTest, RecreateAndPlainRollingUpdateGetThrough) {
    addPlugin(addNode("n1"), hca, 1);
    create(
        workload("Deployment", "one", {{"replicas", 1}, {"strategy", {{"type", "Recreate"}}}}, {container("c", {{hca, "1"}})}));
    newImage("Deployment", "one", "new");
    pass(5s);
    ASSERT_THAT(pods(), SizeIs(1));
    EXPECT_EQ((*pods()[0])["spec"]["containers"][0]["image"], "new");
    EXPECT_EQ(stringAt(*pods()[0], {"status", "phase"}), "Running");
    create(workload("Deployment", "four", {{"replicas", 4}}));
    newImage("Deployment", "four", "newer");
    pass(5s);
    EXPECT_THAT(pods(), SizeIs(5));
    EXPECT_EQ(get("four", "Deployment")["status"]["updatedReplicas"], 4);
    EXPECT_EQ(condition("four", "Progressing", "Deployment")["reason"], "NewReplicaSetAvailable");
}

TEST_F(ControllersTest, RejectedReplicasAreReplacedMoreAndMoreSlowly) {
    FakePlugin& plugin = addPlugin(addNode("n1"), hca, 1);
    plugin.allocateError = "boom";
    create(workload("Deployment", "web", {{"replicas", 1}}, {container("c", {{hca, "1"}})}));
    pass(60s);
    EXPECT_GT(plugin.allocations.size(), 3U);
    EXPECT_LT(plugin.allocations.size(), 10U);
    plugin.allocateError.clear();
    pass(61s);
    EXPECT_EQ(get("web", "Deployment")["status"]["readyReplicas"], 1);
}

TEST_F(ControllersTest, JobRunsToCompletionAndFreesItsDevice) {
    FakeNodeHost& node = addNode("n1");
    addPlugin(node, hca, 1);
    node.scripts["c"].exits = {0};
    create(workload("Job", "work", Json::object(), {container("c", {{hca, "1"}})}, {{"restartPolicy", "Never"}}));
    ASSERT_THAT(pods(), SizeIs(1));
    EXPECT_EQ(labelOf(*pods()[0], "batch.kubernetes.io/job-name"), "work");
    EXPECT_EQ(stringAt(*pods()[0], {"status", "phase"}), "Succeeded");
    EXPECT_EQ(condition("work", "Complete", "Job")["status"], "True");
    create(devicePod("next", hca, 1));
    EXPECT_EQ(phase("next"), "Running");
}

TEST_F(ControllersTest, JobRetriesAfterTenSecondsAndGivesUp) {
    FakeNodeHost& node = addNode("n1");
    settle();
    node.scripts["c"].exits = {1, 1, 1, 1};
    create(workload("Job", "work", {{"backoffLimit", 1}}, {container("c")}, {{"restartPolicy", "Never"}}));
    EXPECT_THAT(pods(), SizeIs(1));
    pass(11s);
    EXPECT_THAT(pods(), SizeIs(2));
    pass(60s);
    EXPECT_THAT(pods(), SizeIs(2));
    EXPECT_EQ(condition("work", "Failed", "Job")["reason"], "BackoffLimitExceeded");
}

TEST_F(ControllersTest, StatefulSetWaitsForTheOneThatIsStuck) {
    addPlugin(addNode("n1"), hca, 2);
    create(workload("StatefulSet", "db", {{"replicas", 3}, {"serviceName", "db"}}, {container("c", {{hca, "1"}})}));
    pass(2s);
    EXPECT_EQ(phase("db-0"), "Running");
    EXPECT_EQ(phase("db-1"), "Running");
    EXPECT_EQ(phase("db-2"), "Pending");
    const std::string before = uidOf(get("db-1"));
    newImage("StatefulSet", "db", "new");
    pass(5s);
    EXPECT_EQ(uidOf(get("db-1")), before);
    patch("StatefulSet", "db", {{"spec", {{"replicas", 2}}}});
    pass(5s);
    EXPECT_TRUE(get("db-2").is_null());
    EXPECT_NE(uidOf(get("db-1")), before); // now the update gets through
    EXPECT_EQ(get("db-0")["spec"]["containers"][0]["image"], "new");
    EXPECT_EQ(labelOf(get("db-0"), "apps.kubernetes.io/pod-index"), "0");
}

} // namespace
} // namespace rdmalab::cluster::testing
