#include "plugins/kube/kube_client.h"

namespace rdmalab::plugin::resource {

namespace {
constexpr const char* spiderpool = "spiderpool.spidernet.io/v2beta1";
}

const ResourceType pod{"v1", "pods", "Pod", true};
const ResourceType node{"v1", "nodes", "Node", false};
const ResourceType configMap{"v1", "configmaps", "ConfigMap", true};
const ResourceType ns{"v1", "namespaces", "Namespace", false};
const ResourceType event{"v1", "events", "Event", true};
const ResourceType endpoints{"v1", "endpoints", "Endpoints", true};
const ResourceType daemonSet{"apps/v1", "daemonsets", "DaemonSet", true};
const ResourceType nad{"k8s.cni.cncf.io/v1", "network-attachment-definitions", "NetworkAttachmentDefinition", true};
const ResourceType ipPool{spiderpool, "spiderippools", "SpiderIPPool", false};
const ResourceType reservedIp{spiderpool, "spiderreservedips", "SpiderReservedIP", false};
const ResourceType endpoint{spiderpool, "spiderendpoints", "SpiderEndpoint", true};
const ResourceType multusConfig{spiderpool, "spidermultusconfigs", "SpiderMultusConfig", true};
const ResourceType coordinator{spiderpool, "spidercoordinators", "SpiderCoordinator", false};

} // namespace rdmalab::plugin::resource
