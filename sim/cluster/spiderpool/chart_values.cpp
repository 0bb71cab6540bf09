#include "sim/cluster/spiderpool/chart_values.h"

#include <nlohmann/json.hpp>

namespace rdmalab::cluster {
namespace {

using Json = nlohmann::json;

// Common to both releases. Free-form maps and lists are empty here.
constexpr const char* common = R"({
 "global": {"imageRegistryOverride": "", "nameOverride": "", "clusterDnsDomain": "cluster.local", "commonAnnotations": {},
   "commonLabels": {}, "cniBinHostPath": "/opt/cni/bin", "cniConfHostPath": "/etc/cni/net.d",
   "ipamUNIXSocketHostPath": "/var/run/spidernet/spiderpool.sock", "configName": "spiderpool-conf",
   "ciliumConfigMap": "kube-system/cilium-config"},
 "ipam": {"enableIPv4": true, "enableIPv6": true, "enableStatefulSet": true, "enableKubevirtStaticIP": true,
   "gc": {"enabled": true, "gcAll": {"intervalInSecond": 600}}},
 "grafanaDashboard": {"install": false, "namespace": "", "annotations": {}, "labels": {}},
 "coordinator": {"enabled": true, "name": "default", "mode": "auto", "podCIDRType": "auto", "detectGateway": false,
   "detectIPConflict": false, "tunePodRoutes": true, "hijackCIDR": ["169.254.0.0/16"]},
 "rdma": {"rdmaSharedDevicePlugin": {"install": false, "name": "spiderpool-rdma-shared-device-plugin",
   "image": {"registry": "ghcr.io", "repository": "mellanox/k8s-rdma-shared-dev-plugin", "pullPolicy": "IfNotPresent", "digest": "",
     "imagePullSecrets": []},
   "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}, "type": "RollingUpdate"}, "tolerations": [{"operator": "Exists"}],
   "podAnnotations": {}, "podLabels": {},
   "resources": {"limits": {"cpu": "300m", "memory": "300Mi"}, "requests": {"cpu": "100m", "memory": "50Mi"}},
   "deviceConfig": {"periodicUpdateInterval": 300}}},
 "multus": {"enableMultusConfig": true, "multusCNI": {"install": true, "uninstall": false, "name": "spiderpool-multus",
   "image": {"registry": "ghcr.io", "repository": "k8snetworkplumbingwg/multus-cni", "pullPolicy": "IfNotPresent", "digest": "",
     "imagePullSecrets": []},
   "defaultCniCRName": "", "securityContext": {"privileged": true}, "extraEnv": [], "extraVolumes": [], "extraVolumeMounts": [],
   "log": {"logLevel": "debug", "logFile": "/var/log/multus.log"}}},
 "plugins": {"installCNI": false, "image": {"registry": "ghcr.io", "repository": "spidernet-io/spiderpool/spiderpool-plugins",
   "pullPolicy": "IfNotPresent", "digest": "", "imagePullSecrets": []}},
 "clusterDefaultPool": {"installIPv4IPPool": false, "installIPv6IPPool": false, "ipv4IPPoolName": "default-v4-ippool",
   "ipv6IPPoolName": "default-v6-ippool", "ipv4SubnetName": "default-v4-subnet", "ipv6SubnetName": "default-v6-subnet",
   "ipv4Subnet": "", "ipv6Subnet": "", "ipv4IPRanges": [], "ipv6IPRanges": [], "ipv4Gateway": "", "ipv6Gateway": ""},
 "spiderpoolAgent": {"name": "spiderpool-agent", "binName": "/usr/bin/spiderpool-agent",
   "image": {"registry": "ghcr.io", "repository": "spidernet-io/spiderpool/spiderpool-agent", "pullPolicy": "IfNotPresent",
     "digest": "", "tag": "", "imagePullSecrets": []},
   "nodeSelector": {"kubernetes.io/os": "linux"}, "serviceAccount": {"create": true, "annotations": {}},
   "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}, "type": "RollingUpdate"},
   "service": {"annotations": {}, "type": "ClusterIP"}, "tolerations": [{"operator": "Exists"}],
   "priorityClassName": "system-node-critical", "affinity": {}, "extraArgs": [], "extraEnv": [], "extraVolumes": [],
   "extraVolumeMounts": [], "podAnnotations": {}, "podLabels": {},
   "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
   "securityContext": {}, "httpPort": 5710,
   "healthChecking": {"startupProbe": {"failureThreshold": 60, "periodSeconds": 2},
     "livenessProbe": {"failureThreshold": 6, "periodSeconds": 10}, "readinessProbe": {"failureThreshold": 3, "periodSeconds": 10}},
   "prometheus": {"enabled": false, "enabledDebugMetric": false, "port": 5711, "serviceMonitor": {"install": false},
     "prometheusRule": {"install": false}},
   "debug": {"logLevel": "info", "gopsPort": 5712}},
 "spiderpoolController": {"name": "spiderpool-controller", "replicas": 1, "binName": "/usr/bin/spiderpool-controller",
   "hostnetwork": true,
   "image": {"registry": "ghcr.io", "repository": "spidernet-io/spiderpool/spiderpool-controller", "pullPolicy": "IfNotPresent",
     "digest": "", "tag": "", "imagePullSecrets": []},
   "nodeSelector": {"kubernetes.io/os": "linux"}, "serviceAccount": {"create": true, "annotations": {}},
   "service": {"annotations": {}, "type": "ClusterIP"}, "tolerations": [{"operator": "Exists"}],
   "priorityClassName": "system-node-critical", "affinity": {}, "extraArgs": [], "extraEnv": [], "extraVolumes": [],
   "extraVolumeMounts": [], "podAnnotations": {}, "podLabels": {}, "securityContext": {},
   "resources": {"limits": {"cpu": "500m", "memory": "1024Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
   "podDisruptionBudget": {"enabled": false, "minAvailable": 1}, "httpPort": 5720,
   "healthChecking": {"startupProbe": {"failureThreshold": 30, "periodSeconds": 2},
     "livenessProbe": {"failureThreshold": 6, "periodSeconds": 10}, "readinessProbe": {"failureThreshold": 3, "periodSeconds": 10}},
   "webhookPort": 5722,
   "prometheus": {"enabled": false, "enabledDebugMetric": false, "port": 5721, "serviceMonitor": {"install": false},
     "prometheusRule": {"install": false}},
   "debug": {"logLevel": "info", "gopsPort": 5724},
   "tls": {"method": "auto", "secretName": "spiderpool-controller-server-certs", "certmanager": {}, "provided": {}, "auto": {}}},
 "spiderpoolInit": {"name": "spiderpool-init", "binName": "/usr/bin/spiderpool-init",
   "image": {"registry": "ghcr.io", "repository": "spidernet-io/spiderpool/spiderpool-controller", "pullPolicy": "IfNotPresent",
     "digest": "", "tag": "", "imagePullSecrets": []},
   "extraArgs": [], "extraEnv": [], "securityContext": {}, "serviceAccount": {"annotations": {}}},
 "sriov": {"install": false, "name": "spiderpool-sriov-operator", "resourcePrefix": "spidernet.io"}
})";

// v0.8.2 leaves the shared plugin's tag at "latest"; v1.3.2 was the release of that time, and it still wanted issm devices.
constexpr const char* only_v0_8 = R"({
 "ipam": {"enableSpiderSubnet": true, "subnetDefaultFlexibleIPNumber": 1,
   "gc": {"GcDeletingTimeOutPod": {"enabled": true, "delay": 0}}},
 "rdma": {"rdmaSharedDevicePlugin": {"image": {"tag": "v1.3.2"},
   "deviceConfig": {"resourcePrefix": "spidernet.io", "resourceName": "hca_shared_devices", "rdmaHcaMax": 500, "vendors": "15b3",
     "deviceIDs": "1017"}}},
 "multus": {"multusCNI": {"image": {"tag": "v3.9.3"}}},
 "plugins": {"installRdmaCNI": false, "installOvsCNI": false, "image": {"tag": "v0.8.0"}},
 "spiderpoolInit": {"hostnetwork": true, "priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}],
   "nodeSelector": {"kubernetes.io/os": "linux"}, "affinity": {},
   "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
   "readinessProbe": {"failureThreshold": 30, "periodSeconds": 10}, "podAnnotations": {}, "podLabels": {}}
})";

constexpr const char* only_v1_2 = R"({
 "ipam": {"enableIPConflictDetection": false, "enableGatewayDetection": false, "enableCleanOutdatedEndpoint": false,
   "spiderSubnet": {"enable": true, "autoPool": {"enable": true, "defaultRedundantIPNumber": 1}},
   "gc": {"statelessPod": {"zombieOnReadyNode": true, "zombieOnNotReadyNode": true, "enableGcRunningPodOnEmptyPodStatusIPs": false},
     "gcDeletingTimeOutPodDelay": 0}},
 "grafanaDashboard": {"allowCrossNamespaceImport": true, "instanceSelector": {}},
 "coordinator": {"policyRoutes": [], "vethLinkAddress": "", "vethMTU": 1500},
 "rdma": {"rdmaSharedDevicePlugin": {"image": {"tag": "v1.5.3"}, "deviceConfig": {"configList": []}}},
 "multus": {"multusCNI": {"image": {"tag": "v4.1.4"}}},
 "plugins": {"installRdmaCNI": true, "installOvsCNI": true, "installSriovCNI": true, "installibSriovCNI": true,
   "installIpoibCNI": true, "installVlanCNI": true, "image": {"tag": "v1.2.1"}},
 "spiderpoolAgent": {"tuneSysctlConfig": true, "prometheus": {"enabledRdmaMetric": false},
   "networkResourcePlugin": {"enabled": false, "kubeletRootDir": "/var/lib/kubelet", "devicePluginAffinity": {"nodeSelector": {}},
     "resourceAdvertisement": {"subENI": {"rules": []}, "masterNIC": {"rules": []}}}},
 "spiderpoolController": {"enableValidatingResourcesDeletedWebhook": false, "cleanup": {"enable": true},
   "podResourceInject": {"enabled": false, "namespacesExclude": ["kube-system", "spiderpool", "metallb-system", "istio-system"],
     "namespacesInclude": []}},
 "sriov": {"operatorConfig": {}},
 "iaasNetworkProvider": {"serverUrl": "", "httpRequestTimeout": "50s"}
})";

void mergeValues(Json& into, const Json& values) {
    for (const auto& [key, value] : values.items()) {
        const auto there = into.find(key);
        if (value.is_null())
            into.erase(key);
        else if (value.is_object() && there != into.end() && there->is_object())
            mergeValues(*there, value);
        else
            into[key] = value;
    }
}

Json defaultsOf(const char* special) {
    Json values = Json::parse(common);
    mergeValues(values, Json::parse(special));
    return values;
}

void findUnknown(const Json& values, const Json& known, const std::string& path, std::vector<std::string>& unknown) {
    for (const auto& [key, value] : values.items()) {
        const std::string inner = path.empty() ? key : path + "." + key;
        const auto it = known.find(key);
        if (it == known.end())
            unknown.push_back(inner);
        else if (value.is_object() && it->is_object() && !it->empty() && inner != "sriov" && key != "nodeSelector" &&
                 key != "resources") // labels and resources are free
            findUnknown(value, *it, inner, unknown);
    }
}

} // namespace

const Json& chartDefaults(SpiderpoolProfile profile) {
    static const Json v0_8 = defaultsOf(only_v0_8), v1_2 = defaultsOf(only_v1_2);
    return profile == SpiderpoolProfile::v0_8 ? v0_8 : v1_2;
}

Json mergedChartValues(const Json& values, SpiderpoolProfile profile) {
    Json merged = chartDefaults(profile);
    if (values.is_object())
        mergeValues(merged, values);
    return merged;
}

std::vector<std::string> unknownChartValues(const Json& values, SpiderpoolProfile profile) {
    std::vector<std::string> unknown;
    if (values.is_object())
        findUnknown(values, chartDefaults(profile), "", unknown);
    return unknown;
}

} // namespace rdmalab::cluster
