#include "plugins/agent/init/spiderpool_init.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kube/memory_kube_client.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <stdlib.h>

namespace rdmalab::plugin {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

std::map<std::string, std::string> chartEnvironment() {
    const std::string prefix = "SPIDERPOOL_INIT_DEFAULT_COORDINATOR_";
    return {{"SPIDERPOOL_NAMESPACE", "kube-system"},
            {"SPIDERPOOL_CONTROLLER_NAME", "spiderpool-controller"},
            {"SPIDERPOOL_AGENT_NAME", "spiderpool-agent"},
            {prefix + "NAME", "default"},
            {prefix + "MODE", "auto"},
            {prefix + "POD_CIDR_TYPE", "auto"},
            {prefix + "DETECT_GATEWAY", "false"},
            {prefix + "DETECT_IP_CONFLICT", "false"},
            {prefix + "TUNE_POD_ROUTES", "true"},
            {prefix + "HIJACK_CIDR", R"(["169.254.0.0/16","1.2.3.4"])"},
            {"SPIDERPOOL_INIT_ENABLE_MULTUS_CONFIG", "true"},
            {"SPIDERPOOL_INIT_DEFAULT_CNI_NAME", ""},
            {"SPIDERPOOL_INIT_DEFAULT_CNI_NAMESPACE", "kube-system"},
            {"SPIDERPOOL_INIT_MULTUS_CONFIGMAP", "spiderpool-multus-config"},
            {"SPIDERPOOL_INIT_DEFAULT_CNI_DIR", "/etc/cni/net.d"}};
}

class Init : public testing::Test {
protected:
    Init() {
        char name[] = "/tmp/rdmalab-init-XXXXXX";
        directory = ::mkdtemp(name);
        files = std::make_unique<LinuxFiles>(directory);
        files->makeDirectories("/etc/cni/net.d", 0755);
    }
    ~Init() override { std::filesystem::remove_all(directory); }

    SpiderpoolInit init(AgentRelease release = AgentRelease::v1_2) {
        return SpiderpoolInit(kube, *files, readInitConfig(release, environment));
    }
    void controllerUp() {
        kube.put(resource::endpoints, {{"metadata", {{"name", "spiderpool-controller"}, {"namespace", "kube-system"}}},
                                       {"subsets", Json::array({{{"addresses", Json::array({{{"ip", "10.0.0.1"}}})}}})}});
    }
    void configMap(const char* clusterNetwork) {
        kube.put(resource::configMap,
                 {{"metadata", {{"name", "spiderpool-multus-config"}, {"namespace", "kube-system"}}},
                  {"data",
                   {{"cni-conf.json", std::string(R"({"cniVersion":"0.3.1","name":"multus-cni-network","type":"multus",)") +
                                          R"("clusterNetwork":")" + clusterNetwork + R"(","kubeconfig":"/k"})"}}}});
    }
    void agentPod(const char* name, const char* phase) {
        kube.put(resource::pod,
                 {{"metadata", {{"name", name}, {"namespace", "kube-system"}, {"labels", {{"app", "agent"}, {"x", "y"}}}}},
                  {"status", {{"phase", phase}}}});
    }
    std::string stepsTo(SpiderpoolInit& run) {
        const auto step = run.run();
        return step.state == InitStep::State::done     ? "done"
               : step.state == InitStep::State::failed ? "failed: " + step.reason
                                                       : "retry: " + step.reason;
    }
    Json network(const std::string& name) { return kube.get(resource::multusConfig, "kube-system", name); }

    std::string directory;
    std::unique_ptr<LinuxFiles> files;
    MemoryKubeClient kube;
    std::map<std::string, std::string> environment = chartEnvironment();
};

TEST_F(Init, WaitsForTheControllerThenCreatesEverything) {
    auto run = init();
    EXPECT_EQ(stepsTo(run), "retry: Spiderpool controller is not ready, recheck in 2s");
    kube.put(resource::endpoints, {{"metadata", {{"name", "spiderpool-controller"}, {"namespace", "kube-system"}}}});
    EXPECT_THAT(stepsTo(run), StartsWith("retry"));
    controllerUp();
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_EQ(kube.get(resource::coordinator, "", "default")["spec"],
              Json::parse(R"({"mode":"auto","podCIDRType":"auto","tunePodRoutes":true,"podDefaultRouteNIC":"","podMACPrefix":"",
                  "hijackCIDR":["169.254.0.0/16","1.2.3.4/32"],"vethLinkAddress":"","vethMTU":1500})"));
    EXPECT_EQ(network("default")["spec"], (Json{{"cniType", "custom"}, {"enableCoordinator", false}}));
    EXPECT_EQ(stepsTo(run), "done");
    auto again = init(); // all there: nothing is an error
    EXPECT_EQ(stepsTo(again), "done");
}

TEST_F(Init, DefaultNetworkIsTheOneNamedByTheChart) {
    environment["SPIDERPOOL_INIT_DEFAULT_CNI_NAME"] = "macvlan-ens6f0np0";
    files->write("/etc/cni/net.d/05-cilium.conf", R"({"name":"cilium","type":"cilium-cni"})", 0644);
    controllerUp();
    auto run = init();
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_EQ(network("macvlan-ens6f0np0")["spec"]["cniType"], "custom");
    EXPECT_EQ(kube.list(resource::multusConfig, "").size(), 1u);
}

TEST_F(Init, DefaultNetworkIsTheFirstConfigurationOfTheNode) {
    files->write("/etc/cni/net.d/00-multus.conf", R"({"name":"multus","type":"multus"})", 0644);
    files->write("/etc/cni/net.d/01-notes.txt", "", 0644);
    files->write("/etc/cni/net.d/10-calico.conflist", R"({"name":"k8s-pod-network","plugins":[{"type":"calico"}]})", 0644);
    files->write("/etc/cni/net.d/20-other.conf", R"({"name":"other","type":"macvlan"})", 0644);
    controllerUp();
    auto run = init();
    EXPECT_EQ(stepsTo(run), "done");
    const Json calico = network("calico");
    EXPECT_EQ(calico["metadata"]["annotations"]["multus.spidernet.io/cr-name"], "k8s-pod-network");
    EXPECT_EQ(calico["spec"]["cniType"], "custom");
}

TEST_F(Init, KnownTypesAreKept) {
    files->write("/etc/cni/net.d/10-m.conf", R"({"name":"m","type":"ib-sriov"})", 0644);
    controllerUp();
    auto run = init();
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_EQ(network("m")["spec"]["cniType"], "ib-sriov");
}

TEST_F(Init, ABrokenConfigurationOrDirectoryIsHopeless) {
    files->write("/etc/cni/net.d/10-m.conflist", "{", 0644);
    controllerUp();
    auto run = init();
    EXPECT_THAT(stepsTo(run), StartsWith("failed: error loading CNI conflist file /etc/cni/net.d/10-m.conflist: "));
    environment["SPIDERPOOL_INIT_DEFAULT_CNI_DIR"] = "/nowhere";
    auto other = init();
    EXPECT_EQ(stepsTo(other),
              "failed: ENV SPIDERPOOL_INIT_DEFAULT_CNI_DIR:/nowhere invalid: open /nowhere: no such file or directory");
}

TEST_F(Init, MultusConfigurationMayBeSwitchedOff) {
    environment["SPIDERPOOL_INIT_ENABLE_MULTUS_CONFIG"] = "false";
    controllerUp();
    auto run = init();
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_TRUE(kube.list(resource::multusConfig, "").empty());
}

TEST_F(Init, DefaultPoolsComeFromTheEnvironment) {
    const std::string prefix = "SPIDERPOOL_INIT_DEFAULT_IPV4_";
    environment[prefix + "SUBNET_NAME"] = "subnet4";
    environment[prefix + "IPPOOL_NAME"] = "\"pool4\"";
    environment[prefix + "IPPOOL_SUBNET"] = "10.0.0.0/16";
    environment[prefix + "IPPOOL_GATEWAY"] = "10.0.0.1";
    environment[prefix + "IPPOOL_IPRANGES"] = R"(["10.0.0.10-10.0.0.20","10.0.0.30"])";
    controllerUp();
    auto run = init();
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_EQ(
        kube.get(resource::ipPool, "", "pool4")["spec"],
        Json::parse(
            R"({"ipVersion":4,"subnet":"10.0.0.0/16","gateway":"10.0.0.1","ips":["10.0.0.10-10.0.0.20","10.0.0.30"],"default":true})"));
}

TEST_F(Init, OldOnePointsMultusToTheNetworkAndRestartsTheAgent) {
    files->write("/etc/cni/net.d/10-kindnet.conflist", R"({"name":"kindnet","plugins":[{"type":"ptp"}]})", 0644);
    controllerUp();
    configMap("");
    kube.put(resource::daemonSet, {{"metadata", {{"name", "spiderpool-agent"}, {"namespace", "kube-system"}}},
                                   {"spec", {{"template", {{"metadata", {{"labels", {{"app", "agent"}}}}}}}}}});
    agentPod("agent-1", "Running");
    auto run = init(AgentRelease::v0_8);
    EXPECT_THAT(stepsTo(run), StartsWith("retry: spiderpool-agent not ready"));
    EXPECT_FALSE(kube.exists(resource::pod, "kube-system", "agent-1"));
    EXPECT_EQ(
        kube.get(resource::configMap, "kube-system", "spiderpool-multus-config")["data"]["cni-conf.json"],
        R"({"cniVersion":"0.3.1","name":"multus-cni-network","type":"multus","clusterNetwork":"kindnet","kubeconfig":"/k"})");
    EXPECT_THAT(stepsTo(run), StartsWith("retry"));
    agentPod("agent-2", "Pending");
    EXPECT_THAT(stepsTo(run), StartsWith("retry"));
    EXPECT_FALSE(files->exists("/etc/spiderpool/ready"));
    agentPod("agent-2", "Running");
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_TRUE(kube.exists(resource::pod, "kube-system", "agent-2"));
    EXPECT_EQ(files->read("/etc/spiderpool/ready"), "ready");
    const Json spec = kube.get(resource::coordinator, "", "default")["spec"];
    EXPECT_EQ(spec["detectGateway"], false);
    EXPECT_FALSE(spec.contains("vethMTU"));
}

TEST_F(Init, OldOneLeavesTheAgentAloneWhenMultusIsRight) {
    environment["SPIDERPOOL_INIT_DEFAULT_CNI_NAME"] = "macvlan-ens6f0np0";
    controllerUp();
    configMap("macvlan-ens6f0np0");
    agentPod("agent-1", "Running");
    auto run = init(AgentRelease::v0_8);
    EXPECT_EQ(stepsTo(run), "done");
    EXPECT_TRUE(kube.exists(resource::pod, "kube-system", "agent-1"));
}

TEST_F(Init, OldOneGivesUpAfterFiveMinutes) {
    auto run = init(AgentRelease::v0_8);
    std::chrono::milliseconds waited{};
    auto step = run.run();
    for (; step.state == InitStep::State::retry && waited < std::chrono::hours(1); step = run.run())
        waited += step.retryAfter;
    EXPECT_EQ(step.state, InitStep::State::failed);
    EXPECT_EQ(step.reason, "context deadline exceeded");
    EXPECT_GE(waited, std::chrono::minutes(5));
    EXPECT_LE(waited, std::chrono::minutes(5) + std::chrono::seconds(2)); // the longest pause
    auto patient = init();
    for (int i = 0; i < 200; ++i)
        ASSERT_THAT(stepsTo(patient), StartsWith("retry"));
}

TEST_F(Init, RefusesMalformedVariables) {
    const std::pair<const char*, const char*> cases[] = {
        {"SPIDERPOOL_NAMESPACE", ""},
        {"SPIDERPOOL_INIT_ENABLE_MULTUS_CONFIG", "yes"},
        {"SPIDERPOOL_INIT_DEFAULT_COORDINATOR_HIJACK_CIDR", "1.2.3"},
        {"SPIDERPOOL_INIT_DEFAULT_COORDINATOR_VETH_MTU", "0"},
        {"SPIDERPOOL_INIT_DEFAULT_COORDINATOR_VETH_MTU", "15x"},
        {"SPIDERPOOL_INIT_DEFAULT_COORDINATOR_POLICY_ROUTES", "{}"},
        {"SPIDERPOOL_INIT_DEFAULT_IPV4_IPPOOL_NAME", "p"}, // without a subnet
    };
    for (const auto& [name, value] : cases) {
        auto broken = chartEnvironment();
        broken[name] = value;
        EXPECT_THROW(readInitConfig(AgentRelease::v1_2, broken), std::invalid_argument) << name << "=" << value;
    }
    auto missing = chartEnvironment();
    missing.erase("SPIDERPOOL_AGENT_NAME");
    EXPECT_THAT([&] { readInitConfig(AgentRelease::v0_8, missing); },
                ThrowsMessage<std::invalid_argument>("ENV SPIDERPOOL_AGENT_NAME must be specified"));
}

} // namespace
} // namespace rdmalab::plugin
