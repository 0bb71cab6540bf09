#include "sim/cluster/scheduler/amounts.h"
#include "sim/cluster/testing/cluster_fixture.h"

#include <gmock/gmock.h>

#include <set>

namespace rdmalab::cluster::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* hca = "spidernet.io/hca_shared_devices";

class SchedulerTest : public ClusterTest {
protected:
    static Json small(const std::string& name, Json spec = Json::object()) {
        return pod(name, {container("c")}, std::move(spec));
    }
    static Json cpuPod(const std::string& name, const std::string& cpu, Json spec = Json::object()) {
        return pod(name, {container("c", {}, {{"cpu", cpu}})}, std::move(spec));
    }
    void change(const std::string& node, const Json& patch) {
        cluster->store().mergePatch("Node", {}, node, patch);
        settle();
    }
};

TEST_F(SchedulerTest, NobodyHasTheResource) {
    addNode("n1");
    addNode("n2");
    create(devicePod("p", hca, 1));
    const std::string text =
        "0/2 nodes are available: 2 Insufficient spidernet.io/hca_shared_devices. no new claims to deallocate, "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    EXPECT_EQ(unschedulable("p"), text);
    EXPECT_THAT(events("FailedScheduling"), ElementsAre(text));
    const Json scheduled = condition("p", "PodScheduled");
    EXPECT_EQ(scheduled["status"], "False");
    EXPECT_EQ(scheduled["reason"], "Unschedulable");
    EXPECT_EQ(phase("p"), "Pending");
}

TEST_F(SchedulerTest, ProfilesDifferInPreemptionPartAndTaintText) {
    const std::vector<std::pair<std::string, std::string>> expected{
        {"1.28", "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}. preemption: 0/1 nodes are available: 1 "
                 "Preemption is not helpful for scheduling.."},
        {"1.31", "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}. preemption: 0/1 nodes are available: 1 "
                 "Preemption is not helpful for scheduling."},
        {"1.34",
         "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}. no new claims to deallocate, preemption: 0/1 "
         "nodes are available: 1 Preemption is not helpful for scheduling."},
        {"1.35",
         "0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1 nodes are "
         "available: 1 Preemption is not helpful for scheduling."},
    };
    for (const auto& [profile, text] : expected) {
        useProfile(profile);
        addNode("n1", {}, {}, {{{"key", "gpu"}, {"value", "yes"}, {"effect", "NoSchedule"}}});
        settle();
        create(small("p"));
        EXPECT_EQ(unschedulable("p"), text) << profile;
    }
}

TEST_F(SchedulerTest, EmptyCluster) {
    create(small("p"));
    EXPECT_EQ(unschedulable("p"), "no nodes available to schedule pods");
}

TEST_F(SchedulerTest, PreemptionTextTellsInUseFromImpossible) {
    addPlugin(addNode("n1"), hca, 2);
    create(devicePod("a", hca, 2));
    create(devicePod("b", hca, 2));
    EXPECT_EQ(unschedulable("b"),
              "0/1 nodes are available: 1 Insufficient spidernet.io/hca_shared_devices. no new claims to deallocate, "
              "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
    create(devicePod("c", hca, 3));
    EXPECT_EQ(unschedulable("c"),
              "0/1 nodes are available: 1 Insufficient spidernet.io/hca_shared_devices. no new claims to deallocate, "
              "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
}

TEST_F(SchedulerTest, ReasonsAreSortedAsStringsAndTaintsComeFirst) {
    for (int i = 0; i < 10; ++i)
        addNode("a" + std::to_string(i), {{"cpu", "1"}});
    for (int i = 0; i < 2; ++i)
        addNode("t" + std::to_string(i), {{"cpu", "1"}}, {}, {{{"key", "k"}, {"effect", "NoSchedule"}}}); // short of cpu as well
    settle();
    create(cpuPod("p", "4"));
    EXPECT_TRUE(
        unschedulable("p").starts_with("0/12 nodes are available: 10 Insufficient cpu, 2 node(s) had untolerated taint(s)."))
        << unschedulable("p");
}

TEST_F(SchedulerTest, OneNodeMayGiveSeveralReasons) {
    addNode("n1", {{"cpu", "1"}, {"memory", "1Gi"}, {"pods", "0"}});
    settle();
    create(pod("p", {container("c", {}, {{"cpu", "4"}, {"memory", "8Gi"}})}));
    EXPECT_TRUE(
        unschedulable("p").starts_with("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods."));
}

TEST_F(SchedulerTest, EmptierNodeWinsThenTheLowestName) {
    addNode("n2");
    addNode("n1");
    settle();
    create(cpuPod("p1", "2"));
    EXPECT_EQ(nodeOf("p1"), "n1");
    create(cpuPod("p2", "2"));
    EXPECT_EQ(nodeOf("p2"), "n2");
    create(cpuPod("p3", "1"));
    EXPECT_EQ(nodeOf("p3"), "n1");
    EXPECT_THAT(events("Scheduled"),
                ElementsAre("Successfully assigned default/p1 to n1", "Successfully assigned default/p2 to n2",
                            "Successfully assigned default/p3 to n1"));
}

TEST_F(SchedulerTest, ExtendedResourcesDoNotCountInTheScore) {
    addPlugin(addNode("n1"), hca, 4);
    addPlugin(addNode("n2"), hca, 4);
    Json p = pod("p1", {container("c", {{hca, "3"}, {"cpu", "0"}, {"memory", "0"}})});
    create(p);
    p["metadata"]["name"] = "p2";
    p["spec"]["containers"][0] = container("c", {{hca, "1"}, {"cpu", "0"}, {"memory", "0"}});
    create(p);
    EXPECT_EQ(nodeOf("p1"), "n1");
    EXPECT_EQ(nodeOf("p2"), "n1");
}

TEST_F(SchedulerTest, SelectorAffinityAndPorts) {
    addNode("n1", {}, {{"rack", "1"}});
    addNode("n2", {}, {{"rack", "2"}});
    settle();
    create(small("sel", {{"nodeSelector", {{"rack", "2"}}}}));
    EXPECT_EQ(nodeOf("sel"), "n2");
    create(small("none", {{"nodeSelector", {{"rack", "3"}}}}));
    EXPECT_TRUE(
        unschedulable("none").starts_with("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."));
    const auto withPort = [&](const std::string& name) {
        Json p = small(name, {{"nodeSelector", {{"rack", "1"}}}});
        p["spec"]["containers"][0]["ports"] = Json::array({{{"containerPort", 80}, {"hostPort", 80}}});
        return p;
    };
    create(withPort("a"));
    create(withPort("b"));
    EXPECT_EQ(nodeOf("a"), "n1");
    EXPECT_TRUE(
        unschedulable("b").starts_with("0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 "
                                       "node(s) didn't match Pod's node affinity/selector."));
}

TEST_F(SchedulerTest, CordonedNode) {
    addNode("n1");
    settle();
    change("n1", {{"spec", {{"unschedulable", true}}}});
    create(small("p"));
    EXPECT_TRUE(unschedulable("p").starts_with("0/1 nodes are available: 1 node(s) were unschedulable."));
    change("n1", {{"spec", {{"unschedulable", nullptr}}}});
    pass(2s);
    EXPECT_EQ(nodeOf("p"), "n1");
}

TEST_F(SchedulerTest, PodWaitsUntilANodesAllocatableGrows) {
    FakeNodeHost& node = addNode("n1");
    settle();
    create(devicePod("p", hca, 1));
    EXPECT_EQ(nodeOf("p"), "");
    addPlugin(node, hca, 1);
    pass(2s);
    EXPECT_EQ(phase("p"), "Running");
}

TEST_F(SchedulerTest, FinishedPodFreesWhatItHeld) {
    FakeNodeHost& node = addNode("n1");
    addPlugin(node, hca, 1);
    node.scripts["c"].exits = {0};
    node.scripts["c"].runFor = 5s;
    create(devicePod("a", hca, 1, {{"restartPolicy", "Never"}}));
    create(devicePod("b", hca, 1));
    EXPECT_EQ(nodeOf("b"), "");
    pass(6s);
    EXPECT_EQ(phase("a"), "Succeeded");
    EXPECT_EQ(phase("b"), "Running");
}

TEST_F(SchedulerTest, AntiAffinitySpreadsAndSaysWhyNot) {
    addNode("n1");
    addNode("n2");
    settle();
    const auto spread = [&](const std::string& name) {
        Json p = small(name);
        p["metadata"]["labels"] = {{"app", "x"}};
        p["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            Json::array({{{"labelSelector", {{"matchLabels", {{"app", "x"}}}}}, {"topologyKey", "kubernetes.io/hostname"}}});
        return p;
    };
    create(spread("a"));
    create(spread("b"));
    EXPECT_NE(nodeOf("a"), nodeOf("b"));
    create(spread("c"));
    EXPECT_TRUE(unschedulable("c").starts_with("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."))
        << unschedulable("c");
    remove("a");
    pass(2s);
    EXPECT_EQ(nodeOf("c"), "n1");
}

TEST_F(SchedulerTest, MoreImportantPodEvictsAndWaitsForTheVictimToGo) {
    FakeNodeHost& node = addNode("n1");
    FakePlugin& plugin = addPlugin(node, hca, 1);
    node.scripts["c"].ignoresTerm = true; // takes its whole grace
    create(devicePod("low", hca, 1, {{"terminationGracePeriodSeconds", 20}}));
    ASSERT_EQ(phase("low"), "Running");
    create(devicePod("high", hca, 1, {{"priority", 1000}}));
    EXPECT_EQ(get("high")["status"]["nominatedNodeName"], "n1");
    EXPECT_TRUE(isTerminating(get("low")));
    EXPECT_EQ(condition("low", "DisruptionTarget")["status"], "True");
    EXPECT_THAT(events("Preempted"), ElementsAre("Preempted by pod " + uidOf(get("high")) + " on node n1"));
    pass(15s);
    EXPECT_EQ(nodeOf("high"), "");
    pass(10s);
    EXPECT_TRUE(get("low").is_null());
    EXPECT_EQ(phase("high"), "Running");
    EXPECT_THAT(plugin.allocations, SizeIs(2));
}

TEST_F(SchedulerTest, GatedPodIsLeftAlone) {
    addNode("n1");
    settle();
    create(small("p", {{"schedulingGates", Json::array({{{"name", "wait"}}})}}));
    EXPECT_EQ(condition("p", "PodScheduled")["reason"], "SchedulingGated");
    EXPECT_THAT(events("FailedScheduling"), IsEmpty());
}

TEST(Amounts, QuantitiesRoundUpAndPrintCanonically) {
    EXPECT_EQ(wholeAmount("1k"), 1000);
    EXPECT_EQ(wholeAmount("263518036Ki"), 263518036LL * 1024);
    EXPECT_EQ(wholeAmount("1500m"), 2);
    EXPECT_EQ(wholeAmount("1e3"), 1000);
    EXPECT_EQ(wholeAmount("x"), std::nullopt);
    EXPECT_EQ(amountsOf({{"cpu", "0.1"}})["cpu"], 100);
    EXPECT_EQ(formatAmount("rdma/hca", 1000), "1k");
    EXPECT_EQ(formatAmount("rdma/hca", 1500), "1500");
    EXPECT_EQ(formatAmount("rdma/hca", 0), "0");
    EXPECT_EQ(formatAmount("cpu", 500), "500m");
}

TEST(Amounts, InitContainersDoNotAddUpButSidecarsDo) {
    const auto container = [](const char* count, bool sidecar) {
        Json c{{"resources", {{"limits", {{"r/x", count}}}}}};
        if (sidecar)
            c["restartPolicy"] = "Always";
        return c;
    };
    Json spec{{"containers", Json::array({container("1", false)})}, {"initContainers", Json::array({container("1", false)})}};
    EXPECT_EQ(podRequests(spec)["r/x"], 1);
    spec["initContainers"] = Json::array({container("2", false)});
    EXPECT_EQ(podRequests(spec)["r/x"], 2);
    spec["initContainers"] = Json::array({container("1", true), container("3", false)});
    EXPECT_EQ(podRequests(spec)["r/x"], 4);
    spec["initContainers"] = Json::array({container("1", true)});
    EXPECT_EQ(podRequests(spec)["r/x"], 2);
}

} // namespace
} // namespace rdmalab::cluster::testing
