// Spiderpool charts/spiderpool/templates/{daemonset,deployment,pod}.yaml.
#include "sim/cluster/spiderpool/chart_parts.h"

#include <fmt/format.h>

namespace rdmalab::cluster {
namespace {

const Json cniBin = {{"name", "cni-bin-path"}, {"mountPath", "/host/opt/cni/bin"}};
const Json privileged = {{"privileged", true}};

bool flag(const ChartContext& chart, const char* key) {
    return boolAt(chart.values(), {"plugins", key});
}

Json pluginInstaller(const ChartContext& chart) {
    Json c = chart.container("install-plugins", chart.values()["plugins"]["image"]);
    const Json& plugins = chart.values()["plugins"];
    c["env"] =
        Json::array({env("INSTALL_CNI_PLUGINS", plugins["installCNI"]), env("INSTALL_OVS_PLUGIN", at(plugins, {"installOvsCNI"})),
                     env("INSTALL_RDMA_PLUGIN", at(plugins, {"installRdmaCNI"}))});
    if (!chart.old())
        appendAll(c["env"], Json::array({env("INSTALL_SRIOV_PLUGIN", at(plugins, {"installSriovCNI"})),
                                         env("INSTALL_IB_SRIOV_PLUGIN", at(plugins, {"installibSriovCNI"})),
                                         env("INSTALL_IPOIB_PLUGIN", at(plugins, {"installIpoibCNI"})),
                                         env("INSTALL_VLAN_PLUGIN", at(plugins, {"installVlanCNI"}))}));
    c["command"] = {"/bin/sh", "entrypoint.sh"};
    c["securityContext"] = privileged;
    c["volumeMounts"] = Json::array({cniBin});
    return c;
}

// v0.8 installs the binary and its configuration in one init container, v1.x only the binary.
Json multusInstaller(const ChartContext& chart) {
    const Json& image = chart.values()["multus"]["multusCNI"]["image"];
    Json c = chart.container(chart.old() ? "multus-cni" : "install-multus-binary", image);
    if (chart.old()) {
        c["command"] = {"/bin/sh", "-c",
                        "cp -f /usr/src/multus-cni/bin/multus /host/opt/cni/bin/multus && "
                        "./entrypoint.sh --multus-conf-file=/tmp/multus-conf/00-multus.conf --cni-version=0.3.1\n"};
        c["volumeMounts"] = Json::array({mount("cni", "/host/etc/cni/net.d"), cniBin, mount("multus-cfg", "/tmp/multus-conf")});
    } else {
        c["command"] = Json::array({"/install_multus"});
        c["args"] = {"--type", "thin"};
        c["volumeMounts"] = Json::array({cniBin});
    }
    c["securityContext"] = privileged;
    return c;
}

Json multusSidecar(const ChartContext& chart) {
    Json c = chart.container("multus-cni", chart.component("spiderpoolAgent")["image"]);
    c["command"] = Json::array({"/home/entrypoint.sh"});
    c["securityContext"] = privileged;
    c["env"] = Json::array({{{"name", "MULTUS_CLUSTER_NETWORK"},
                             {"valueFrom", {{"configMapKeyRef", {{"key", "clusterNetwork"}, {"name", "spiderpool-conf"}}}}}},
                            envFromField("MULTUS_NAMESPACE", "metadata.namespace")});
    c["resources"] = {{"limits", {{"cpu", "100m"}, {"memory", "50Mi"}}}, {"requests", {{"cpu", "100m"}, {"memory", "50Mi"}}}};
    c["volumeMounts"] = Json::array({mount("cni", "/host/etc/cni/net.d"), mount("multus-entrypoint", "/home")});
    return c;
}

Json agentEnv(const ChartContext& chart) {
    const Json& agent = chart.component("spiderpoolAgent");
    Json list = Json::array(
        {envFromField("SPIDERPOOL_POD_NAME", "metadata.name"), envFromField("SPIDERPOOL_POD_NAMESPACE", "metadata.namespace")});
    if (!chart.old())
        list.push_back(envFromField("SPIDERPOOL_NODE_NAME", "spec.nodeName"));
    list.push_back(env("SPIDERPOOL_LOG_LEVEL", agent["debug"]["logLevel"]));
    list.push_back(env("SPIDERPOOL_ENABLED_METRIC", agent["prometheus"]["enabled"]));
    list.push_back(env("SPIDERPOOL_ENABLED_DEBUG_METRIC", agent["prometheus"]["enabledDebugMetric"]));
    if (!chart.old())
        list.push_back(env("SPIDERPOOL_ENABLED_RDMA_METRIC", agent["prometheus"]["enabledRdmaMetric"]));
    list.push_back(env("SPIDERPOOL_METRIC_HTTP_PORT", agent["prometheus"]["port"]));
    list.push_back(env("SPIDERPOOL_HEALTH_PORT", agent["httpPort"]));
    list.push_back(env("SPIDERPOOL_GOPS_LISTEN_PORT", agent["debug"]["gopsPort"]));
    if (const std::string name = stringAt(chart.values(), {"multus", "multusCNI", "defaultCniCRName"}); !name.empty())
        list.push_back(env("MULTUS_CLUSTER_NETWORK", chart.ns() + "/" + name));
    appendAll(list, agent["extraEnv"]);
    return list;
}

Json agentContainer(const ChartContext& chart) {
    const Json& agent = chart.component("spiderpoolAgent");
    const Json& global = chart.values()["global"];
    Json c = chart.container(text(agent["name"]), agent["image"]);
    c["command"] = Json::array({text(agent["binName"])});
    c["args"] = {"daemon", "--config-path=/tmp/spiderpool/config-map/conf.yml"};
    appendAll(c["args"], agent["extraArgs"]);
    if (boolAt(agent, {"prometheus", "enabled"}))
        c["ports"] = Json::array({{{"name", "metrics"}, {"containerPort", agent["prometheus"]["port"]}, {"protocol", "TCP"}}});
    chart.addProbes(c, agent, 0);
    if (!agent["resources"].empty())
        c["resources"] = agent["resources"];
    c["lifecycle"]["postStart"]["exec"]["command"] = {
        "/bin/sh", "-c", "for item in spiderpool coordinator ifacer; do cp -f /usr/bin/$item /host/opt/cni/bin/$item; done\n"};
    c["env"] = agentEnv(chart);
    Json security = agent["securityContext"];
    if (!chart.old() && (boolAt(agent, {"tuneSysctlConfig"}) || boolAt(agent, {"prometheus", "enabledRdmaMetric"})))
        security["privileged"] = true;
    if (!security.empty())
        c["securityContext"] = security;
    Json mounts = Json::array();
    if (!chart.old())
        for (const auto& [volume, path] :
             {std::pair{"host-netns", "/var/run/netns"}, {"host-docker-netns", "/var/run/docker/netns"}}) {
            mounts.push_back(mount(volume, path));
            mounts.back()["mountPropagation"] = "Bidirectional";
        }
    mounts.push_back(mount("config-path", "/tmp/spiderpool/config-map", true));
    mounts.push_back(mount("cni-bin-path", "/host" + text(global["cniBinHostPath"])));
    mounts.push_back(mount("ipam-unix-socket-dir", directoryOf(text(global["ipamUNIXSocketHostPath"]))));
    if (boolAt(agent, {"networkResourcePlugin", "enabled"})) {
        const std::string root = stringAt(agent, {"networkResourcePlugin", "kubeletRootDir"});
        mounts.push_back(mount("kubelet-device-plugins", root + "/device-plugins"));
        mounts.push_back(mount("kubelet-plugins-registry", root + "/plugins_registry"));
    }
    appendAll(mounts, agent["extraVolumeMounts"]);
    c["volumeMounts"] = std::move(mounts);
    return c;
}

Json agentVolumes(const ChartContext& chart) {
    const Json& agent = chart.component("spiderpoolAgent");
    const Json& global = chart.values()["global"];
    const Json& multus = chart.values()["multus"]["multusCNI"];
    Json volumes = Json::array({configMapVolume("config-path", text(global["configName"]), nullptr, 0400),
                                hostPathVolume("cni-bin-path", text(global["cniBinHostPath"])),
                                hostPathVolume("ipam-unix-socket-dir", directoryOf(text(global["ipamUNIXSocketHostPath"])))});
    if (!chart.old()) {
        volumes.push_back(hostPathVolume("host-netns", "/var/run/netns"));
        volumes.push_back(hostPathVolume("host-docker-netns", "/var/run/docker/netns"));
    }
    if (boolAt(agent, {"networkResourcePlugin", "enabled"})) {
        const std::string root = stringAt(agent, {"networkResourcePlugin", "kubeletRootDir"});
        volumes.push_back(hostPathVolume("kubelet-device-plugins", root + "/device-plugins"));
        volumes.push_back(hostPathVolume("kubelet-plugins-registry", root + "/plugins_registry"));
    }
    if (boolAt(multus, {"install"})) {
        volumes.push_back(hostPathVolume("cni", "/etc/cni/net.d", false));
        // v1.x also lists multus-cfg, a ConfigMap that no longer exists and that no container mounts.
        if (chart.old())
            volumes.push_back(configMapVolume("multus-cfg", text(multus["name"]),
                                              Json::array({{{"key", "cni-conf.json"}, {"path", "00-multus.conf"}}})));
        else
            volumes.push_back(configMapVolume("multus-entrypoint", text(multus["name"]) + "-entrypoint",
                                              Json::array({{{"key", "entrypoint.sh"}, {"path", "entrypoint.sh"}}}), 0777));
    }
    appendAll(volumes, agent["extraVolumes"]);
    return volumes;
}

// What agent, controller and init have in common.
Json podSpec(const ChartContext& chart, const Json& component, bool hostNetwork) {
    Json spec = {{"serviceAccountName", text(component["name"])},
                 {"hostNetwork", hostNetwork},
                 {"dnsPolicy", hostNetwork ? "ClusterFirstWithHostNet" : "ClusterFirst"}};
    for (const char* key : {"priorityClassName", "tolerations", "nodeSelector", "affinity"})
        if (const Json& value = at(component, {key}); !value.is_null() && !value.empty() && value != "")
            spec[key] = value;
    if (const Json& secrets = at(component, {"image", "imagePullSecrets"}); !secrets.empty())
        spec["imagePullSecrets"] = secrets;
    (void)chart;
    return spec;
}

Json podTemplate(const ChartContext& chart, const Json& component, Json spec) {
    Json labels = chart.selectorLabels(text(component["name"]));
    labels.update(chart.values()["global"]["commonLabels"]);
    labels.update(component["podLabels"]);
    Json annotations = chart.values()["global"]["commonAnnotations"];
    annotations.update(component["podAnnotations"]);
    Json meta = {{"labels", std::move(labels)}};
    if (!annotations.empty())
        meta["annotations"] = std::move(annotations);
    return {{"metadata", std::move(meta)}, {"spec", std::move(spec)}};
}

Json linuxOnly() {
    Json terms = Json::array();
    for (const char* key : {"kubernetes.io/os", "beta.kubernetes.io/os"}) // the second for Kubernetes 1.12 and 1.13
        terms.push_back(
            {{"matchExpressions", Json::array({{{"key", key}, {"operator", "In"}, {"values", Json::array({"linux"})}}})}});
    return {{"nodeAffinity", {{"requiredDuringSchedulingIgnoredDuringExecution", {{"nodeSelectorTerms", std::move(terms)}}}}}};
}

Json controllerEnv(const ChartContext& chart) {
    const Json& controller = chart.component("spiderpoolController");
    const Json& gc = chart.values()["ipam"]["gc"];
    Json list =
        Json::array({env("SPIDERPOOL_LOG_LEVEL", controller["debug"]["logLevel"]),
                     env("SPIDERPOOL_ENABLED_METRIC", controller["prometheus"]["enabled"]),
                     env("SPIDERPOOL_ENABLED_DEBUG_METRIC", controller["prometheus"]["enabledDebugMetric"]),
                     env("SPIDERPOOL_METRIC_HTTP_PORT", controller["prometheus"]["port"]),
                     env("SPIDERPOOL_GOPS_LISTEN_PORT", controller["debug"]["gopsPort"]),
                     env("SPIDERPOOL_WEBHOOK_PORT", controller["webhookPort"]),
                     env("SPIDERPOOL_HEALTH_PORT", controller["httpPort"]), env("SPIDERPOOL_GC_IP_ENABLED", gc["enabled"])});
    if (chart.old()) {
        list.push_back(env("SPIDERPOOL_GC_TERMINATING_POD_IP_ENABLED", at(gc, {"GcDeletingTimeOutPod", "enabled"})));
        list.push_back(env("SPIDERPOOL_GC_ADDITIONAL_GRACE_DELAY", at(gc, {"GcDeletingTimeOutPod", "delay"})));
    } else {
        const Json& stateless = at(gc, {"statelessPod"});
        list.push_back(
            env("SPIDERPOOL_GC_STATELESS_TERMINATING_POD_ON_READY_NODE_ENABLED", at(stateless, {"zombieOnReadyNode"})));
        list.push_back(
            env("SPIDERPOOL_GC_STATELESS_TERMINATING_POD_ON_NOT_READY_NODE_ENABLED", at(stateless, {"zombieOnNotReadyNode"})));
        list.push_back(env("SPIDERPOOL_GC_ENABLE_STATELESS_RUNNING_POD_ON_EMPTY_POD_STATUS_IPS",
                           at(stateless, {"enableGcRunningPodOnEmptyPodStatusIPs"})));
        list.push_back(env("SPIDERPOOL_GC_ADDITIONAL_GRACE_DELAY", at(gc, {"gcDeletingTimeOutPodDelay"})));
    }
    list.push_back(env("SPIDERPOOL_GC_DEFAULT_INTERVAL_DURATION", at(gc, {"gcAll", "intervalInSecond"})));
    list.push_back(env("SPIDERPOOL_MULTUS_CONFIG_ENABLED", chart.values()["multus"]["enableMultusConfig"]));
    list.push_back(env("SPIDERPOOL_CNI_CONFIG_DIR", chart.values()["global"]["cniConfHostPath"]));
    list.push_back(env("SPIDERPOOL_CILIUM_CONFIGMAP_NAMESPACE_NAME", chart.values()["global"]["ciliumConfigMap"]));
    if (!chart.old()) {
        list.push_back(env("SPIDERPOOL_COORDINATOR_ENABLED", chart.values()["coordinator"]["enabled"]));
        list.push_back(env("SPIDERPOOL_COORDINATOR_DEAFULT_NAME", chart.values()["coordinator"]["name"])); // upstream's spelling
    }
    list.push_back(envFromField("SPIDERPOOL_POD_NAME", "metadata.name"));
    list.push_back(envFromField("SPIDERPOOL_POD_NAMESPACE", "metadata.namespace"));
    if (!chart.old())
        list.push_back(env("SPIDERPOOL_CONTROLLER_DEPLOYMENT_NAME", controller["name"]));
    appendAll(list, controller["extraEnv"]);
    return list;
}

void addDefaultPool(const ChartContext& chart, Json& list, const std::string& family) {
    const Json& pool = chart.values()["clusterDefaultPool"];
    const std::string upper = family == "ipv4" ? "IPV4" : "IPV6", cased = family == "ipv4" ? "IPv4" : "IPv6";
    if (!boolAt(pool, {"install" + cased + "IPPool"}) || !boolAt(chart.values(), {"ipam", "enable" + cased}))
        return;
    const std::string prefix = "SPIDERPOOL_INIT_DEFAULT_" + upper + "_";
    list.push_back(env(prefix + "IPPOOL_NAME", pool[family + "IPPoolName"]));
    list.push_back(env(prefix + "IPPOOL_SUBNET", pool[family + "Subnet"]));
    list.push_back(env(prefix + "IPPOOL_IPRANGES", pool[family + "IPRanges"].dump()));
    list.push_back(env(prefix + "IPPOOL_GATEWAY", pool[family + "Gateway"]));
    const Json& ipam = chart.values()["ipam"];
    if (chart.old() ? boolAt(ipam, {"enableSpiderSubnet"}) : boolAt(ipam, {"spiderSubnet", "enable"}))
        list.push_back(env(prefix + "SUBNET_NAME", pool[family + "SubnetName"]));
}

Json initEnv(const ChartContext& chart) {
    const Json& values = chart.values();
    Json list = Json::array();
    appendAll(list, chart.component("spiderpoolInit")["extraEnv"]);
    list.push_back(env("SPIDERPOOL_NAMESPACE", chart.ns()));
    list.push_back(env("SPIDERPOOL_CONTROLLER_NAME", values["spiderpoolController"]["name"]));
    list.push_back(env("SPIDERPOOL_AGENT_NAME", values["spiderpoolAgent"]["name"]));
    const Json& coordinator = values["coordinator"];
    if (boolAt(coordinator, {"enabled"})) {
        const std::string prefix = "SPIDERPOOL_INIT_DEFAULT_COORDINATOR_";
        list.push_back(env(prefix + "NAME", coordinator["name"]));
        list.push_back(env(prefix + "MODE", coordinator["mode"]));
        list.push_back(env(prefix + "POD_CIDR_TYPE", coordinator["podCIDRType"]));
        list.push_back(env(prefix + "DETECT_GATEWAY", coordinator["detectGateway"]));
        list.push_back(env(prefix + "DETECT_IP_CONFLICT", coordinator["detectIPConflict"]));
        list.push_back(env(prefix + "TUNE_POD_ROUTES", coordinator["tunePodRoutes"]));
        list.push_back(env(prefix + "HIJACK_CIDR", coordinator["hijackCIDR"].dump()));
        if (!chart.old()) {
            list.push_back(env(prefix + "POLICY_ROUTES", coordinator["policyRoutes"].dump()));
            list.push_back(env(prefix + "VETH_LINK_ADDRESS", coordinator["vethLinkAddress"]));
            list.push_back(env(prefix + "VETH_MTU", coordinator["vethMTU"]));
        }
    }
    addDefaultPool(chart, list, "ipv4");
    addDefaultPool(chart, list, "ipv6");
    const Json& multus = values["multus"];
    const std::string defaultName = stringAt(multus, {"multusCNI", "defaultCniCRName"});
    list.push_back(env("SPIDERPOOL_INIT_ENABLE_MULTUS_CONFIG", multus["enableMultusConfig"]));
    list.push_back(env("SPIDERPOOL_INIT_DEFAULT_CNI_NAME", defaultName));
    list.push_back(env("SPIDERPOOL_INIT_DEFAULT_CNI_NAMESPACE", chart.ns()));
    if (chart.old())
        list.push_back(env("SPIDERPOOL_INIT_MULTUS_CONFIGMAP", multus["multusCNI"]["name"]));
    if (defaultName.empty()) {
        list.push_back(env("SPIDERPOOL_INIT_DEFAULT_CNI_DIR", values["global"]["cniConfHostPath"]));
        if (chart.old())
            list.push_back(env("SPIDERPOOL_INIT_READINESS_FILE", "/etc/spiderpool/ready"));
    }
    return list;
}

} // namespace

Json agentDaemonSet(const ChartContext& chart) {
    const Json& agent = chart.component("spiderpoolAgent");
    const bool multus = boolAt(chart.values(), {"multus", "multusCNI", "install"});
    Json spec = podSpec(chart, agent, true);
    spec["restartPolicy"] = "Always";
    if (!spec.contains("affinity"))
        spec["affinity"] = linuxOnly();
    Json inits = Json::array();
    // v1.x does not ask for installSriovCNI here.
    bool plugins = flag(chart, "installCNI") || flag(chart, "installRdmaCNI") || flag(chart, "installOvsCNI");
    plugins = plugins || flag(chart, "installibSriovCNI") || flag(chart, "installIpoibCNI") || flag(chart, "installVlanCNI");
    if (plugins)
        inits.push_back(pluginInstaller(chart));
    if (multus)
        inits.push_back(multusInstaller(chart));
    if (!inits.empty())
        spec["initContainers"] = std::move(inits);
    spec["containers"] = Json::array({agentContainer(chart)});
    if (multus && !chart.old())
        spec["containers"].push_back(multusSidecar(chart));
    spec["volumes"] = agentVolumes(chart);
    const std::string name = text(agent["name"]);
    return {{"apiVersion", "apps/v1"},
            {"kind", "DaemonSet"},
            {"metadata", chart.metadata(name, name)},
            {"spec",
             {{"selector", {{"matchLabels", chart.selectorLabels(name)}}},
              {"updateStrategy", agent["updateStrategy"]},
              {"template", podTemplate(chart, agent, std::move(spec))}}}};
}

Json controllerDeployment(const ChartContext& chart) {
    const Json& controller = chart.component("spiderpoolController");
    const Json& global = chart.values()["global"];
    const std::string name = text(controller["name"]);
    Json c = chart.container(name, controller["image"]);
    c["command"] = Json::array({text(controller["binName"])});
    c["args"] = {"daemon", "--config-path=/tmp/spiderpool/config-map/conf.yml", "--tls-server-cert=/etc/tls/tls.crt",
                 "--tls-server-key=/etc/tls/tls.key"};
    appendAll(c["args"], controller["extraArgs"]);
    c["ports"] = Json::array({{{"name", "http"}, {"containerPort", controller["httpPort"]}, {"protocol", "TCP"}},
                              {{"name", "webhook"}, {"containerPort", controller["webhookPort"]}, {"protocol", "TCP"}}});
    chart.addProbes(c, controller, 15);
    if (!controller["resources"].empty())
        c["resources"] = controller["resources"];
    c["env"] = controllerEnv(chart);
    c["volumeMounts"] =
        Json::array({mount("config-path", "/tmp/spiderpool/config-map", true),
                     mount("cni-conf-dir", text(global["cniConfHostPath"]), true), mount("tls", "/etc/tls", true)});
    appendAll(c["volumeMounts"], controller["extraVolumeMounts"]);
    Json spec = podSpec(chart, controller, boolAt(controller, {"hostnetwork"}));
    if (!spec.contains("affinity"))
        spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = Json::array(
            {{{"weight", 100},
              {"podAffinityTerm",
               {{"topologyKey", "kubernetes.io/hostname"}, {"labelSelector", {{"matchLabels", chart.selectorLabels(name)}}}}}}});
    spec["restartPolicy"] = "Always";
    spec["containers"] = Json::array({std::move(c)});
    const std::string secret = stringAt(controller, {"tls", "secretName"});
    spec["volumes"] = Json::array(
        {configMapVolume("config-path", text(global["configName"])),
         hostPathVolume("cni-conf-dir", text(global["cniConfHostPath"])),
         {{"name", "tls"},
          {"projected",
           {{"defaultMode", 0400},
            {"sources", Json::array({{{"secret",
                                       {{"name", secret},
                                        {"items", Json::array({{{"key", "tls.crt"}, {"path", "tls.crt"}},
                                                               {{"key", "tls.key"}, {"path", "tls.key"}}})}}}}})}}}}});
    appendAll(spec["volumes"], controller["extraVolumes"]);
    return {{"apiVersion", "apps/v1"},
            {"kind", "Deployment"},
            {"metadata", chart.metadata(name, name)},
            {"spec",
             {{"replicas", controller["replicas"]},
              {"selector", {{"matchLabels", chart.selectorLabels(name)}}},
              {"template", podTemplate(chart, controller, std::move(spec))}}}};
}

Json initWorkload(const ChartContext& chart) {
    const Json& init = chart.component("spiderpoolInit");
    const std::string name = text(init["name"]);
    Json c = chart.container(name, init["image"]);
    c["command"] = Json::array({text(init["binName"])});
    if (!init["extraArgs"].empty())
        c["args"] = init["extraArgs"];
    if (chart.old()) {
        c["readinessProbe"] = {{"exec", {{"command", {"cat", "/etc/spiderpool/ready"}}}},        {"initialDelaySeconds", 15},
                               {"periodSeconds", init["readinessProbe"]["periodSeconds"]},       {"successThreshold", 1},
                               {"failureThreshold", init["readinessProbe"]["failureThreshold"]}, {"timeoutSeconds", 1}};
        c["resources"] = init["resources"];
    }
    c["env"] = initEnv(chart);
    Json spec = podSpec(chart, init, chart.old() ? boolAt(init, {"hostnetwork"}) : true);
    spec["restartPolicy"] = "Never";
    if (stringAt(chart.values(), {"multus", "multusCNI", "defaultCniCRName"}).empty()) {
        const std::string dir = stringAt(chart.values(), {"global", "cniConfHostPath"});
        c["volumeMounts"] = Json::array({mount("cni", dir)});
        spec["volumes"] = Json::array({hostPathVolume("cni", dir, false)});
    }
    spec["containers"] = Json::array({std::move(c)});
    if (!chart.old())
        return {{"apiVersion", "batch/v1"},
                {"kind", "Job"},
                {"metadata", {{"name", name}, {"namespace", chart.ns()}, {"annotations", {{"helm.sh/hook", "post-install"}}}}},
                {"spec", {{"template", {{"spec", std::move(spec)}}}}}};
    Json labels = chart.selectorLabels(name);
    labels.update(chart.values()["global"]["commonLabels"]);
    labels.update(init["podLabels"]);
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", chart.ns()}, {"labels", std::move(labels)}}},
            {"spec", std::move(spec)}};
}

} // namespace rdmalab::cluster
