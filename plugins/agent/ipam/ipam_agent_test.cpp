// The agent as CNI plugins see it. Numbers in comments: spec/spiderpool.md, section 9.
#include "plugins/agent/ipam/ipam_agent.h"
#include "plugins/kube/memory_kube_client.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <set>
#include <thread>

namespace rdmalab::plugin {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const ResourceType statefulSet{"apps/v1", "statefulsets", "StatefulSet", true};
const ResourceType job{"batch/v1", "jobs", "Job", true};

class Agent : public testing::Test {
protected:
    explicit Agent(AgentRelease release = AgentRelease::v1_2) {
        config.release = release;
        config.multusClusterNetwork = "kube-system/default";
        kube.create(resource::ns, {{"metadata", {{"name", "default"}}}});
    }

    IpamAgent& agent() {
        if (!agent_)
            agent_ = std::make_unique<IpamAgent>(kube, config);
        return *agent_;
    }

    void pool(const std::string& name, std::vector<std::string> ips, Json more = Json::object(), int version = 4,
              const std::string& subnet = "10.1.0.0/16") {
        Json spec = {{"ipVersion", version}, {"subnet", subnet}, {"ips", ips}};
        spec.update(more);
        kube.create(resource::ipPool, {{"metadata", {{"name", name}}}, {"spec", spec}});
    }

    // `uid` also tells pods of the same name apart.
    void pod(const std::string& name, const std::string& uid, Json annotations = Json::object(), Json owner = nullptr) {
        Json metadata = {
            {"name", name}, {"namespace", "default"}, {"uid", uid}, {"annotations", annotations}, {"labels", {{"app", "a"}}}};
        if (!metadata["annotations"].contains("k8s.v1.cni.cncf.io/networks"))
            metadata["annotations"]["k8s.v1.cni.cncf.io/networks"] = "default/one,default/two";
        if (!owner.is_null())
            metadata["ownerReferences"] = Json::array({owner});
        kube.put(resource::pod, {{"metadata", metadata},
                                 {"spec", {{"nodeName", "node1"}, {"restartPolicy", "Always"}}},
                                 {"status", {{"phase", "Pending"}}}});
    }

    // The pod goes, and what it owns starts to.
    void kill(const std::string& name) {
        kube.remove(resource::pod, "default", name);
        if (kube.exists(resource::endpoint, "default", name) &&
            kube.get(resource::endpoint, "default", name)["metadata"].contains("ownerReferences"))
            kube.remove(resource::endpoint, "default", name);
    }

    HttpResponse post(const std::string& podName, const std::string& nic, Json more = Json::object()) {
        Json body = {
            {"containerID", "c"},        {"ifName", nic},       {"netNamespace", "/run/netns/x"}, {"podName", podName},
            {"podNamespace", "default"}, {"podUID", "ignored"}, {"defaultIPv4IPPool", nullptr},   {"defaultIPv6IPPool", nullptr}};
        body.update(more);
        return agent().handle({"POST", "/v1/ipam/ip", body.dump() + "\n"});
    }

    Json add(const std::string& podName, const std::string& nic, Json more = Json::object()) {
        const auto response = post(podName, nic, std::move(more));
        EXPECT_EQ(response.status, 200) << response.body;
        return Json::parse(response.body, nullptr, false);
    }

    std::string addFails(const std::string& podName, const std::string& nic, Json more = Json::object()) {
        const auto response = post(podName, nic, std::move(more));
        EXPECT_EQ(response.status, 500) << response.body;
        return Json::parse(response.body).get<std::string>();
    }

    int del(const std::string& podName, const std::string& nic, const std::string& uid, const char* path = "/v1/ipam/ip") {
        return agent()
            .handle(
                {"DELETE", path,
                 Json{{"containerID", "c"}, {"ifName", nic}, {"podName", podName}, {"podNamespace", "default"}, {"podUID", uid}}
                     .dump()})
            .status;
    }

    static std::string addressOf(const Json& answer, const std::string& nic, int version = 4) {
        for (const Json& ip : answer["ips"])
            if (ip["nic"] == nic && ip["version"] == version)
                return ip["address"];
        return "";
    }

    static std::vector<std::string> routesOf(const Json& answer, const std::string& nic) {
        std::vector<std::string> routes;
        for (const Json& route : answer["routes"])
            if (route["ifName"] == nic)
                routes.push_back(route["dst"].get<std::string>() + " via " + route["gw"].get<std::string>());
        return routes;
    }

    Json records(const std::string& name) {
        const Json status = kube.get(resource::ipPool, "", name).value("status", Json::object());
        return status.contains("allocatedIPs") ? Json::parse(status["allocatedIPs"].get<std::string>()) : Json::object();
    }

    std::set<std::string> used(const std::string& name) {
        std::set<std::string> ips;
        const Json all = records(name);
        for (auto entry = all.begin(); entry != all.end(); ++entry)
            ips.insert(entry.key());
        return ips;
    }

    static Json from(std::initializer_list<const char*> pools) {
        return {{"defaultIPv4IPPool", std::vector<std::string>(pools.begin(), pools.end())}};
    }

    void stateful(const std::string& set, int replicas) {
        kube.put(statefulSet, {{"metadata", {{"name", set}, {"namespace", "default"}}}, {"spec", {{"replicas", replicas}}}});
    }
    static Json ownedBy(const char* apiVersion, const char* kind, const char* name) {
        return {{"apiVersion", apiVersion}, {"kind", kind}, {"name", name}, {"uid", "o"}, {"controller", true}};
    }

    MemoryKubeClient kube;
    AgentConfig config;

private:
    std::unique_ptr<IpamAgent> agent_;
};

class Agent08 : public Agent {
protected:
    Agent08() : Agent(AgentRelease::v0_8) {}
};

TEST_F(Agent, HandsOutTheLowestFreeAddresses) { // 1, 2
    kube.create(resource::reservedIp, {{"metadata", {{"name", "r"}}}, {"spec", {{"ipVersion", 4}, {"ips", {"10.1.0.101"}}}}});
    pool("p", {"10.1.0.100-10.1.0.120"}, {{"excludeIPs", {"10.1.0.100"}}});
    std::vector<std::string> got;
    for (const char* name : {"a", "b", "c"}) {
        pod(name, name);
        got.push_back(addressOf(add(name, "eth0", from({"p"})), "eth0"));
    }
    EXPECT_THAT(got, ElementsAre("10.1.0.102/16", "10.1.0.103/16", "10.1.0.104/16"));
    EXPECT_EQ(records("p")["10.1.0.103"], (Json{{"pod", "default/b"}, {"podUid", "b"}}));
    EXPECT_EQ(kube.get(resource::ipPool, "", "p")["status"]["allocatedIPCount"], 3);
}

TEST_F(Agent, TakesRangesInTheirOrderAndKnowsNoSpecialAddresses) {
    pool("p", {"10.1.0.255-10.1.1.0", "10.1.0.0"});
    std::vector<std::string> got;
    for (const char* name : {"a", "b", "c"}) {
        pod(name, name);
        got.push_back(addressOf(add(name, "eth0", from({"p"})), "eth0"));
    }
    EXPECT_THAT(got, ElementsAre("10.1.0.255/16", "10.1.1.0/16", "10.1.0.0/16"));
}

TEST_F(Agent, AnEmptyPoolIsToldAndTheNextOneTried) { // 3
    pool("p", {"10.1.0.1-10.1.0.2"});
    pool("q", {"10.1.0.3"});
    for (const char* name : {"a", "b", "c", "d"})
        pod(name, name);
    add("a", "eth0", from({"p"}));
    add("b", "eth0", from({"p"}));
    EXPECT_EQ(
        addFails("c", "eth0", from({"p"})),
        "failed to allocate IP addresses in standard mode: failed to allocate any IPv4 IP address to NIC eth0 from IPPools [p]: "
        "all IP addresses used out");
    EXPECT_EQ(addressOf(add("c", "eth0", from({"p", "q"})), "eth0"), "10.1.0.3/16");
    EXPECT_THAT(addFails("d", "eth0", from({"p", "q"})), EndsWith("IPPools [p q]: all IP addresses used out"));
}

TEST_F(Agent, AReversedRangeHasNoAddress) { // 31
    pool("p", {"10.1.0.20-10.1.0.10"});
    pod("a", "a");
    EXPECT_THAT(addFails("a", "eth0", from({"p"})), EndsWith("all IP addresses used out"));
}

TEST_F(Agent, TwoNicsOnOnePoolGetTheSameAddress) { // 4, a defect of upstream since 1.0
    pool("p", {"10.1.0.1-10.1.0.9"});
    pod("a", "a");
    EXPECT_EQ(addressOf(add("a", "net1", from({"p"})), "net1"), "10.1.0.1/16");
    EXPECT_EQ(addressOf(add("a", "net2", from({"p"})), "net2"), "10.1.0.1/16");
}

TEST_F(Agent08, TwoNicsOnOnePoolGetTwoAddresses) {
    pool("p", {"10.1.0.1-10.1.0.9"});
    pod("a", "a");
    EXPECT_EQ(addressOf(add("a", "net1", from({"p"})), "net1"), "10.1.0.1/16");
    EXPECT_EQ(addressOf(add("a", "net2", from({"p"})), "net2"), "10.1.0.2/16");
}

TEST_F(Agent, TheMostParticularPoolComesFirstThenTheOrderAsked) { // 5, the documented order
    pool("rest2", {"10.1.0.1"});
    pool("rest1", {"10.1.0.2"});
    pool("network", {"10.1.0.3"}, {{"multusName", {"kube-system/default"}}});
    pool("node", {"10.1.0.4"}, {{"nodeName", {"node1"}}});
    pool("pod", {"10.1.0.5"}, {{"podAffinity", {{"matchLabels", {{"app", "a"}}}}}});
    const Json all = from({"rest1", "rest2", "network", "node", "pod"});
    std::vector<std::string> got;
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        pod(name, name);
        got.push_back(addressOf(add(name, "eth0", all), "eth0"));
    }
    EXPECT_THAT(got, ElementsAre("10.1.0.5/16", "10.1.0.4/16", "10.1.0.3/16", "10.1.0.2/16", "10.1.0.1/16"));
}

TEST_F(Agent, FirstSourceOfPoolsWins) { // 6, 7
    pool("fromPods", {"10.1.0.1"});
    pool("fromNamespace", {"10.1.0.2-10.1.0.3"});
    pool("fromConf", {"10.1.0.4"});
    pool("byDefault", {"10.1.0.5"}, {{"default", true}});
    const Json conf = from({"fromConf"});
    pod("d", "d");
    EXPECT_EQ(addressOf(add("d", "eth0"), "eth0"), "10.1.0.5/16");
    pod("c", "c");
    EXPECT_EQ(addressOf(add("c", "net1", conf), "net1"), "10.1.0.4/16");
    kube.mergePatch(resource::ns, "", "default",
                    {{"metadata", {{"annotations", {{"ipam.spidernet.io/default-ipv4-ippool", R"(["fromNamespace"])"}}}}}});
    pod("n", "n");
    EXPECT_EQ(addressOf(add("n", "net1", conf), "net1"), "10.1.0.2/16");
    pod("p", "p", {{"ipam.spidernet.io/ippools", R"([{"interface":"net1","ipv4":["fromPods"]}])"}});
    EXPECT_EQ(addressOf(add("p", "net1", conf), "net1"), "10.1.0.1/16");
    pod("q", "q", {{"ipam.spidernet.io/ippool", R"({"ipv4":["fromNamespace"]})"}});
    EXPECT_EQ(addressOf(add("q", "net1", conf), "net1"), "10.1.0.3/16");
}

TEST_F(Agent, NoSourceOfPoolsIsAnError) {
    pod("a", "a");
    EXPECT_THAT(addFails("a", "eth0"), EndsWith("no IPPool available, no pool selection rules of any type are specified"));
    EXPECT_EQ(addFails("a", "eth0", from({"gone"})),
              "failed to allocate IP addresses in standard mode: failed to get original IPPool gone: "
              "spiderippools.spiderpool.spidernet.io \"gone\" not found");
    pool("p", {"10.1.0.1"});
    EXPECT_THAT(addFails("a", "eth0", from({"p", "p"})), EndsWith("wrong input, duplicate IPPool p specified for NIC eth0"));
}

TEST_F(Agent, WildcardsNameThePoolsOfTheFamily) { // 8
    for (const char* name : {"rail1-a", "rail1-b", "rail2-a"})
        pool(name, {"10.1.0." + std::to_string(10 + kube.list(resource::ipPool, "").size())}, {{"disable", true}});
    pool("rail1-six", {"fd00::1"}, {{"disable", true}}, 6, "fd00::/64");
    pod("a", "a");
    EXPECT_THAT(
        addFails("a", "eth0", from({"rail1*"})),
        HasSubstr("all IPv4 IPPools [rail1-a rail1-b] of eth0 filtered out: [disabled IPPool rail1-a, disabled IPPool rail1-b]"));
}

TEST_F(Agent08, WildcardsAreNamesLikeOthers) {
    pool("rail1-a", {"10.1.0.1"});
    pod("a", "a");
    EXPECT_THAT(addFails("a", "eth0", from({"rail1*"})), HasSubstr("failed to get original IPPool rail1*: "));
}

TEST_F(Agent, UnsuitablePoolsAreFilteredWithTheirReasons) { // 9, 10, 11
    pool("disabled", {"10.1.0.1"}, {{"disable", true}});
    pool("six", {"fd00::1"}, Json::object(), 6, "fd00::/64");
    pool("node", {"10.1.0.2"}, {{"nodeName", {"other"}}, {"nodeAffinity", {{"matchLabels", {{"rack", "1"}}}}}});
    pool("rack", {"10.1.0.3"}, {{"nodeAffinity", {{"matchLabels", {{"rack", "2"}}}}}});
    pool("ns", {"10.1.0.4"}, {{"namespaceName", {"other"}}});
    pool("nsLabel", {"10.1.0.5"}, {{"namespaceAffinity", {{"matchLabels", {{"team", "x"}}}}}});
    pool("app", {"10.1.0.6"},
         {{"podAffinity", {{"matchExpressions", Json::array({{{"key", "app"}, {"operator", "NotIn"}, {"values", {"a"}}}})}}}});
    pool("network", {"10.1.0.7"}, {{"multusName", {"one"}}});
    kube.create(resource::node, {{"metadata", {{"name", "node1"}, {"labels", {{"rack", "1"}}}}}});
    pod("a", "a");
    EXPECT_EQ(
        addFails("a", "net1", from({"disabled", "six", "node", "rack", "ns", "nsLabel", "app", "network"})),
        "failed to allocate IP addresses in standard mode: no IPPool available, all IPv4 IPPools [disabled six node rack ns "
        "nsLabel "
        "app network] of net1 filtered out: [disabled IPPool disabled, expect an IPv4 IPPool, but the version of the IPPool six "
        "is "
        "IPv6, unmatched Node name of IPPool node, unmatched Node affinity of IPPool rack, unmatched Namespace name of IPPool "
        "ns, "
        "unmatched Namespace affinity of IPPool nsLabel, unmatched Pod affinity of IPPool app, the spec.multusName [one] in the "
        "IPPool network used by the Pod interface net1 is not matched with the multusCR default/one specified by the Pod]");
}

TEST_F(Agent, FirstNicNeedsToKnowItsNetwork) { // 12
    config.multusClusterNetwork.clear();
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    EXPECT_THAT(addFails("a", "eth0", from({"p"})),
                EndsWith("cluster-network multus isn't set, the IPPool p specified multusName [] unmatched"));
    pod("b", "b", {{"v1.multus-cni.io/default-network", "macvlan"}});
    EXPECT_EQ(addressOf(add("b", "eth0", from({"p"})), "eth0"), "10.1.0.1/16");
}

TEST_F(Agent08, OnlyPoolsOfCertainNetworksNeedToKnowIt) {
    config.multusClusterNetwork.clear();
    pool("p", {"10.1.0.1"});
    pool("q", {"10.1.0.2"}, {{"multusName", {"x", "y"}}});
    pod("a", "a");
    EXPECT_THAT(addFails("a", "eth0", from({"q"})),
                EndsWith("cluster-network multus isn't set, the IPPool q specified multusName [x y] unmatched"));
    EXPECT_EQ(addressOf(add("a", "eth0", from({"p"})), "eth0"), "10.1.0.1/16");
}

TEST_F(Agent, PoolsAnnotationIsChecked) { // 13
    pool("p", {"10.1.0.1"});
    const std::string prefix = "failed to allocate IP addresses in standard mode: wrong input, invalid format of Pod annotation "
                               "'ipam.spidernet.io/ippools': ";
    const std::pair<const char*, const char*> cases[] = {
        {R"([])", "value requires at least one item"},
        {R"([{"ipv4":["p"]},{"interface":"net1","ipv4":["p"]}])", "NIC should be either all specified or all unspecified"},
        {R"([{"interface":"eth0","ipv4":["p"]},{"interface":"eth0","ipv4":["p"]}])", "duplicate interface eth0"},
        {R"([{"interface":"net1","ipv4":["p"]}])", "interface eth0 must be specified"},
        {R"(p)", "it is no JSON list"},
    };
    for (const auto& [text, complaint] : cases) {
        pod("a", "a", {{"ipam.spidernet.io/ippools", text}});
        EXPECT_EQ(addFails("a", "eth0"), prefix + complaint);
    }
}

TEST_F(Agent, PoolsAnnotationServesAllNicsAtOnce) {
    pool("p", {"10.1.0.1-10.1.0.9"}, {{"gateway", "10.1.255.254"}});
    pool("q", {"10.2.0.1-10.2.0.9"}, {{"gateway", "10.2.255.254"}}, 4, "10.2.0.0/16");
    pod("a", "a",
        {{"ipam.spidernet.io/ippools",
          R"([{"interface":"eth0","ipv4":["p"]},{"interface":"net1","ipv4":["q"],"cleangateway":true}])"}});
    const Json first = add("a", "eth0");
    EXPECT_EQ(addressOf(first, "eth0"), "10.1.0.1/16");
    EXPECT_EQ(addressOf(first, "net1"), "10.2.0.1/16");
    EXPECT_EQ(add("a", "net1"), first);
    EXPECT_THAT(routesOf(first, "eth0"), ElementsAre("0.0.0.0/0 via 10.1.255.254"));
    EXPECT_THAT(routesOf(first, "net1"), IsEmpty()); // 23
}

TEST_F(Agent, NicsWithoutNamesAreNamedAsTheyCome) {
    pool("p", {"10.1.0.1-10.1.0.9"});
    pool("q", {"10.2.0.1-10.2.0.9"}, Json::object(), 4, "10.2.0.0/16");
    pod("a", "a", {{"ipam.spidernet.io/ippools", R"([{"ipv4":["p"]},{"ipv4":["q"]}])"}});
    EXPECT_EQ(addressOf(add("a", "eth0"), "eth0"), "10.1.0.1/16");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "a")["status"]["current"]["ips"][1]["interface"], "");
    EXPECT_EQ(addressOf(add("a", "net7"), "net7"), "10.2.0.1/16");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "a")["status"]["current"]["ips"][1]["interface"], "net7");
}

TEST_F(Agent, WhatOneNicGotSurvivesTheFailureOfAnother) { // 14
    pool("p", {"10.1.0.1-10.1.0.9"});
    pool("q", {}, Json::object(), 4, "10.2.0.0/16");
    pod("a", "a", {{"ipam.spidernet.io/ippools", R"([{"interface":"eth0","ipv4":["p"]},{"interface":"net1","ipv4":["q"]}])"}});
    for (int i = 0; i < 3; ++i)
        EXPECT_THAT(addFails("a", "eth0"), EndsWith("to NIC net1 from IPPools [q]: all IP addresses used out"));
    EXPECT_THAT(used("p"), ElementsAre("10.1.0.1"));
    Json refilled = kube.get(resource::ipPool, "", "q");
    refilled["spec"]["ips"] = {"10.2.0.1"};
    kube.update(resource::ipPool, refilled);
    const Json answer = add("a", "eth0");
    EXPECT_EQ(addressOf(answer, "eth0"), "10.1.0.1/16");
    EXPECT_EQ(addressOf(answer, "net1"), "10.2.0.1/16");
}

TEST_F(Agent08, WhatOneNicGotSurvivesTheFailureOfAnother) {
    pool("p", {"10.1.0.1-10.1.0.9"});
    pool("q", {}, Json::object(), 4, "10.2.0.0/16");
    pod("a", "a", {{"ipam.spidernet.io/ippools", R"([{"interface":"eth0","ipv4":["p"]},{"interface":"net1","ipv4":["q"]}])"}});
    for (int i = 0; i < 3; ++i)
        addFails("a", "eth0");
    EXPECT_THAT(used("p"), ElementsAre("10.1.0.1"));
}

TEST_F(Agent, ALivingPodKeepsItsAddress) { // 15
    pool("p", {"10.1.0.1-10.1.0.9"});
    pod("a", "a");
    const Json first = add("a", "eth0", from({"p"}));
    EXPECT_EQ(del("a", "eth0", "a"), 200);
    EXPECT_THAT(used("p"), ElementsAre("10.1.0.1"));
    EXPECT_EQ(add("a", "eth0", from({"p"})), first);
}

TEST_F(Agent, TheFirstReleaseOfADeadPodFreesAllItsNics) { // 16, 19
    pool("p", {"10.1.0.1-10.1.0.9"});
    pool("q", {"10.2.0.1-10.2.0.9"}, Json::object(), 4, "10.2.0.0/16");
    pool("r", {"fd00::1-fd00::f"}, Json::object(), 6, "fd00::/64");
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    add("a", "net1", from({"q"}));
    const Json all = add("a", "net2", {{"defaultIPv6IPPool", {"r"}}});
    EXPECT_EQ(addressOf(all, "net2", 6), "fd00::1/64");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "a")["status"]["current"]["ips"].size(), 3u);
    kill("a");
    EXPECT_EQ(del("a", "net1", "someone else"), 200);
    EXPECT_THAT(used("q"), ElementsAre("10.2.0.1"));
    EXPECT_EQ(del("a", "net1", ""), 200); // nobody knows whose: left to the garbage collection
    EXPECT_THAT(used("q"), ElementsAre("10.2.0.1"));
    EXPECT_EQ(del("a", "net1", "a"), 200);
    EXPECT_THAT(used("p"), IsEmpty());
    EXPECT_THAT(used("q"), IsEmpty());
    EXPECT_THAT(used("r"), IsEmpty());
    EXPECT_FALSE(kube.get(resource::ipPool, "", "p")["status"].contains("allocatedIPs"));
    EXPECT_FALSE(kube.exists(resource::endpoint, "default", "a"));
    EXPECT_EQ(del("a", "eth0", "a"), 200);
}

TEST_F(Agent, ADisabledPoolStillTakesBack) { // 9
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    Json object = kube.get(resource::ipPool, "", "p");
    object["spec"]["disable"] = true;
    kube.update(resource::ipPool, object);
    kill("a");
    EXPECT_EQ(del("a", "eth0", "a"), 200);
    EXPECT_THAT(used("p"), IsEmpty());
}

TEST_F(Agent, AFinishedPodIsDeadWhileItIsStillThere) {
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    Json object = kube.get(resource::pod, "default", "a");
    object["spec"]["restartPolicy"] = "Never";
    object["status"]["phase"] = "Succeeded";
    kube.put(resource::pod, object);
    EXPECT_EQ(addFails("a", "eth0", from({"p"})), "dead Pod default/a, we cannot allocate IP addresees to it");
    EXPECT_EQ(del("a", "eth0", "unknown"), 200); // the object tells the uid
    EXPECT_THAT(used("p"), IsEmpty());
    EXPECT_EQ(addFails("b", "eth0"), "failed to get Pod default/b: pods \"b\" not found");
}

TEST_F(Agent, AStatefulPodComesBackToItsAddress) { // 17, 18
    pool("p", {"10.1.0.1-10.1.0.9"});
    stateful("db", 2);
    const Json owner = ownedBy("apps/v1", "StatefulSet", "db");
    for (const char* name : {"db-0", "db-1"}) {
        pod(name, std::string(name) + "-first", Json::object(), owner);
        add(name, "eth0", from({"p"}));
    }
    kill("db-1");
    EXPECT_EQ(del("db-1", "eth0", "db-1-first"), 200);
    EXPECT_THAT(used("p"), ElementsAre("10.1.0.1", "10.1.0.2"));
    pod("db-1", "db-1-second", Json::object(), owner);
    EXPECT_EQ(addressOf(add("db-1", "eth0", from({"p"})), "eth0"), "10.1.0.2/16");
    EXPECT_EQ(records("p")["10.1.0.2"]["podUid"], "db-1-second");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "db-1")["status"]["current"]["uid"], "db-1-second");

    stateful("db", 1);
    kill("db-1");
    EXPECT_EQ(del("db-1", "eth0", "db-1-second"), 200);
    EXPECT_THAT(used("p"), ElementsAre("10.1.0.1"));
    EXPECT_FALSE(kube.exists(resource::endpoint, "default", "db-1"));
}

TEST_F(Agent, AStatefulPodMovesWhenItsPoolIsNoLongerOffered) {
    pool("p", {"10.1.0.1"});
    pool("q", {"10.2.0.1"}, Json::object(), 4, "10.2.0.0/16");
    pool("r", {"10.3.0.1"}, Json::object(), 4, "10.3.0.0/16");
    stateful("db", 1);
    const Json owner = ownedBy("apps/v1", "StatefulSet", "db");
    pod("db-0", "first", Json::object(), owner);
    add("db-0", "eth0", from({"p"}));
    add("db-0", "net1", from({"q"}));
    kill("db-0");
    pod("db-0", "second", Json::object(), owner);
    EXPECT_EQ(addressOf(add("db-0", "eth0", from({"r"})), "eth0"), "10.3.0.1/16");
    EXPECT_EQ(addressOf(add("db-0", "net1", from({"q"})), "net1"), "10.2.0.1/16");
    EXPECT_THAT(used("p"), IsEmpty());
    EXPECT_EQ(records("q")["10.2.0.1"]["podUid"], "second");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "db-0")["status"]["current"]["ips"].size(), 2u);
}

TEST_F(Agent, LostRacesAreTriedAgainFourTimes) { // 20
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    kube.conflictNext(resource::ipPool, 5);
    EXPECT_THAT(addFails("a", "eth0", from({"p"})),
                EndsWith("exhaust all retries (5 times), failed to allocate IP from IPPool p"));
    kube.conflictNext(resource::ipPool, 4);
    EXPECT_EQ(addressOf(add("a", "eth0", from({"p"})), "eth0"), "10.1.0.1/16");
}

TEST_F(Agent, RoutesGoToTheNicOfTheirGateway) { // 22
    pool("p", {"10.1.0.1-10.1.0.9"},
         {{"gateway", "10.1.255.254"}, {"routes", Json::array({{{"dst", "172.16.0.0/16"}, {"gw", "10.1.0.200"}}})}});
    pool("q", {"10.2.0.1-10.2.0.9"}, Json::object(), 4, "10.2.0.0/16");
    pod("a", "a",
        {{"ipam.spidernet.io/routes",
          R"([{"dst":"192.168.0.0/16","gw":"10.2.0.100"},{"dst":"192.169.0.0/16","gw":"9.9.9.9"}])"}});
    EXPECT_THAT(routesOf(add("a", "eth0", from({"p"})), "eth0"),
                ElementsAre("172.16.0.0/16 via 10.1.0.200", "0.0.0.0/0 via 10.1.255.254"));
    const Json answer = add("a", "net1", from({"q"}));
    EXPECT_THAT(routesOf(answer, "net1"), ElementsAre("192.168.0.0/16 via 10.2.0.100"));
    pod("b", "b", {{"ipam.spidernet.io/routes", R"([{"dst":"192.168.0.0/16","gw":"fd00::1"}])"}});
    EXPECT_THAT(addFails("b", "eth0", from({"p"})), HasSubstr("invalid format of Pod annotation 'ipam.spidernet.io/routes'"));
}

TEST_F(Agent, CleanGatewayOfTheConfigurationLeavesOutTheDefaultRoute) { // 23
    pool("p", {"10.1.0.1-10.1.0.9"}, {{"gateway", "10.1.255.254"}});
    pod("a", "a");
    Json conf = from({"p"});
    conf["cleanGateway"] = true;
    const Json answer = add("a", "net1", conf);
    EXPECT_THAT(routesOf(answer, "net1"), IsEmpty());
    EXPECT_EQ(answer["ips"][0]["gateway"], "10.1.255.254");
    EXPECT_EQ(add("a", "net1", conf), answer); // also when it comes from the endpoint
}

TEST_F(Agent, AJobsNextPodOfTheSameNameStartsAnew) { // 28
    pool("p", {"10.1.0.1-10.1.0.9"});
    kube.create(job, {{"metadata", {{"name", "train"}, {"namespace", "default"}}}});
    const Json owner = ownedBy("batch/v1", "Job", "train");
    pod("train-0", "first", Json::object(), owner);
    add("train-0", "eth0", from({"p"}));
    kill("train-0");
    pod("train-0", "second", Json::object(), owner);
    EXPECT_EQ(addressOf(add("train-0", "eth0", from({"p"})), "eth0"), "10.1.0.2/16");
    EXPECT_EQ(kube.get(resource::endpoint, "default", "train-0")["status"]["current"]["uid"], "second");
}

TEST_F(Agent08, AJobsNextPodOfTheSameNameHasToWait) {
    pool("p", {"10.1.0.1-10.1.0.9"});
    pod("train-0", "first");
    add("train-0", "eth0", from({"p"}));
    kill("train-0");
    pod("train-0", "second");
    EXPECT_EQ(addFails("train-0", "eth0", from({"p"})),
              "failed to retrieve the existing IP allocation: currently, the IP allocation of the Pod default/train-0 (UID: "
              "first) is being "
              "recycled. You may create two Pods with the same namespace and name in a very short time");
}

TEST_F(Agent, EndpointsBelongToTheirPodUnlessAStatefulSetKeepsThem) {
    pool("p", {"10.1.0.1-10.1.0.9"}, {{"gateway", "10.1.255.254"}});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    const Json endpoint = kube.get(resource::endpoint, "default", "a");
    EXPECT_EQ(endpoint["metadata"]["ownerReferences"],
              (Json::array({{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "a"}, {"uid", "a"}}})));
    EXPECT_EQ(endpoint["metadata"]["finalizers"], Json::array({"spiderpool.spidernet.io"}));
    EXPECT_EQ(endpoint["status"],
              Json::parse(R"({"ownerControllerType":"Pod","ownerControllerName":"a","current":{"uid":"a","node":"node1",
        "ips":[{"interface":"eth0","ipv4":"10.1.0.1/16","ipv4Pool":"p","ipv4Gateway":"10.1.255.254","cleanGateway":false,"vlan":0}]}})"));
    stateful("db", 1);
    pod("db-0", "d", Json::object(), ownedBy("apps/v1", "StatefulSet", "db"));
    add("db-0", "eth0", from({"p"}));
    EXPECT_FALSE(kube.get(resource::endpoint, "default", "db-0")["metadata"].contains("ownerReferences"));
}

TEST_F(Agent, FamiliesThatAreSwitchedOffAreLeftOutSilently) {
    config.enableIPv6 = false;
    config.enableGatewayDetection = true;
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    const Json answer = add("a", "eth0", {{"defaultIPv4IPPool", {"p"}}, {"defaultIPv6IPPool", {"not even there"}}});
    ASSERT_EQ(answer["ips"].size(), 1u);
    EXPECT_EQ(answer["ips"][0]["enableGatewayDetection"], true);
    EXPECT_FALSE(answer["ips"][0].contains("enableIPConflictDetection"));
}

TEST_F(Agent, ReleaseOfAllTakesTheAddressesWhateverThePodIs) {
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    EXPECT_EQ(del("a", "", "b", "/v1/ipam/ips"), 500);
    EXPECT_EQ(del("a", "", "a", "/v1/ipam/ips"), 200);
    EXPECT_THAT(used("p"), IsEmpty());
    EXPECT_TRUE(kube.get(resource::endpoint, "default", "a")["status"]["current"]["ips"].empty());
    config.releaseConflictIps = false;
    IpamAgent strict(kube, config);
    EXPECT_EQ(
        strict
            .handle({"DELETE", "/v1/ipam/ips",
                     R"({"containerID":"c","podName":"a","podNamespace":"default","podUID":"a","isReleaseConflictIPs":true})"})
            .status,
        521);
}

TEST_F(Agent, AutoPoolsAndVirtualMachinesAreNotImplemented) {
    config.enableSpiderSubnet = config.enableAutoPool = true;
    stateful("db", 1);
    pod("db-0", "x", {{"ipam.spidernet.io/subnet", R"({"ipv4":["s"]})"}}, ownedBy("apps/v1", "StatefulSet", "db"));
    EXPECT_THAT(addFails("db-0", "eth0"), HasSubstr("are not implemented in profile 1.2"));
    pod("lonely", "y", {{"ipam.spidernet.io/subnet", R"({"ipv4":["s"]})"}});
    EXPECT_THAT(addFails("lonely", "eth0"), EndsWith("SpiderSubnet feature doesn't support no-controller pod"));
    pod("vm", "z", Json::object(), ownedBy("kubevirt.io/v1", "VirtualMachineInstance", "vm"));
    EXPECT_THAT(addFails("vm", "eth0"), HasSubstr("not implemented in profile 1.2"));
}

TEST_F(Agent, SixtyFourPodsAtOnceGetDifferentAddresses) {
    pool("p", {"10.1.0.1-10.1.0.64"});
    for (int i = 0; i < 64; ++i)
        pod("a" + std::to_string(i), "u" + std::to_string(i));
    agent();
    std::vector<std::thread> threads;
    for (int i = 0; i < 64; ++i)
        threads.emplace_back([&, i] { add("a" + std::to_string(i), "eth0", from({"p"})); });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(used("p").size(), 64u);
}

TEST_F(Agent, AnswersWhatIsNoProperRequest) {
    EXPECT_EQ(agent().handle({"GET", "/v1/ipam/healthy", ""}).status, 200);
    EXPECT_EQ(agent().handle({"GET", "/v1/runtime/readiness", ""}).status, 200);
    EXPECT_EQ(agent().handle({"POST", "/v1/ipam/ips", "{}"}).status, 200);
    EXPECT_EQ(agent().handle({"GET", "/v1/ipam/ip", ""}).status, 405);
    EXPECT_EQ(agent().handle({"GET", "/v2", ""}).status, 404);
    EXPECT_EQ(agent().handle({"POST", "/v1/ipam/ip", "nonsense"}).status, 400);
    const auto incomplete = agent().handle({"POST", "/v1/ipam/ip", "{}"});
    EXPECT_EQ(incomplete.status, 422);
    EXPECT_THAT(incomplete.body, HasSubstr("ipam-add-args.containerID in body is required"));
}

TEST_F(Agent, TellsAPodsEndpoint) {
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    const auto found = agent().handle({"GET", "/v1/workloadendpoint?podNamespace=default&podName=a", ""});
    EXPECT_EQ(Json::parse(found.body), Json::parse(R"({"podNamespace":"default","podName":"a","podUID":"a","node":"node1",
        "interfaces":[{"interface":"eth0","ipv4":"10.1.0.1/16","ipv4Pool":"p"}]})"));
    const auto missing = agent().handle({"GET", "/v1/workloadendpoint?podNamespace=default&podName=b", ""});
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "\"SpiderEndpoint not found for pod default/b\"\n");
}

class AgentCoordinator : public Agent {
protected:
    HttpResponse ask(const std::string& podName = "a") {
        return agent().handle({"GET", "/v1/coordinator/config", Json{{"podNamespace", "default"}, {"podName", podName}}.dump()});
    }
    void coordinator(Json status, Json spec = Json::object()) {
        spec.update({{"mode", "auto"}, {"tunePodRoutes", true}, {"hostRuleTable", 500}, {"hijackCIDR", {"169.254.0.0/16"}}});
        kube.put(resource::coordinator, {{"metadata", {{"name", "default"}}}, {"spec", spec}, {"status", status}});
    }
    const Json synced = {{"phase", "Synced"}, {"overlayPodCIDR", {"10.244.0.0/16"}}, {"serviceCIDR", {"10.96.0.0/16"}}};
};

TEST_F(AgentCoordinator, IsReadyOnceSynced) { // 49, 50
    EXPECT_EQ(ask().body, "\"coordinator config not found\"\n");
    coordinator({{"phase", "NotReady"}});
    EXPECT_EQ(ask().status, 500);
    EXPECT_EQ(ask().body, "\"spidercoordinator: default no ready\"\n");
    coordinator(synced, {{"vethMTU", 1400},
                         {"podDefaultRouteNIC", "eth0"},
                         {"policyRoutes", Json::array({{{"dst", "1.0.0.0/8"}, {"gw", "2.2.2.2"}}})}});
    EXPECT_EQ(ask().body, "\"failed to get pod default/a\"\n");
    pod("a", "a", {{"ipam.spidernet.io/default-route-nic", "net1"}});
    EXPECT_EQ(Json::parse(ask().body), Json::parse(R"({"mode":"auto","tunePodRoutes":true,"hijackCIDR":["169.254.0.0/16"],
        "overlayPodCIDR":["10.244.0.0/16"],"serviceCIDR":["10.96.0.0/16"],"hostRuleTable":500,"podDefaultRouteNIC":"net1","vethMTU":1400,
        "policyRoutes":[{"dst":"1.0.0.0/8","gw":"2.2.2.2"}]})"));
}

TEST_F(AgentCoordinator, AMissingServiceCidrIsNull) { // D11
    pod("a", "a");
    coordinator({{"phase", "Synced"}, {"overlayPodCIDR", {"10.244.0.0/16"}}});
    const Json answer = Json::parse(ask().body);
    EXPECT_TRUE(answer.at("serviceCIDR").is_null());
    EXPECT_EQ(answer.at("overlayPodCIDR"), Json::array());
}

TEST_F(AgentCoordinator, OldOneListsTheNicsOfTheEndpoint) {
    config.release = AgentRelease::v0_8;
    pool("p", {"10.1.0.1"});
    pod("a", "a");
    add("a", "eth0", from({"p"}));
    coordinator(synced, {{"detectGateway", true}, {"detectIPConflict", false}, {"hostRPFilter", 0}, {"vethMTU", 1400}});
    EXPECT_EQ(Json::parse(ask().body), Json::parse(R"({"mode":"auto","tunePodRoutes":true,"hijackCIDR":["169.254.0.0/16"],
        "overlayPodCIDR":["10.244.0.0/16"],"serviceCIDR":["10.96.0.0/16"],"hostRuleTable":500,"detectGateway":true,"podNICs":["eth0"]})"));
}

TEST(AgentConfig, ReadsConfYmlAndEnvironment) {
    const auto config =
        readAgentConfig(AgentRelease::v1_2,
                        "ipamUnixSocketPath: /run/x.sock\nenableIPv4: true\nenableIPv6: false\nenableStatefulSet: true\n"
                        "agent:\n  networkResourcePlugin:\n    enabled: false\n",
                        {{"MULTUS_CLUSTER_NETWORK", "kube-system/x"}, {"SPIDERPOOL_HEALTH_PORT", "1234"}});
    EXPECT_EQ(config.ipamUnixSocketPath, "/run/x.sock");
    EXPECT_TRUE(config.enableIPv4);
    EXPECT_FALSE(config.enableIPv6);
    EXPECT_FALSE(config.enableKubevirtStaticIP);
    EXPECT_EQ(config.multusClusterNetwork, "kube-system/x");
    EXPECT_EQ(config.healthPort, 1234);
    EXPECT_THROW(readAgentConfig(AgentRelease::v1_2, "enableIPv4: [", {}), std::runtime_error);
    EXPECT_THROW(readAgentConfig(AgentRelease::v1_2, "", {{"SPIDERPOOL_HEALTH_PORT", "http"}}), std::runtime_error);
    EXPECT_THROW(parseAgentRelease("0.9"), std::invalid_argument);
}

} // namespace
} // namespace rdmalab::plugin
