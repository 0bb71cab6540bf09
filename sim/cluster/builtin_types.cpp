#include "sim/cluster/builtin_types.h"

namespace rdmalab::cluster {

const std::vector<BuiltinType>& builtinTypes() {
    static const std::vector<BuiltinType> types = {
        {{"v1", "namespaces", "Namespace", false}, true},
        {{"v1", "nodes", "Node", false}, true},
        {{"v1", "pods", "Pod", true}, true},
        {{"v1", "configmaps", "ConfigMap", true}, false},
        {{"v1", "secrets", "Secret", true}, false},
        {{"v1", "services", "Service", true}, true},
        {{"v1", "endpoints", "Endpoints", true}, false},
        {{"v1", "serviceaccounts", "ServiceAccount", true}, false},
        {{"v1", "events", "Event", true}, false},
        {{"v1", "persistentvolumes", "PersistentVolume", false}, true},
        {{"v1", "persistentvolumeclaims", "PersistentVolumeClaim", true}, true},
        {{"v1", "resourcequotas", "ResourceQuota", true}, true},
        {{"v1", "limitranges", "LimitRange", true}, false},
        {{"apps/v1", "deployments", "Deployment", true}, true},
        {{"apps/v1", "replicasets", "ReplicaSet", true}, true},
        {{"apps/v1", "daemonsets", "DaemonSet", true}, true},
        {{"apps/v1", "statefulsets", "StatefulSet", true}, true},
        {{"apps/v1", "controllerrevisions", "ControllerRevision", true}, false},
        {{"batch/v1", "jobs", "Job", true}, true},
        {{"batch/v1", "cronjobs", "CronJob", true}, true},
        {{"coordination.k8s.io/v1", "leases", "Lease", true}, false},
        {{"scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", false}, false},
        {{"policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", true}, true},
        {{"rbac.authorization.k8s.io/v1", "roles", "Role", true}, false},
        {{"rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", true}, false},
        {{"rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", false}, false},
        {{"rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", false}, false},
        {{"apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", false}, true},
        {{"networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", false}, true},
        {{"k8s.cni.cncf.io/v1", "network-attachment-definitions", "NetworkAttachmentDefinition", true}, false},
        {{"spiderpool.spidernet.io/v2beta1", "spiderippools", "SpiderIPPool", false}, true},
        {{"spiderpool.spidernet.io/v2beta1", "spidersubnets", "SpiderSubnet", false}, true},
        {{"spiderpool.spidernet.io/v2beta1", "spiderreservedips", "SpiderReservedIP", false}, false},
        {{"spiderpool.spidernet.io/v2beta1", "spidercoordinators", "SpiderCoordinator", false}, true},
        {{"spiderpool.spidernet.io/v2beta1", "spiderendpoints", "SpiderEndpoint", true}, false},
        {{"spiderpool.spidernet.io/v2beta1", "spidermultusconfigs", "SpiderMultusConfig", true}, false},
        {{"sriovnetwork.openshift.io/v1", "sriovnetworknodepolicies", "SriovNetworkNodePolicy", true}, true},
        {{"sriovnetwork.openshift.io/v1", "sriovnetworknodestates", "SriovNetworkNodeState", true}, true},
        {{"sriovnetwork.openshift.io/v1", "sriovnetworks", "SriovNetwork", true}, true},
        {{"sriovnetwork.openshift.io/v1", "sriovibnetworks", "SriovIBNetwork", true}, true},
        {{"sriovnetwork.openshift.io/v1", "sriovoperatorconfigs", "SriovOperatorConfig", true}, true},
        {{"sriovnetwork.openshift.io/v1", "sriovnetworkpoolconfigs", "SriovNetworkPoolConfig", true}, true},
    };
    return types;
}

} // namespace rdmalab::cluster
