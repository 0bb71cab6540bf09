#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

namespace rdmalab::plugin {
namespace {

using ::testing::ElementsAre;
using testing::FakeExec;
using ::testing::HasSubstr;

class Multus : public ::testing::Test {
protected:
    Multus() {
        call_.environment = {{"CNI_COMMAND", "ADD"},
                             {"CNI_CONTAINERID", "id"},
                             {"CNI_NETNS", "/ns"},
                             {"CNI_IFNAME", "eth0"},
                             {"CNI_PATH", "/usr/lib/cni"},
                             {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=apps;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=id;"
                                          "K8S_POD_UID=uid-1"}};
        conf_ = {{"cniVersion", "0.3.1"},           {"name", "multus-cni-network"}, {"type", "multus"},
                 {"clusterNetwork", "default-net"}, {"kubeconfig", "/kubeconfig"},  {"confDir", "/etc/cni/net.d"}};
        addNad("kube-system", "default-net", R"({"cniVersion":"0.3.1","type":"main"})");
        addNad("apps", "a", R"({"cniVersion":"0.3.1","name":"a","type":"rail"})");
        addNad("apps", "b", R"({"cniVersion":"0.3.1","name":"b","plugins":[{"type":"rail"},{"type":"extra"}]})");
        pod_ = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", "p"}, {"namespace", "apps"}, {"uid", "uid-1"}}}};
        for (const std::string type : {"main", "rail", "extra"})
            exec_.plugins[type] = [this](const FakeExec::Call& call) { return answer(call); };
    }
    CniOutcome answer(const FakeExec::Call& call) {
        const auto& ifName = call.invocation.environment.at("CNI_IFNAME");
        if (failing_ == call.command + " " + ifName)
            return testing::failure("no luck");
        if (call.command != "ADD")
            return {};
        if (call.config.contains("prevResult"))
            return {0, call.config["prevResult"].dump(), ""};
        const int last = ifName == "eth0" ? 100 : ifName.back() - '0';
        return {0,
                fmt::format(
                    R"({{"cniVersion":"0.3.1","interfaces":[{{"name":"{0}","mac":"0a:00:00:00:00:{1:02x}","sandbox":"/ns"}}],)"
                    R"("ips":[{{"version":"4","interface":0,"address":"10.0.{1}.2/24","gateway":"10.0.{1}.1"}}],)"
                    R"("routes":[{{"dst":"0.0.0.0/0","gw":"10.0.{1}.1"}}],"dns":{{}}}})",
                    ifName, last),
                ""};
    }
    void addNad(const std::string& ns, const std::string& name, const std::string& config, const std::string& resource = "") {
        nlohmann::json nad{{"metadata", {{"name", name}, {"namespace", ns}}}, {"spec", nlohmann::json::object()}};
        if (!config.empty())
            nad["spec"]["config"] = config;
        if (!resource.empty())
            nad["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"] = resource;
        cluster_.objects["network-attachment-definitions/" + ns + "/" + name] = nad;
    }
    void annotate(const std::string& networks, const std::string& key = "k8s.v1.cni.cncf.io/networks") {
        pod_["metadata"]["annotations"][key] = networks;
    }
    CniOutcome run(const std::string& command = "ADD") {
        if (!pod_.is_null())
            cluster_.objects["pods/apps/p"] = pod_;
        call_.environment["CNI_COMMAND"] = command;
        call_.input = conf_.dump();
        CniServices services{kernel_,
                             files_,
                             exec_,
                             {},
                             [this](const std::string&) { return std::make_unique<testing::FakeKube>(cluster_); },
                             {},
                             [this](std::chrono::milliseconds time) { slept_ += time; }};
        return multusMain(call_, services);
    }
    std::string message(const CniOutcome& outcome) {
        return outcome.exitStatus == 0 ? "success" : stringOf(nlohmann::json::parse(outcome.output), "msg");
    }
    std::vector<std::string> interfaces(const std::string& command = "ADD") {
        std::vector<std::string> out;
        for (const auto& call : exec_.calls)
            if (call.command == command)
                out.push_back(call.type + " " + call.invocation.environment.at("CNI_IFNAME"));
        return out;
    }
    std::string status() {
        return cluster_.objects["pods/apps/p"]["metadata"]["annotations"].value("k8s.v1.cni.cncf.io/network-status", "");
    }
    void allocate(const std::string& resource, const nlohmann::json& ids) {
        files_.content["/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"] =
            nlohmann::json{
                {"Data",
                 {{"PodDeviceEntries",
                   {{{"PodUID", "uid-1"}, {"ContainerName", "c"}, {"ResourceName", resource}, {"DeviceIDs", {{"0", ids}}}}}}}}}
                .dump();
    }

    testing::FakeKernel kernel_;
    testing::FakeFiles files_;
    FakeExec exec_;
    testing::FakeCluster cluster_;
    CniInvocation call_;
    nlohmann::json conf_, pod_;
    std::string failing_; // "ADD net1"
    std::chrono::milliseconds slept_{};
};

TEST_F(Multus, WithoutAnnotationOnlyTheClusterNetwork) {
    const auto outcome = run();
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(interfaces(), ElementsAre("main eth0"));
    EXPECT_EQ(exec_.calls[0].invocation.environment.at("CNI_PATH"), "/opt/cni/bin:/usr/lib/cni");
    EXPECT_EQ(status(), R"([{
    "name": "kube-system/default-net",
    "interface": "eth0",
    "ips": [
        "10.0.100.2"
    ],
    "mac": "0a:00:00:00:00:64",
    "default": true,
    "dns": {},
    "gateway": [
        "10.0.100.1"
    ]
}])");
    ASSERT_EQ(cluster_.events.size(), 1u);
    EXPECT_EQ(cluster_.events[0].at("reason"), "AddedInterface");
    EXPECT_EQ(cluster_.events[0].at("message"), "Add eth0 [10.0.100.2/24] from kube-system/default-net");
    EXPECT_TRUE(files_.exists("/var/lib/cni/multus/id"));
    EXPECT_TRUE(files_.exists("/var/lib/cni/multus/results/default-net-id-eth0"));
}

TEST_F(Multus, InterfacesAreNamedByTheirPlaceInTheList) {
    annotate("a, b@foo ,apps/a");
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_THAT(interfaces(), ElementsAre("main eth0", "rail net1", "rail foo", "extra foo", "rail net3"));
    conf_["defaultNetworks"] = {"default-net"};
    exec_.calls.clear();
    annotate("a");
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_THAT(interfaces(), ElementsAre("main eth0", "main net1", "rail net2"));
}

TEST_F(Multus, JsonAnnotationCarriesRequests) {
    addNad("apps", "a", R"({"cniVersion":"0.3.1","name":"a","type":"rail","capabilities":{"mac":true}})");
    annotate(R"([{"name":"a","interface":"rail0","mac":"0a:00:00:00:00:0a","ips":["10.0.0.9/24"],"cni-args":{"x":1}}])");
    ASSERT_EQ(run().exitStatus, 0);
    const auto& call = exec_.calls.at(1);
    EXPECT_EQ(call.invocation.environment.at("CNI_IFNAME"), "rail0");
    EXPECT_EQ(call.config.at("runtimeConfig").at("mac"), "0a:00:00:00:00:0a");
    EXPECT_FALSE(call.config.at("runtimeConfig").contains("ips")); // the plugin does not declare it
    EXPECT_EQ(call.config.at("args").at("cni").at("x"), 1);
    EXPECT_EQ(call.invocation.environment.at("CNI_ARGS"),
              "IgnoreUnknown=true;K8S_POD_NAMESPACE=apps;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=id;K8S_POD_UID=uid-1;"
              "MAC=0a:00:00:00:00:0a;IP=10.0.0.9/24");
}

TEST_F(Multus, BadAnnotationsFailBeforeAnyDelegate) {
    const std::map<std::string, std::string> cases{
        {"a/b/c", "Invalid network object (failed at '/')"},
        {"a@b@c", "Invalid network object (failed at '@')"},
        {"A_b", "Failed to parse: one or more items did not match comma-delimited format"},
        {R"([{"name":"a","mac":"nonsense"}])", "failed to mac"},
        {R"([{"name":"a","ips":["1.2.3"]}])", "failed to parse IP address \"1.2.3\""},
        {R"({"name":"a"})", "failed to parse pod Network Attachment Selection Annotation JSON format"},
        {"missing", "cannot find a network-attachment-definition (missing) in namespace (apps)"}};
    for (const auto& [annotation, text] : cases) {
        annotate(annotation);
        EXPECT_THAT(message(run()), HasSubstr(text));
    }
    EXPECT_TRUE(exec_.calls.empty());
    EXPECT_TRUE(std::any_of(cluster_.events.begin(), cluster_.events.end(),
                            [](const auto& event) { return event.at("reason") == "NoNetworkFound"; }));
}

TEST_F(Multus, DefaultNetworkAnnotationReplacesTheFirstDelegate) {
    addNad("kube-system", "other", R"({"cniVersion":"0.3.1","name":"other","type":"rail"})");
    annotate("other", "v1.multus-cni.io/default-network");
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_THAT(interfaces(), ElementsAre("rail eth0"));
    annotate("other,other", "v1.multus-cni.io/default-network");
    EXPECT_THAT(message(run()), HasSubstr("more than one default network is specified: other,other"));
}

TEST_F(Multus, EmptySpecIsAFileOfThatName) {
    addNad("kube-system", "default-net", "");
    files_.content["/etc/cni/net.d/00-multus.conf"] = conf_.dump();
    files_.content["/etc/cni/net.d/10-x.conflist"] =
        R"({"cniVersion":"0.3.1","name":"default-net","plugins":[{"type":"main"},{"type":"extra"}]})";
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_THAT(interfaces(), ElementsAre("main eth0", "extra eth0"));
    EXPECT_THAT(status(), HasSubstr("\"name\": \"kube-system/default-net\""));
}

TEST_F(Multus, ClusterNetworkMayBeAFileOnly) {
    conf_["clusterNetwork"] = "cbr0";
    EXPECT_THAT(message(run()), HasSubstr("GetDefaultNetworks: failed to get clusterNetwork cbr0 in namespace kube-system"));
    files_.content["/etc/cni/net.d/10-x.conf"] = R"({"cniVersion":"0.3.1","name":"cbr0","type":"main"})";
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_THAT(status(), HasSubstr("\"name\": \"cbr0\""));
}

TEST_F(Multus, IsolationAllowsGlobalNamespacesOnly) {
    conf_["namespaceIsolation"] = true;
    addNad("other", "n", R"({"cniVersion":"0.3.1","name":"n","type":"rail"})");
    addNad("default", "n", R"({"cniVersion":"0.3.1","name":"n","type":"rail"})");
    annotate("other/n");
    EXPECT_THAT(message(run()),
                HasSubstr("namespace isolation enabled, annotation violates permission, pod is in namespace apps but "
                          "refers to target namespace other"));
    annotate("default/n");
    EXPECT_EQ(run().exitStatus, 0);
    conf_["globalNamespaces"] = "other";
    EXPECT_EQ(run().exitStatus, 1);
}

TEST_F(Multus, EachUseOfAResourceTakesTheNextDevice) {
    addNad("apps", "a", R"({"cniVersion":"0.3.1","name":"a","type":"rail"})", "x.io/vf");
    addNad("apps", "b", R"({"cniVersion":"0.3.1","name":"b","plugins":[{"type":"rail"},{"type":"extra"}]})", "x.io/vf");
    allocate("x.io/vf", {"0000:3b:02.1", "0000:3b:02.0"});
    files_.content["/var/run/k8s.cni.cncf.io/devinfo/dp/x.io-vf-0000:3b:02.0-device.json"] =
        R"({"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:3b:02.0","rdma-device":"mlx5_2"}})";
    annotate("a,b,a");
    ASSERT_EQ(run().exitStatus, 0);
    EXPECT_EQ(exec_.calls[1].config.at("deviceID"), "0000:3b:02.0");
    EXPECT_EQ(exec_.calls[1].config.at("pciBusID"), "0000:3b:02.0");
    EXPECT_EQ(exec_.calls[2].config.at("deviceID"), "0000:3b:02.1");
    EXPECT_EQ(exec_.calls[3].config.at("deviceID"), "0000:3b:02.1"); // every plugin of a list
    EXPECT_FALSE(exec_.calls[4].config.contains("deviceID"));        // none left
    EXPECT_TRUE(files_.exists("/var/run/k8s.cni.cncf.io/devinfo/cni/apps-a-id_net1"));
    EXPECT_THAT(status(), HasSubstr("\"rdma-device\": \"mlx5_2\""));
    ASSERT_EQ(run("DEL").exitStatus, 0);
    EXPECT_FALSE(files_.exists("/var/run/k8s.cni.cncf.io/devinfo/cni/apps-a-id_net1"));
}

TEST_F(Multus, ResourceWithoutKubeletFails) {
    addNad("apps", "a", R"({"cniVersion":"0.3.1","name":"a","type":"rail"})", "x.io/vf");
    annotate("a");
    EXPECT_THAT(message(run()), HasSubstr("failed to get a ResourceClient instance"));
}

TEST_F(Multus, FailureRollsBackAndKeepsTheScratchFile) {
    annotate("a,a");
    failing_ = "ADD net2";
    EXPECT_EQ(message(run()), R"([apps/p/uid-1:a]: error adding container to network "a": no luck)");
    EXPECT_THAT(interfaces("DEL"), ElementsAre("rail net2", "rail net1", "main eth0"));
    EXPECT_TRUE(files_.exists("/var/lib/cni/multus/id"));
    EXPECT_EQ(status(), "");
}

TEST_F(Multus, TakenInterfaceNameIsFoundBeforeTheDelegateRuns) {
    kernel_.names = {"net1"};
    annotate("a");
    EXPECT_THAT(message(run()), HasSubstr("validateIfName: interface name net1 already exists"));
    EXPECT_THAT(interfaces(), ElementsAre("main eth0"));
}

TEST_F(Multus, DeleteUsesTheScratchFileWithoutApiServer) {
    annotate("a,b");
    ASSERT_EQ(run().exitStatus, 0);
    exec_.calls.clear();
    cluster_.down = true;
    addNad("apps", "a", R"({"cniVersion":"0.3.1","name":"a","type":"extra"})"); // changed since
    ASSERT_EQ(run("DEL").exitStatus, 0);
    EXPECT_THAT(interfaces("DEL"), ElementsAre("extra net2", "rail net2", "rail net1", "main eth0"));
    EXPECT_FALSE(files_.exists("/var/lib/cni/multus/id"));
}

TEST_F(Multus, DeleteErrorsAreCollected) {
    annotate("a,b");
    ASSERT_EQ(run().exitStatus, 0);
    failing_ = "DEL net2";
    exec_.calls.clear();
    EXPECT_EQ(message(run("DEL")),
              R"(errors: DelegateDel: error invoking ConflistDel - "b": conflistDel: error in getting result from )"
              R"(DelNetworkList: plugin type="extra" failed (delete): no luck)");
    EXPECT_THAT(interfaces("DEL"), ElementsAre("extra net2", "rail net1", "main eth0"));
    EXPECT_FALSE(files_.exists("/var/lib/cni/multus/id"));

    failing_.clear();
    ASSERT_EQ(run().exitStatus, 0);
    conf_["retryDeleteOnError"] = true;
    failing_ = "DEL net2";
    EXPECT_EQ(run("DEL").exitStatus, 1);
    EXPECT_TRUE(files_.exists("/var/lib/cni/multus/id"));
}

TEST_F(Multus, DeleteOfAnUnknownPodSucceedsSilently) {
    pod_ = nullptr;
    EXPECT_EQ(run("DEL").exitStatus, 0);
    EXPECT_TRUE(exec_.calls.empty());
}

TEST_F(Multus, DeleteWithoutScratchFileAsksTheApi) {
    annotate("a");
    ASSERT_EQ(run("DEL").exitStatus, 0);
    EXPECT_THAT(interfaces("DEL"), ElementsAre("rail net1", "main eth0"));
}

TEST_F(Multus, VanishedPodGetsADummyResult) {
    pod_ = nullptr;
    const auto outcome = run();
    EXPECT_EQ(outcome.exitStatus, 0);
    EXPECT_THAT(outcome.output, HasSubstr("0.0.0.0/32"));
    EXPECT_TRUE(exec_.calls.empty());
}

TEST_F(Multus, AnotherPodOfThatNameIsRefusedUnlessStatic) {
    pod_["metadata"]["uid"] = "uid-2";
    EXPECT_EQ(message(run()), R"(Multus: [apps/p/uid-1]: expected pod UID "uid-1" but got "uid-2" from Kube API)");
    pod_["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x";
    EXPECT_EQ(run().exitStatus, 0);
}

TEST_F(Multus, ReadinessFileIsWaitedForInAddOnly) {
    conf_["readinessindicatorfile"] = "/run/ready";
    EXPECT_THAT(message(run()),
                HasSubstr("have you checked that your default network is ready? still waiting for "
                          "readinessindicatorfile @ /run/ready. pollimmediate error: timed out waiting for the condition"));
    EXPECT_EQ(slept_, std::chrono::seconds(45));
    EXPECT_EQ(run("DEL").exitStatus, 0);
    EXPECT_EQ(slept_, std::chrono::seconds(45));
}

TEST_F(Multus, ApiServerThatIsDownIsWaitedFor) {
    cluster_.down = true;
    EXPECT_THAT(message(run()), HasSubstr("error waiting for pod: connection refused"));
    EXPECT_GE(slept_, std::chrono::milliseconds(2000));
}

TEST_F(Multus, StatusIsWrittenAgainAfterAConflict) {
    cluster_.conflicts = 2;
    EXPECT_EQ(run().exitStatus, 0);
    EXPECT_NE(status(), "");
}

TEST_F(Multus, DefaultRouteRequestChangesTheCachedResults) {
    annotate(R"([{"name":"a","default-route":["10.0.1.9"]}])");
    ASSERT_EQ(run().exitStatus, 0);
    const auto routes = [this](const std::string& name) {
        return nlohmann::json::parse(files_.content.at("/var/lib/cni/multus/results/" + name))
            .at("result")
            .value("routes", nlohmann::json())
            .dump();
    };
    EXPECT_EQ(routes("default-net-id-eth0"), "null");
    EXPECT_EQ(routes("a-id-net1"), R"([{"dst":"0.0.0.0/0","gw":"10.0.1.9"}])");
    annotate(R"([{"name":"a","default-route":["10.0.1.9"]},{"name":"a","default-route":["10.0.1.8"]}])");
    EXPECT_THAT(message(run()), HasSubstr("multus does not support ECMP for default-route"));
}

TEST_F(Multus, ConfigurationNeedsANetwork) {
    conf_.erase("clusterNetwork");
    EXPECT_EQ(message(run()),
              "Multus: error loading netconf: LoadNetConf: at least one delegate/clusterNetwork must be specified");
    conf_["delegates"] = nlohmann::json::array({{{"cniVersion", "0.3.1"}, {"name", "inline"}, {"type", "main"}}});
    EXPECT_EQ(run().exitStatus, 0);
    EXPECT_THAT(status(), HasSubstr("\"name\": \"inline\""));
}

TEST_F(Multus, CheckIsNothingWithAClusterNetwork) {
    conf_["cniVersion"] = "1.0.0";
    EXPECT_EQ(run("CHECK").exitStatus, 0);
    EXPECT_TRUE(exec_.calls.empty());
}

} // namespace
} // namespace rdmalab::plugin
