// How a node's kubelet gets things done. Each tier implements it; the cluster never knows how.
#pragma once

#include "sim/cluster/device_plugin.h"
#include "sim/cluster/result.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::plugin {
class Files;
}

namespace rdmalab::cluster {

struct SandboxConfig {
    std::string podUid, podNamespace, podName;
    bool hostNetwork = false;
};

struct SandboxStatus {
    std::string id;               // 64 hex digits
    std::vector<std::string> ips; // of eth0, IPv4 first; the node's own for hostNetwork
};

struct ContainerMount {
    std::string containerPath;
    std::string hostPath; // on the node; empty when `files` or a fresh directory is meant
    bool readOnly = false;
    std::map<std::string, std::string> files; // ConfigMap, Secret, downward API: name -> content
};

struct ContainerConfig {
    std::string sandboxId;
    std::string podUid, podNamespace, podName;
    std::string name, image;
    std::vector<std::string> command, args; // as in the pod; both empty = the image's own
    std::map<std::string, std::string> env;
    std::string workingDir;
    std::vector<ContainerMount> mounts;
    std::vector<DeviceSpec> devices; // what Allocate returned
    std::vector<std::string> addCapabilities;
    bool hostNetwork = false, privileged = false;
    int attempt = 0;                                // 0 for the first start
    std::map<std::string, std::string> annotations; // what Allocate returned, for the container runtime
    std::vector<std::string> cdiDevices;            // "vendor/class=device", as Allocate returned them
};

struct ContainerExit {
    int code = 0; // 128 + signal when killed by one
    int signal = 0;
};

// All callbacks arrive on the event loop.
class NodeHost {
public:
    NodeHost() = default;
    NodeHost(const NodeHost&) = delete;
    NodeHost& operator=(const NodeHost&) = delete;
    virtual ~NodeHost() = default;

    // Called for each Register and each plugin found in plugins_registry; the reply goes back to the plugin.
    using RegistrationHandler = std::function<void(RegisterRequest, Callback<Done>)>;

    // What kubelet does when it starts: remove sockets in device-plugins, listen on kubelet.sock, watch plugins_registry
    // (sockets that are there already count as new).
    virtual void startKubeletServices(RegistrationHandler handler) = 0;
    virtual void stopKubeletServices() = 0;
    // Dials, with a 10 s limit. Errors as upstream: `failed to dial device plugin: ...`.
    virtual void connectDevicePlugin(const std::string& endpoint, Callback<std::shared_ptr<DevicePluginConnection>> reply) = 0;

    // The node's own file system: checkpoint, /etc/cni/net.d, ...
    virtual plugin::Files& files() = 0;
    // Empty when the container runtime finds a CNI configuration, else the runtime's reason ("cni plugin not initialized").
    virtual std::string networkNotReady() = 0;

    // Network namespace and CNI ADD. On failure everything is undone again (CNI DEL) before the reply; the error starts with
    // `rpc error: code = Unknown desc = failed to setup network for sandbox ...`.
    virtual void runPodSandbox(const SandboxConfig& config, Callback<SandboxStatus> reply) = 0;
    // CNI DEL, then the namespace goes. An unknown id succeeds. On failure the sandbox stays and the call can be repeated.
    virtual void stopPodSandbox(const std::string& sandboxId, Callback<Done> reply) = 0;

    // Replies when the process runs; `onReady` when it also serves (components with a socket; others at once after start);
    // `onExit` once when it has ended, on its own or killed.
    virtual void startContainer(const ContainerConfig& config, Callback<std::string> replyWithId, std::function<void()> onReady,
                                std::function<void(ContainerExit)> onExit) = 0;
    // SIGTERM, after `graceSeconds` SIGKILL. The container's onExit comes as usual.
    virtual void stopContainer(const std::string& containerId, int graceSeconds) = 0;
    virtual std::string containerLog(const std::string& podUid, const std::string& container) = 0;
};

} // namespace rdmalab::cluster
