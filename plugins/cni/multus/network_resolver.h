// From names of networks to delegates: NetworkAttachmentDefinitions, CNI files of the node, allocated devices
// (multus pkg/k8sclient/k8sclient.go; spec/cni.md 6.1 to 6.4).
#pragma once

#include "plugins/cni/multus/net_config.h"

#include <nlohmann/json.hpp>

#include <functional>

namespace rdmalab::plugin {
class Files;
class KubeClient;
} // namespace rdmalab::plugin

namespace rdmalab::plugin::multus {

// Device ids that kubelet allocated to a pod, per resource, sorted; each use takes the next one.
class ResourceMap {
public:
    // Reads /var/lib/kubelet/device-plugins/kubelet_internal_checkpoint. The pod resources socket, which upstream prefers
    // where it exists, is not consulted yet. Throws std::runtime_error when there is no checkpoint.
    static ResourceMap ofPod(Files& files, const std::string& podUid);
    std::string takeNext(const std::string& resourceName); // empty when there is none (left)

private:
    struct Entry {
        std::vector<std::string> ids;
        std::size_t next = 0;
    };
    std::map<std::string, Entry> entries_;
};

class NetworkResolver {
public:
    using EventSink = std::function<void(const std::string& type, const std::string& reason, const std::string& message)>;
    // `kube` may be null: then only files and `delegates` count. `pod` is the API object, null without one.
    NetworkResolver(Files& files, KubeClient* kube, const nlohmann::json& pod, EventSink events);

    // clusterNetwork and defaultNetworks into conf.delegates. Throws std::runtime_error.
    void loadDefaultNetworks(NetConf& conf);
    // The pod's annotations. Throws std::runtime_error.
    void loadPodNetworks(NetConf& conf);

private:
    Delegate fromName(const std::string& name, const NetConf& conf);
    Delegate fromAttachmentDefinition(const NetworkSelection& selection, const std::string& confDir,
                                      std::optional<ResourceMap>& resources);
    std::string configOf(const nlohmann::json& definition, const std::string& confDir);
    std::string configFromFile(const std::string& name, const std::string& confDir); // name empty: the first
    std::string annotation(const char* key) const;

    Files& files_;
    KubeClient* kube_;
    const nlohmann::json& pod_;
    EventSink events_;
    std::optional<ResourceMap> resources_;
};

} // namespace rdmalab::plugin::multus
