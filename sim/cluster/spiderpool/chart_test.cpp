#include "sim/cluster/spiderpool/chart.h"

#include "sim/clock/virtual_loop.h"
#include "sim/cluster/core_admission.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/chart_values.h"
#include "sim/cluster/spiderpool/helm_set.h"
#include "sim/cluster/store.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Json set(std::initializer_list<const char*> expressions) {
    Json values = Json::object();
    for (const char* expression : expressions)
        applyHelmSet(values, expression);
    return values;
}

// The seed page's `helm install` line.
Json seedValues() {
    return set({"multus.multusCNI.defaultCniCRName=\"macvlan-ens6f0np0\"", "rdma.rdmaSharedDevicePlugin.install=true",
                "rdma.rdmaSharedDevicePlugin.deviceConfig.resourcePrefix=\"spidernet.io\"",
                "rdma.rdmaSharedDevicePlugin.deviceConfig.resourceName=\"hca_shared_devices\"",
                "rdma.rdmaSharedDevicePlugin.deviceConfig.rdmaHcaMax=500",
                "rdma.rdmaSharedDevicePlugin.deviceConfig.vendors=\"15b3\"",
                "rdma.rdmaSharedDevicePlugin.deviceConfig.deviceIDs=\"1017\""});
}

Json find(const std::vector<Json>& objects, const std::string& kind, const std::string& name) {
    for (const Json& object : objects)
        if (kindOf(object) == kind && nameOf(object) == name)
            return object;
    ADD_FAILURE() << "no " << kind << " " << name;
    return {};
}

std::map<std::string, std::string> environment(const Json& container) {
    std::map<std::string, std::string> found;
    for (const Json& entry : container["env"])
        found[entry["name"]] = stringAt(entry, {"value"});
    return found;
}

Json pluginConfig(SpiderpoolProfile profile, const Json& values) {
    const Json map = find(renderChart(values, profile, "kube-system"), "ConfigMap", "spiderpool-rdma-shared-device-plugin");
    return Json::parse(stringAt(map, {"data", "config.json"}));
}

TEST(HelmSet, TypesValuesAsHelmDoes) {
    EXPECT_EQ(set({"a.b=1,a.c=true,d=x"}), (Json{{"a", {{"b", 1}, {"c", true}}}, {"d", "x"}}));
    EXPECT_EQ(set({"a=0123"})["a"], "0123");
    EXPECT_EQ(set({"a=0"})["a"], 0);
    EXPECT_EQ(set({"a=1.5"})["a"], "1.5");
    EXPECT_EQ(set({"a="})["a"], "");
    EXPECT_EQ(set({"a=null"})["a"], nullptr);
    EXPECT_EQ(set({"a={x,2,true}"})["a"], (Json{"x", 2, true}));
    EXPECT_EQ(set({"a={}"})["a"], Json::array());
    EXPECT_EQ(set({"a[0].b=1,a[1].b=2"})["a"], Json::parse(R"([{"b":1},{"b":2}])"));
    EXPECT_EQ(set({"nodeSelector.kubernetes\\.io/os=linux"}), (Json{{"nodeSelector", {{"kubernetes.io/os", "linux"}}}}));
    EXPECT_EQ(set({"a=x\\,y"})["a"], "x,y");
    EXPECT_EQ(set({"a=\"15b3\",b='1017'"}), (Json{{"a", "15b3"}, {"b", 1017}}));
    EXPECT_EQ(set({"a=a=b"})["a"], "a=b");
    Json text = Json::object();
    applyHelmSetString(text, "a=1017");
    EXPECT_EQ(text["a"], "1017");
    for (const char* bad : {"a", "=1", "a[x]=1", "a={1", "a.b,c=1"})
        EXPECT_THROW(set({bad}), std::invalid_argument) << bad;
}

TEST(ChartValues, MergeAsHelmDoes) {
    const Json merged = mergedChartValues(
        set({"coordinator.mode=underlay", "coordinator.hijackCIDR={10.0.0.0/8}", "spiderpoolAgent.nodeSelector=null"}),
        SpiderpoolProfile::v1_2);
    EXPECT_EQ(merged["coordinator"]["mode"], "underlay");
    EXPECT_EQ(merged["coordinator"]["hijackCIDR"], Json::array({"10.0.0.0/8"}));
    EXPECT_EQ(merged["coordinator"]["vethMTU"], 1500);
    EXPECT_FALSE(merged["spiderpoolAgent"].contains("nodeSelector"));
}

TEST(Chart, SeedKeysMakeTheSharedResourceInV08) {
    EXPECT_THAT(unknownChartValues(seedValues(), SpiderpoolProfile::v0_8), testing::IsEmpty());
    const Json config = pluginConfig(SpiderpoolProfile::v0_8, seedValues());
    EXPECT_EQ(config, Json::parse(R"({"periodicUpdateInterval":300,"configList":[{"resourcePrefix":"spidernet.io",
        "resourceName":"hca_shared_devices","rdmaHcaMax":500,"selectors":{"vendors":["15b3"],"deviceIDs":["1017"]}}]})"));
}

TEST(Chart, SeedKeysAreIgnoredInV12) {
    EXPECT_EQ(pluginConfig(SpiderpoolProfile::v1_2, seedValues()),
              Json::parse(R"({"periodicUpdateInterval":300,"configList":[]})"));
    EXPECT_THAT(unknownChartValues(seedValues(), SpiderpoolProfile::v1_2),
                Contains("rdma.rdmaSharedDevicePlugin.deviceConfig.vendors"));
    Json values = set({"rdma.rdmaSharedDevicePlugin.install=true"});
    values["rdma"]["rdmaSharedDevicePlugin"]["deviceConfig"]["configList"] =
        Json::parse(R"([{"resourceName":"r","rdmaHcaMax":100}])");
    EXPECT_EQ(pluginConfig(SpiderpoolProfile::v1_2, values)["configList"][0]["rdmaHcaMax"], 100);
}

TEST(Chart, Agent) {
    for (const auto profile : {SpiderpoolProfile::v0_8, SpiderpoolProfile::v1_2}) {
        const bool old = profile == SpiderpoolProfile::v0_8;
        const Json set08 = find(renderChart(seedValues(), profile, "kube-system"), "DaemonSet", "spiderpool-agent");
        const Json& spec = at(set08, {"spec", "template", "spec"});
        EXPECT_EQ(spec["hostNetwork"], true);
        EXPECT_EQ(spec["tolerations"], Json::parse(R"([{"operator":"Exists"}])"));
        const Json& agent = spec["containers"][0];
        EXPECT_EQ(agent["image"], old ? "ghcr.io/spidernet-io/spiderpool/spiderpool-agent:v0.8.2"
                                      : "ghcr.io/spidernet-io/spiderpool/spiderpool-agent:v1.2.1");
        EXPECT_EQ(agent["command"], Json::array({"/usr/bin/spiderpool-agent"}));
        EXPECT_EQ(agent["args"], (Json{"daemon", "--config-path=/tmp/spiderpool/config-map/conf.yml"}));
        EXPECT_EQ(environment(agent)["MULTUS_CLUSTER_NETWORK"], "kube-system/macvlan-ens6f0np0");
        EXPECT_EQ(environment(agent)["SPIDERPOOL_HEALTH_PORT"], "5710");
        EXPECT_EQ(spec["containers"].size(), old ? 1u : 2u) << "the multus sidecar";
        std::vector<std::string> inits;
        for (const Json& init : spec["initContainers"])
            inits.push_back(init["name"]);
        if (old)
            EXPECT_THAT(inits, ElementsAre("multus-cni")) << "plugins.installRdmaCNI is false by default";
        else
            EXPECT_THAT(inits, ElementsAre("install-plugins", "install-multus-binary"));
        // Every mount has its volume.
        std::set<std::string> volumes;
        for (const Json& volume : spec["volumes"])
            volumes.insert(volume["name"]);
        for (const char* key : {"initContainers", "containers"})
            for (const Json& container : spec[key])
                for (const Json& mount : at(container, {"volumeMounts"}))
                    EXPECT_TRUE(volumes.contains(mount["name"])) << container["name"] << mount["name"];
        EXPECT_TRUE(volumes.contains("ipam-unix-socket-dir"));
    }
}

TEST(Chart, MultusConfiguration) {
    const auto objects = renderChart(seedValues(), SpiderpoolProfile::v0_8, "kube-system");
    const Json conf = Json::parse(stringAt(find(objects, "ConfigMap", "spiderpool-multus"), {"data", "cni-conf.json"}));
    EXPECT_EQ(conf["clusterNetwork"], "macvlan-ens6f0np0");
    EXPECT_EQ(conf["multusNamespace"], "kube-system");
    EXPECT_EQ(conf["cniVersion"], "0.3.1");
    const auto newer = renderChart(seedValues(), SpiderpoolProfile::v1_2, "kube-system");
    EXPECT_EQ(stringAt(find(newer, "ConfigMap", "spiderpool-conf"), {"data", "clusterNetwork"}), "macvlan-ens6f0np0");
    EXPECT_THAT(stringAt(find(newer, "ConfigMap", "spiderpool-multus-entrypoint"), {"data", "entrypoint.sh"}),
                HasSubstr("\"clusterNetwork\": \"$network\""));
}

TEST(Chart, AgentConfiguration) {
    const std::string old =
        stringAt(find(renderChart(Json::object(), SpiderpoolProfile::v0_8, "kube-system"), "ConfigMap", "spiderpool-conf"),
                 {"data", "conf.yml"});
    EXPECT_THAT(old, HasSubstr("ipamUnixSocketPath: /var/run/spidernet/spiderpool.sock\n"));
    EXPECT_THAT(old, HasSubstr("enableIPv6: true\n"));
    EXPECT_THAT(old, testing::Not(HasSubstr("enableGatewayDetection")));
    const std::string newer = stringAt(find(renderChart(set({"ipam.enableIPv6=false", "ipam.enableGatewayDetection=true"}),
                                                        SpiderpoolProfile::v1_2, "kube-system"),
                                            "ConfigMap", "spiderpool-conf"),
                                       {"data", "conf.yml"});
    EXPECT_THAT(newer, HasSubstr("enableIPv6: false\n"));
    EXPECT_THAT(newer, HasSubstr("enableGatewayDetection: true\n"));
    EXPECT_THAT(newer, HasSubstr("namespacesExclude: [\"kube-system\","));
}

TEST(Chart, InitIsAPodThenAJob) {
    const Json pod = find(renderChart(seedValues(), SpiderpoolProfile::v0_8, "kube-system"), "Pod", "spiderpool-init");
    auto env = environment(at(pod, {"spec", "containers"})[0]);
    EXPECT_EQ(env["SPIDERPOOL_INIT_DEFAULT_CNI_NAME"], "macvlan-ens6f0np0");
    EXPECT_EQ(env["SPIDERPOOL_INIT_DEFAULT_COORDINATOR_HIJACK_CIDR"], "[\"169.254.0.0/16\"]");
    EXPECT_FALSE(env.contains("SPIDERPOOL_INIT_DEFAULT_CNI_DIR"));
    const Json job = find(renderChart(Json::object(), SpiderpoolProfile::v1_2, "spiderpool"), "Job", "spiderpool-init");
    env = environment(at(job, {"spec", "template", "spec", "containers"})[0]);
    EXPECT_EQ(env["SPIDERPOOL_INIT_DEFAULT_CNI_DIR"], "/etc/cni/net.d");
    EXPECT_EQ(env["SPIDERPOOL_NAMESPACE"], "spiderpool");
    EXPECT_EQ(stringAt(job, {"spec", "template", "spec", "restartPolicy"}), "Never");
}

TEST(Chart, TheSharedPluginsTagFollowsTheProfile) {
    for (const auto& [profile, tag] : {std::pair{SpiderpoolProfile::v0_8, "v1.3.2"}, {SpiderpoolProfile::v1_2, "v1.5.3"}}) {
        const Json set08 =
            find(renderChart(seedValues(), profile, "kube-system"), "DaemonSet", "spiderpool-rdma-shared-device-plugin");
        const Json& spec = at(set08, {"spec", "template", "spec"});
        EXPECT_EQ(spec["containers"][0]["image"], std::string("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:") + tag);
        EXPECT_EQ(spec["hostNetwork"], true);
        EXPECT_EQ(spec["volumes"][2]["configMap"]["items"][0]["path"], "config.json");
    }
}

TEST(Chart, SaysWhatItCannotDo) {
    try {
        renderChart(set({"sriov.install=true"}), SpiderpoolProfile::v0_8, "kube-system");
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "sriov.install is not implemented in profile 0.8");
    }
}

TEST(Chart, EveryObjectIsAdmitted) {
    for (const auto profile : {SpiderpoolProfile::v0_8, SpiderpoolProfile::v1_2}) {
        clock::VirtualLoop loop;
        Store store(loop);
        installCoreAdmission(store);
        for (const Json& object : renderChart(seedValues(), profile, "kube-system"))
            EXPECT_NO_THROW(store.create(object)) << object.dump();
    }
}

} // namespace
} // namespace rdmalab::cluster
