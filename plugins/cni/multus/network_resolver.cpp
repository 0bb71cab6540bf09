#include "plugins/cni/multus/network_resolver.h"

#include "plugins/cni/multus/network_selection.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/files.h"
#include "plugins/kube/kube_client.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::multus {

namespace {

constexpr const char* checkpointPath = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";

} // namespace

ResourceMap ResourceMap::ofPod(Files& files, const std::string& podUid) {
    const auto text = files.readIfExists(checkpointPath);
    if (!text)
        throw std::runtime_error("GetResourceClient: no resource client found");
    nlohmann::json checkpoint;
    try {
        checkpoint = parseJson(*text);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("getPodEntries: failed to read checkpoint file: {}", error.what()));
    }
    ResourceMap map;
    const auto& entries = memberOf(memberOf(checkpoint, "Data"), "PodDeviceEntries");
    if (!entries.is_array())
        return map;
    for (const auto& entry : entries) {
        if (stringOf(entry, "PodUID") != podUid)
            continue;
        auto& ids = map.entries_[stringOf(entry, "ResourceName")].ids;
        const auto& devices = memberOf(entry, "DeviceIDs");
        const auto append = [&ids](const nlohmann::json& list) {
            for (const auto& id : list)
                if (id.is_string())
                    ids.push_back(id);
        };
        if (devices.is_object()) // by NUMA node; before Kubernetes 1.20 a plain list
            for (const auto& perNode : devices)
                append(perNode);
        else if (devices.is_array())
            append(devices);
    }
    for (auto& [name, entry] : map.entries_)
        std::sort(entry.ids.begin(), entry.ids.end());
    return map;
}

std::string ResourceMap::takeNext(const std::string& resourceName) {
    const auto found = entries_.find(resourceName);
    if (found == entries_.end() || found->second.next >= found->second.ids.size())
        return "";
    return found->second.ids[found->second.next++];
}

NetworkResolver::NetworkResolver(Files& files, KubeClient* kube, const nlohmann::json& pod, EventSink events)
    : files_(files), kube_(kube), pod_(pod), events_(std::move(events)) {}

std::string NetworkResolver::annotation(const char* key) const {
    return stringOf(memberOf(memberOf(pod_, "metadata"), "annotations"), key);
}

std::string NetworkResolver::configFromFile(const std::string& name, const std::string& confDir) {
    const auto paths = configFiles(files_, confDir, {".conf", ".json", ".conflist"});
    if (paths.empty())
        throw std::runtime_error("no networks found in " + confDir);
    for (const auto& path : paths) {
        NetworkConfigList list;
        try {
            list = loadConfigListFile(files_, path);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(fmt::format("Error loading CNI config file {}: {}", path, error.what()));
        }
        if (!name.empty() && list.name != name)
            continue;
        return path.ends_with(".conflist") ? list.bytes : list.plugins.front().bytes;
    }
    throw std::runtime_error(fmt::format("no network available in the name {} in cni dir {}", name, confDir));
}

std::string NetworkResolver::configOf(const nlohmann::json& definition, const std::string& confDir) {
    const auto name = stringOf(memberOf(definition, "metadata"), "name");
    const auto text = stringOf(memberOf(definition, "spec"), "config");
    if (text.empty()) {
        try {
            return configFromFile(name, confDir);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(std::string("GetCNIConfig: err in getCNIConfigFromFile: ") + error.what());
        }
    }
    try {
        auto config = parseJson(text);
        if (!stringOf(config, "name").empty())
            return text;
        config["name"] = name;
        return goJson(config);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(
            std::string("GetCNIConfig: err in getCNIConfigFromSpec: GetCNIConfigFromSpec: failed to unmarshal Spec.Config: ") +
            error.what());
    }
}

Delegate NetworkResolver::fromAttachmentDefinition(const NetworkSelection& selection, const std::string& confDir,
                                                   std::optional<ResourceMap>& resources) {
    nlohmann::json definition;
    try {
        if (kube_ == nullptr)
            throw KubeError(0, "", "no kube client");
        definition = kube_->get(resource::nad, selection.podNamespace, selection.name);
    } catch (const KubeError& error) {
        const auto message = fmt::format("cannot find a network-attachment-definition ({}) in namespace ({}): {}", selection.name,
                                         selection.podNamespace, error.what());
        events_("Warning", "NoNetworkFound", message);
        throw std::runtime_error("getKubernetesDelegate: " + message);
    }
    const auto& metadata = memberOf(definition, "metadata");
    const auto resourceName = stringOf(memberOf(metadata, "annotations"), "k8s.v1.cni.cncf.io/resourceName");
    std::string deviceId;
    if (!resourceName.empty() && pod_.is_object()) {
        if (!resources) {
            try {
                resources = ResourceMap::ofPod(files_, stringOf(memberOf(pod_, "metadata"), "uid"));
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(std::string("getKubernetesDelegate: failed to get a ResourceClient instance: ") +
                                         error.what());
            }
        }
        deviceId = resources->takeNext(resourceName);
    }
    return loadDelegate(configOf(definition, confDir), &selection, deviceId, resourceName);
}

Delegate NetworkResolver::fromName(const std::string& name, const NetConf& conf) {
    if (name.find('/') == std::string::npos) {
        NetworkSelection selection;
        selection.name = name;
        selection.podNamespace = conf.multusNamespace;
        try {
            return fromAttachmentDefinition(selection, conf.confDir, resources_);
        } catch (const std::runtime_error&) {
            // Next, a CNI file of that name.
        }
        try {
            return loadDelegate(configFromFile(name, conf.confDir), nullptr, "", "");
        } catch (const std::runtime_error&) {
        }
    } else {
        const auto kind = files_.status(name).kind;
        if (kind == FileKind::directory)
            return loadDelegate(configFromFile("", name), nullptr, "", "");
        if (kind == FileKind::missing)
            throw std::runtime_error(fmt::format("stat {}: no such file or directory", name));
        const auto list = loadConfigListFile(files_, name);
        return loadDelegate(name.ends_with(".conflist") ? list.bytes : list.plugins.front().bytes, nullptr, "", "");
    }
    throw std::runtime_error("getNetDelegate: cannot find network: " + name);
}

void NetworkResolver::loadDefaultNetworks(NetConf& conf) {
    std::vector<Delegate> delegates;
    try {
        delegates.push_back(fromName(conf.clusterNetwork, conf));
    } catch (const std::runtime_error&) {
        throw std::runtime_error(fmt::format("GetDefaultNetworks: failed to get clusterNetwork {} in namespace {}",
                                             conf.clusterNetwork, conf.multusNamespace));
    }
    delegates.front().master = true;
    if (!conf.isSystemNamespace(stringOf(memberOf(pod_, "metadata"), "namespace")))
        for (const auto& name : conf.defaultNetworks)
            delegates.push_back(fromName(name, conf));
    conf.delegates = std::move(delegates);
}

void NetworkResolver::loadPodNetworks(NetConf& conf) {
    if (kube_ == nullptr) {
        if (conf.delegates.empty())
            throw std::runtime_error("TryLoadPodDelegates: must have either Kubernetes config or delegates");
        return;
    }
    const auto podNamespace = stringOf(memberOf(pod_, "metadata"), "namespace");
    if (const auto text = annotation("v1.multus-cni.io/default-network"); !text.empty()) {
        const std::string prefix = "tryLoadK8sPodDefaultNetwork: ";
        std::vector<NetworkSelection> selections;
        try {
            selections = parseNetworkSelections(text, conf.multusNamespace);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(prefix + "failed to parse CRD object: " + error.what());
        }
        if (selections.size() > 1)
            throw std::runtime_error(prefix + "more than one default network is specified: " + text);
        std::optional<ResourceMap> own; // upstream counts the devices of this network on their own
        try {
            auto delegate = fromAttachmentDefinition(selections.front(), conf.confDir, own);
            delegate.master = true;
            if (conf.delegates.empty())
                conf.delegates.emplace_back();
            conf.delegates.front() = std::move(delegate);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(prefix + "failed getting the delegate: " + error.what());
        }
    }
    const auto networks = annotation("k8s.v1.cni.cncf.io/networks");
    if (networks.empty())
        return;
    for (const auto& selection : parseNetworkSelections(networks, podNamespace)) {
        const auto& global = conf.globalNamespaces;
        if (conf.namespaceIsolation && selection.podNamespace != podNamespace &&
            std::find(global.begin(), global.end(), selection.podNamespace) == global.end())
            throw std::runtime_error(fmt::format(
                "TryLoadPodDelegates: error in getting k8s network for pod: GetNetworkDelegates: namespace isolation enabled, "
                "annotation violates permission, pod is in namespace {} but refers to target namespace {}",
                podNamespace, selection.podNamespace));
        try {
            conf.delegates.push_back(fromAttachmentDefinition(selection, conf.confDir, resources_));
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(fmt::format(
                "TryLoadPodDelegates: error in getting k8s network for pod: GetNetworkDelegates: failed getting the delegate: {}",
                error.what()));
        }
    }
    applyDefaultRouteRequests(conf.delegates);
}

} // namespace rdmalab::plugin::multus
