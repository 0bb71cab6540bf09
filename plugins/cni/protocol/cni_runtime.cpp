#include "plugins/cni/protocol/cni_runtime.h"

namespace rdmalab::plugin {

namespace {

NetworkConfigList loadNetwork(Files& files, const std::string& directory) {
    try {
        return loadFirstNetworkConfig(files, directory);
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::unknown, error.what());
    }
}

} // namespace

CniRuntime::CniRuntime(Files& files, CniExec& exec, Options options)
    : files_(files), confDir_(std::move(options.confDir)), client_(files, exec, std::move(options.client)) {}

std::string CniRuntime::notReady() {
    try {
        loadFirstNetworkConfig(files_, confDir_);
        return "";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

std::string CniRuntime::add(const CniAttachment& attachment) {
    return client_.addNetworkList(loadNetwork(files_, confDir_), attachment);
}

void CniRuntime::remove(const CniAttachment& attachment) {
    client_.delNetworkList(loadNetwork(files_, confDir_), attachment);
}

void CniRuntime::check(const CniAttachment& attachment) {
    client_.checkNetworkList(loadNetwork(files_, confDir_), attachment);
}

CniAttachment CniRuntime::kubernetesAttachment(const std::string& containerId, const std::string& netns,
                                               const std::string& podNamespace, const std::string& podName,
                                               const std::string& podUid, const std::string& ifName,
                                               const std::string& capabilityArgs) {
    return {containerId,
            netns,
            ifName,
            {{"IgnoreUnknown", "1"},
             {"K8S_POD_NAMESPACE", podNamespace},
             {"K8S_POD_NAME", podName},
             {"K8S_POD_INFRA_CONTAINER_ID", containerId},
             {"K8S_POD_UID", podUid}},
            capabilityArgs};
}

} // namespace rdmalab::plugin
