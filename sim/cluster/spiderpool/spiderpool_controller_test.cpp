#include "sim/cluster/spiderpool/spiderpool_controller.h"

#include "sim/clock/virtual_loop.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/admission.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster {
namespace {

using std::chrono::seconds;

class SpiderpoolControllerTest : public testing::Test {
protected:
    SpiderpoolControllerTest() { installSpiderpoolAdmission(store); }
    void run(seconds time) {
        loop.runUntil([] { return false; }, time);
    }
    Json make(const char* kind, const std::string& name, Json spec) {
        return *store.create({{"apiVersion", "spiderpool.spidernet.io/v2beta1"},
                              {"kind", kind},
                              {"metadata", {{"name", name}}},
                              {"spec", std::move(spec)}});
    }
    Json makePod(const std::string& name, Json extra = Json::object()) {
        Json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}}}, {"spec", {{"nodeName", "n1"}}}};
        pod.merge_patch(extra);
        pod = *store.create(pod);
        pod["status"] = {{"phase", "Running"}, {"podIPs", Json::array({{{"ip", "10.0.0.10"}}})}};
        return *store.updateStatus(pod);
    }
    // What the IPAM agent writes for one pod.
    void allocate(const Json& pod, const std::string& ip, const std::string& ownerType = "Pod") {
        Json pool = *store.get("SpiderIPPool", "", "p");
        Json records = Json::parse(stringAt(pool, {"status", "allocatedIPs"}, "{}"));
        records[ip] = {{"pod", "default/" + nameOf(pod)}, {"podUid", uidOf(pod)}};
        pool["status"]["allocatedIPs"] = records.dump();
        pool["status"]["allocatedIPCount"] = records.size();
        store.updateStatus(pool);
        Json endpoint = {{"apiVersion", "spiderpool.spidernet.io/v2beta1"},
                         {"kind", "SpiderEndpoint"},
                         {"metadata", {{"name", nameOf(pod)}, {"finalizers", {"spiderpool.spidernet.io"}}}},
                         {"status",
                          {{"ownerControllerType", ownerType},
                           {"ownerControllerName", nameOf(pod)},
                           {"current",
                            {{"uid", uidOf(pod)},
                             {"node", "n1"},
                             {"ips", Json::array({{{"interface", "eth0"}, {"ipv4", ip + "/24"}, {"ipv4Pool", "p"}}})}}}}}};
        if (ownerType == "Pod")
            endpoint["metadata"]["ownerReferences"] = Json::array({controllerReference(pod)});
        store.create(endpoint);
    }
    Json records() { return Json::parse(stringAt(*store.get("SpiderIPPool", "", "p"), {"status", "allocatedIPs"}, "{}")); }
    ObjectPtr nad(const std::string& name) { return store.find("NetworkAttachmentDefinition", "default", name); }
    void makePool() { make("SpiderIPPool", "p", {{"subnet", "10.0.0.0/24"}, {"ips", {"10.0.0.10-10.0.0.19"}}}); }

    clock::VirtualLoop loop;
    Store store{loop};
    SpiderpoolController controller{store, loop, {}};
};

const Json macvlan = {{"cniType", "macvlan"}, {"macvlan", {{"master", {"e1"}}}}};

TEST_F(SpiderpoolControllerTest, NetworksFollowTheirConfig) {
    make("SpiderMultusConfig", "m", macvlan);
    controller.start();
    run(seconds(1));
    ASSERT_TRUE(nad("m"));
    EXPECT_EQ(stringAt(controllerOf(*nad("m")), {"kind"}), "SpiderMultusConfig");
    const std::string config = stringAt(*nad("m"), {"spec", "config"});

    store.remove("NetworkAttachmentDefinition", "default", "m");
    run(seconds(1));
    ASSERT_TRUE(nad("m")) << "removed by hand, it comes back";
    EXPECT_EQ(stringAt(*nad("m"), {"spec", "config"}), config);

    store.mergePatch("NetworkAttachmentDefinition", "default", "m", {{"spec", {{"config", "{}"}}}});
    run(seconds(1));
    EXPECT_EQ(stringAt(*nad("m"), {"spec", "config"}), config);

    store.mergePatch("SpiderMultusConfig", "default", "m", {{"spec", {{"macvlan", {{"mtu", 9000}}}}}});
    run(seconds(1));
    EXPECT_THAT(stringAt(*nad("m"), {"spec", "config"}), testing::HasSubstr("\"mtu\":9000"));

    store.remove("SpiderMultusConfig", "default", "m");
    run(seconds(1));
    EXPECT_FALSE(nad("m"));
}

TEST_F(SpiderpoolControllerTest, AForeignNetworkIsTakenOver) {
    store.create({{"apiVersion", "k8s.cni.cncf.io/v1"},
                  {"kind", "NetworkAttachmentDefinition"},
                  {"metadata", {{"name", "m"}, {"annotations", {{"old", "1"}}}}},
                  {"spec", {{"config", "{}"}}}});
    const Json smc = make("SpiderMultusConfig", "m", macvlan);
    controller.start();
    run(seconds(1));
    EXPECT_EQ(stringAt(controllerOf(*nad("m")), {"uid"}), uidOf(smc));
    EXPECT_FALSE(annotationOf(*nad("m"), "old"));
}

TEST_F(SpiderpoolControllerTest, NothingHappensBeforeStartAndAfterStop) {
    make("SpiderMultusConfig", "m", macvlan);
    run(seconds(1));
    EXPECT_FALSE(nad("m"));
    controller.start();
    run(seconds(1));
    const ObjectPtr endpoints = store.get("Endpoints", "kube-system", "spiderpool-controller");
    EXPECT_EQ(at(*endpoints, {"subsets"})[0]["addresses"].size(), 1u);
    controller.stop();
    EXPECT_TRUE(at(*store.get("Endpoints", "kube-system", "spiderpool-controller"), {"subsets"}).is_null());
    make("SpiderMultusConfig", "n", macvlan);
    run(seconds(1));
    EXPECT_FALSE(nad("n"));
}

TEST_F(SpiderpoolControllerTest, CoordinatorStatus) {
    controller.start();
    make("SpiderCoordinator", "default", {{"podCIDRType", "cluster"}});
    make("SpiderCoordinator", "other", {{"podCIDRType", "cluster"}});
    run(seconds(1));
    const ObjectPtr made = store.get("SpiderCoordinator", "", "default");
    EXPECT_EQ(at(*made, {"status"}),
              (Json{{"phase", "Synced"}, {"overlayPodCIDR", {"10.244.0.0/16"}}, {"serviceCIDR", {"10.96.0.0/16"}}}));
    EXPECT_FALSE(store.get("SpiderCoordinator", "", "other")->contains("status"));
    store.mergePatch("SpiderCoordinator", "", "default", {{"spec", {{"podCIDRType", "auto"}}}});
    run(seconds(1));
    EXPECT_EQ(at(*store.get("SpiderCoordinator", "", "default"), {"status", "overlayPodCIDR"}), Json::array())
        << "no other CNI: none";
}

TEST_F(SpiderpoolControllerTest, CoordinatorWithoutClusterCidrIsNotReady) {
    SpiderpoolControllerOptions options;
    options.podCIDR.clear();
    options.serviceCIDR.clear();
    SpiderpoolController blind(store, loop, options);
    blind.start();
    make("SpiderCoordinator", "default", {{"podCIDRType", "auto"}});
    run(seconds(1));
    const ObjectPtr made = store.get("SpiderCoordinator", "", "default");
    EXPECT_EQ(stringAt(*made, {"status", "phase"}), "NotReady");
    EXPECT_EQ(stringAt(*made, {"status", "reason"}), "No kube-controller-manager pod found, unable to get clusterCIDR");
}

TEST_F(SpiderpoolControllerTest, PoolCountsAndFinalizer) {
    controller.start();
    makePool();
    run(seconds(1));
    EXPECT_EQ(at(*store.get("SpiderIPPool", "", "p"), {"status"}), (Json{{"allocatedIPCount", 0}, {"totalIPCount", 10}}));
    const Json pod = makePod("a");
    allocate(pod, "10.0.0.10");
    store.remove("SpiderIPPool", "", "p");
    run(seconds(1));
    ASSERT_TRUE(store.find("SpiderIPPool", "", "p")) << "an address is in use";
    store.remove("Pod", "default", "a", 0);
    run(seconds(10));
    EXPECT_FALSE(store.find("SpiderIPPool", "", "p"));
}

TEST_F(SpiderpoolControllerTest, AReversedRangeStillCounts) {
    controller.start();
    make("SpiderIPPool", "r", {{"subnet", "10.1.0.0/24"}, {"ips", {"10.1.0.20-10.1.0.10"}}});
    run(seconds(1));
    EXPECT_EQ(at(*store.get("SpiderIPPool", "", "r"), {"status", "totalIPCount"}), 11);
}

TEST_F(SpiderpoolControllerTest, AGonePodsAddressIsFreedWithinTheTraceGap) {
    makePool();
    const Json pod = makePod("a");
    allocate(pod, "10.0.0.10");
    controller.start();
    run(seconds(1));
    EXPECT_EQ(records().size(), 1u);
    store.remove("Pod", "default", "a", 0);
    run(seconds(5));
    EXPECT_EQ(records().size(), 0u);
    EXPECT_FALSE(at(*store.get("SpiderIPPool", "", "p"), {"status"}).contains("allocatedIPs"));
    EXPECT_EQ(at(*store.get("SpiderIPPool", "", "p"), {"status", "allocatedIPCount"}), 0);
    EXPECT_FALSE(store.find("SpiderEndpoint", "default", "a"));
}

TEST_F(SpiderpoolControllerTest, TheScanFreesWhatNobodyTraced) {
    makePool();
    const Json pod = makePod("a"), other = makePod("b");
    allocate(pod, "10.0.0.10");
    allocate(other, "10.0.0.11");
    store.remove("Pod", "default", "a", 0);
    run(seconds(1));
    controller.start(); // scans at once
    run(seconds(1));
    EXPECT_FALSE(records().contains("10.0.0.10"));
    EXPECT_TRUE(records().contains("10.0.0.11"));
    // A record whose pod never existed.
    Json pool = *store.get("SpiderIPPool", "", "p");
    pool["status"]["allocatedIPs"] = R"({"10.0.0.19":{"pod":"default/ghost","podUid":"u"}})";
    store.updateStatus(pool);
    run(seconds(598));
    EXPECT_EQ(records().size(), 1u);
    run(seconds(2));
    EXPECT_EQ(records().size(), 0u);
}

TEST_F(SpiderpoolControllerTest, ATerminatingPodPastItsGraceIsFreed) {
    makePool();
    const Json pod = makePod("a", {{"spec", {{"terminationGracePeriodSeconds", 10}}}});
    allocate(pod, "10.0.0.10");
    controller.start();
    run(seconds(1));
    store.remove("Pod", "default", "a"); // its node is NotReady: nobody finishes the removal
    run(seconds(15));
    EXPECT_EQ(records().size(), 1u);
    run(seconds(11)); // twice the grace period and one gap
    EXPECT_EQ(records().size(), 0u);
}

TEST_F(SpiderpoolControllerTest, TheNodeSwitchKeepsTerminatingPods) {
    SpiderpoolControllerOptions options;
    options.readEnvironment({{"SPIDERPOOL_GC_STATELESS_TERMINATING_POD_ON_NOT_READY_NODE_ENABLED", "false"},
                             {"SPIDERPOOL_GC_DEFAULT_INTERVAL_DURATION", "60"}});
    SpiderpoolController cautious(store, loop, options);
    makePool();
    const Json pod = makePod("a", {{"spec", {{"terminationGracePeriodSeconds", 10}}}});
    allocate(pod, "10.0.0.10");
    cautious.start();
    run(seconds(1));
    store.remove("Pod", "default", "a");
    run(seconds(300));
    EXPECT_EQ(records().size(), 1u);
}

TEST_F(SpiderpoolControllerTest, StatefulSetPodsKeepTheirAddress) {
    const Json set = *store.create(
        {{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}, {"metadata", {{"name", "web"}}}, {"spec", {{"replicas", 1}}}});
    makePool();
    const Json owner = {{"metadata", {{"ownerReferences", Json::array({controllerReference(set)})}}}};
    const Json kept = makePod("web-0", owner), surplus = makePod("web-1", owner);
    allocate(kept, "10.0.0.10", "StatefulSet");
    allocate(surplus, "10.0.0.11", "StatefulSet");
    controller.start();
    run(seconds(1));
    store.remove("Pod", "default", "web-0", 0);
    store.remove("Pod", "default", "web-1", 0);
    run(seconds(700));
    EXPECT_TRUE(records().contains("10.0.0.10"));
    EXPECT_FALSE(records().contains("10.0.0.11"));
    EXPECT_TRUE(store.find("SpiderEndpoint", "default", "web-0"));
}

TEST_F(SpiderpoolControllerTest, SubnetsCountTheirPools) {
    controller.start();
    make("SpiderSubnet", "s", {{"subnet", "10.0.0.0/24"}, {"ips", {"10.0.0.10-10.0.0.29"}}});
    makePool();
    run(seconds(1));
    EXPECT_EQ(at(*store.get("SpiderSubnet", "", "s"), {"status"}),
              (Json{{"totalIPCount", 20},
                    {"allocatedIPCount", 10},
                    {"controlledIPPools", R"({"p":{"ips":["10.0.0.10-10.0.0.19"]}})"}}));
}

} // namespace
} // namespace rdmalab::cluster
