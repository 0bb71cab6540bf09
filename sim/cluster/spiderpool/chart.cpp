// Spiderpool charts/spiderpool/templates/{configmap,rdma-shared-dp,service,serviceaccount,tls}.yaml.
#include "sim/cluster/spiderpool/chart.h"

#include "sim/cluster/spiderpool/chart_parts.h"

#include <fmt/format.h>

#include <stdexcept>

namespace rdmalab::cluster {
namespace {

std::string yesNo(const Json& values, std::initializer_list<std::string_view> path) {
    return boolAt(values, path) ? "true" : "false";
}

Json configMap(const ChartContext& chart, const std::string& name, const std::string& component, Json data) {
    return {
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", chart.metadata(name, component)}, {"data", std::move(data)}};
}

Json spiderpoolConf(const ChartContext& chart) {
    const Json& v = chart.values();
    std::string conf = fmt::format("ipamUnixSocketPath: {}\nenableIPv4: {}\nenableIPv6: {}\nenableStatefulSet: {}\n"
                                   "enableKubevirtStaticIP: {}\n",
                                   text(v["global"]["ipamUNIXSocketHostPath"]), yesNo(v, {"ipam", "enableIPv4"}),
                                   yesNo(v, {"ipam", "enableIPv6"}), yesNo(v, {"ipam", "enableStatefulSet"}),
                                   yesNo(v, {"ipam", "enableKubevirtStaticIP"}));
    Json data = Json::object();
    if (chart.old()) {
        const bool subnets = boolAt(v, {"ipam", "enableSpiderSubnet"});
        conf += fmt::format("enableSpiderSubnet: {}\nclusterSubnetDefaultFlexibleIPNumber: {}\n", subnets,
                            subnets ? text(at(v, {"ipam", "subnetDefaultFlexibleIPNumber"})) : "0");
    } else {
        const bool autoPools =
            boolAt(v, {"ipam", "spiderSubnet", "enable"}) && boolAt(v, {"ipam", "spiderSubnet", "autoPool", "enable"});
        const Json& inject = v["spiderpoolController"]["podResourceInject"];
        const Json& plugin = v["spiderpoolAgent"]["networkResourcePlugin"];
        conf +=
            fmt::format("enableCleanOutdatedEndpoint: {}\nenableSpiderSubnet: {}\nenableAutoPoolForApplication: {}\n"
                        "enableIPConflictDetection: {}\nenableGatewayDetection: {}\nenableValidatingResourcesDeletedWebhook: {}\n"
                        "clusterSubnetDefaultFlexibleIPNumber: {}\ntuneSysctlConfig: {}\n",
                        yesNo(v, {"ipam", "enableCleanOutdatedEndpoint"}), yesNo(v, {"ipam", "spiderSubnet", "enable"}),
                        yesNo(v, {"ipam", "spiderSubnet", "autoPool", "enable"}), yesNo(v, {"ipam", "enableIPConflictDetection"}),
                        yesNo(v, {"ipam", "enableGatewayDetection"}),
                        yesNo(v, {"spiderpoolController", "enableValidatingResourcesDeletedWebhook"}),
                        autoPools ? text(v["ipam"]["spiderSubnet"]["autoPool"]["defaultRedundantIPNumber"]) : "0",
                        yesNo(v, {"spiderpoolAgent", "tuneSysctlConfig"}));
        conf += fmt::format("podResourceInject:\n  enabled: {}\n  namespacesExclude: {}\n  namespacesInclude: {}\n",
                            yesNo(inject, {"enabled"}), inject["namespacesExclude"].dump(), inject["namespacesInclude"].dump());
        // JSON is YAML: the rules go in as they are.
        conf += fmt::format(
            "agent:\n  networkResourcePlugin:\n    enabled: {}\n    kubeletRootDir: {}\n    devicePluginAffinity:\n"
            "      nodeSelector: {}\n    resourceAdvertisement:\n      subENI:\n        rules: {}\n"
            "      masterNIC:\n        rules: {}\n",
            yesNo(plugin, {"enabled"}), plugin["kubeletRootDir"].dump(), plugin["devicePluginAffinity"]["nodeSelector"].dump(),
            plugin["resourceAdvertisement"]["subENI"]["rules"].dump(),
            plugin["resourceAdvertisement"]["masterNIC"]["rules"].dump());
        data["clusterNetwork"] = stringAt(v, {"multus", "multusCNI", "defaultCniCRName"});
    }
    data["conf.yml"] = conf;
    return configMap(chart, text(v["global"]["configName"]), text(v["spiderpoolController"]["name"]), std::move(data));
}

nlohmann::ordered_json multusConf(const std::string& clusterNetwork, const std::string& multusNamespace,
                                  const std::string& logLevel, const std::string& logFile) {
    return {{"cniVersion", "0.3.1"},
            {"name", "multus-cni-network"},
            {"type", "multus"},
            {"confDir", "/etc/cni/net.d/"},
            {"logLevel", logLevel},
            {"logFile", logFile},
            {"capabilities", {{"portMappings", true}, {"bandwidth", true}}},
            {"namespaceIsolation", false},
            {"clusterNetwork", clusterNetwork},
            {"defaultNetworks", nlohmann::ordered_json::array()},
            {"multusNamespace", multusNamespace},
            {"systemNamespaces", nlohmann::ordered_json::array()},
            {"kubeconfig", "/etc/cni/net.d/multus.d/multus.kubeconfig"}};
}

// Does what upstream's entrypoint does: the configuration, with the node's default network when none is named, then it stays.
std::string multusEntrypoint() {
    return "#!/bin/sh\nset -e\ndir=/host/etc/cni/net.d\nmkdir -p $dir/multus.d\nnetwork=\"$MULTUS_CLUSTER_NETWORK\"\n"
           "if [ -z \"$network\" ]; then\n"
           "  file=$(ls $dir | grep -v -i multus | grep -E '\\.(conf|conflist|json)$' | head -n 1)\n"
           "  if [ -z \"$file\" ]; then\n"
           "    echo \"No default cni file found in $dir, please install your default cni in the cluster first\"\n    exit 1\n  "
           "fi\n"
           "  network=$(jq -r .name \"$dir/$file\")\nfi\ncat > /tmp/00-multus.conf <<EOF\n" +
           multusConf("$network", "$MULTUS_NAMESPACE", "debug", "/var/log/multus.log").dump(2) +
           "\nEOF\ncp /tmp/00-multus.conf $dir/00-multus.conf\nexec sleep infinity\n";
}

Json multusConfigMap(const ChartContext& chart) {
    const Json& multus = chart.values()["multus"]["multusCNI"];
    const std::string name = text(multus["name"]);
    if (!chart.old())
        return configMap(chart, name + "-entrypoint", name, {{"entrypoint.sh", multusEntrypoint()}});
    const auto conf = multusConf(stringAt(multus, {"defaultCniCRName"}), chart.ns(), text(multus["log"]["logLevel"]),
                                 text(multus["log"]["logFile"]));
    return configMap(chart, name, name, {{"cni-conf.json", conf.dump(2) + "\n"}});
}

std::vector<Json> sharedDevicePlugin(const ChartContext& chart) {
    const Json& plugin = chart.values()["rdma"]["rdmaSharedDevicePlugin"];
    const Json& device = plugin["deviceConfig"];
    const std::string name = text(plugin["name"]);
    nlohmann::ordered_json config = {{"periodicUpdateInterval", device["periodicUpdateInterval"]}};
    if (chart.old())
        // One text each: the template puts it between the brackets as it is.
        config["configList"] = nlohmann::ordered_json::array(
            {{{"resourcePrefix", text(at(device, {"resourcePrefix"}))},
              {"resourceName", text(at(device, {"resourceName"}))},
              {"rdmaHcaMax", at(device, {"rdmaHcaMax"})},
              {"selectors",
               {{"vendors", nlohmann::ordered_json::array({text(at(device, {"vendors"}))})},
                {"deviceIDs", nlohmann::ordered_json::array({text(at(device, {"deviceIDs"}))})}}}}});
    else
        config["configList"] = at(device, {"configList"}).is_array() ? device["configList"] : Json::array();

    Json labels = chart.selectorLabels(name);
    labels["name"] = "multus"; // upstream's copy and paste
    Json podLabels = labels;
    podLabels.update(chart.values()["global"]["commonLabels"]);
    podLabels.update(plugin["podLabels"]);
    podLabels["app"] = name;

    Json c = chart.container("k8s-rdma-shared-dp-ds", plugin["image"]);
    c["securityContext"] = {{"privileged", true}};
    c["resources"] = plugin["resources"];
    c["volumeMounts"] = Json::array({mount("device-plugin", "/var/lib/kubelet/device-plugins"),
                                     mount("plugins-registry", "/var/lib/kubelet/plugins_registry"),
                                     mount("config", "/k8s-rdma-shared-dev-plugin"), mount("devs", "/dev/")});
    Json spec = {{"hostNetwork", true},
                 {"tolerations", plugin["tolerations"]},
                 {"priorityClassName", "system-node-critical"},
                 {"containers", Json::array({std::move(c)})},
                 {"volumes",
                  Json::array({hostPathVolume("device-plugin", "/var/lib/kubelet/device-plugins", false),
                               hostPathVolume("plugins-registry", "/var/lib/kubelet/plugins_registry", false),
                               configMapVolume("config", name, Json::array({{{"key", "config.json"}, {"path", "config.json"}}})),
                               hostPathVolume("devs", "/dev/", false)})}};
    Json meta = {{"labels", std::move(podLabels)}};
    if (!plugin["podAnnotations"].empty())
        meta["annotations"] = plugin["podAnnotations"];
    return {configMap(chart, name, name, {{"config.json", config.dump(4) + "\n"}}),
            {{"apiVersion", "apps/v1"},
             {"kind", "DaemonSet"},
             {"metadata", chart.metadata(name, name)},
             {"spec",
              {{"selector", {{"matchLabels", std::move(labels)}}},
               {"updateStrategy", plugin["updateStrategy"]},
               {"template", {{"metadata", std::move(meta)}, {"spec", std::move(spec)}}}}}}};
}

Json controllerService(const ChartContext& chart) {
    const Json& controller = chart.component("spiderpoolController");
    const std::string name = text(controller["name"]);
    return {{"apiVersion", "v1"},
            {"kind", "Service"},
            {"metadata", chart.metadata(name, name)},
            {"spec",
             {{"type", controller["service"]["type"]},
              {"ports",
               Json::array(
                   {{{"name", "webhook"}, {"port", controller["webhookPort"]}, {"targetPort", "webhook"}, {"protocol", "TCP"}}})},
              {"selector", chart.selectorLabels(name)}}}};
}

void refuseWhatIsMissing(const ChartContext& chart) {
    const auto refuse = [&](const std::string& key) {
        throw std::invalid_argument(fmt::format("{} is not implemented in profile {}", key, toString(chart.profile())));
    };
    if (boolAt(chart.values(), {"sriov", "install"}))
        refuse("sriov.install");
    if (boolAt(chart.values(), {"grafanaDashboard", "install"}))
        refuse("grafanaDashboard.install");
    for (const char* component : {"spiderpoolAgent", "spiderpoolController"})
        for (const char* part : {"serviceMonitor", "prometheusRule"})
            if (boolAt(chart.values(), {component, "prometheus", part, "install"}))
                refuse(fmt::format("{}.prometheus.{}.install", component, part));
}

} // namespace

std::vector<Json> renderChart(const Json& values, SpiderpoolProfile profile, const std::string& releaseNamespace) {
    const ChartContext chart(values, profile, releaseNamespace);
    refuseWhatIsMissing(chart);
    std::vector<Json> objects;
    for (const char* key : {"spiderpoolAgent", "spiderpoolController", "spiderpoolInit"}) {
        const std::string name = text(chart.component(key)["name"]);
        objects.push_back({{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", chart.metadata(name, name)}});
    }
    const Json& controller = chart.component("spiderpoolController");
    objects.push_back({{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", chart.metadata(stringAt(controller, {"tls", "secretName"}), text(controller["name"]))},
                       {"type", "kubernetes.io/tls"},
                       {"data", {{"ca.crt", ""}, {"tls.crt", ""}, {"tls.key", ""}}}}); // certificates are not modelled
    objects.push_back(spiderpoolConf(chart));
    const bool multus = boolAt(chart.values(), {"multus", "multusCNI", "install"});
    if (multus)
        objects.push_back(multusConfigMap(chart));
    objects.push_back(controllerService(chart));
    objects.push_back(agentDaemonSet(chart));
    objects.push_back(controllerDeployment(chart));
    if (boolAt(chart.values(), {"rdma", "rdmaSharedDevicePlugin", "install"}))
        for (Json& object : sharedDevicePlugin(chart))
            objects.push_back(std::move(object));
    const Json& pools = chart.values()["clusterDefaultPool"];
    const bool anyFamily = boolAt(chart.values(), {"ipam", "enableIPv4"}) || boolAt(chart.values(), {"ipam", "enableIPv6"});
    const bool wanted = boolAt(chart.values(), {"coordinator", "enabled"}) || boolAt(pools, {"installIPv4IPPool"}) ||
                        boolAt(pools, {"installIPv6IPPool"});
    if (!chart.old() || (anyFamily && wanted))
        objects.push_back(initWorkload(chart));
    return objects;
}

} // namespace rdmalab::cluster
