// The sockets of one node's kubelet: device plugin registration (both routes) and pod resources, over gRPC.
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/node_host.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::clock {
class RealLoop;
}

namespace rdmalab::harness {

struct PodResourcesDevices {
    std::string resourceName;
    std::vector<std::string> deviceIds;
    std::vector<std::int64_t> numaNodes;
};
struct PodResourcesContainer {
    std::string name;
    std::vector<PodResourcesDevices> devices;
};
struct PodResourcesPod {
    std::string name, podNamespace;
    std::vector<PodResourcesContainer> containers;
};
// What the pod resources API answers from; called on the loop.
struct PodResourcesProvider {
    std::function<std::vector<PodResourcesPod>()> pods;
    std::function<std::vector<PodResourcesDevices>()> allocatable; // may be empty
};

// Time limits are those of upstream's kubelet (pluginmanager/operationexecutor, devicemanager/plugin/v1beta1/client.go).
struct KubeletOptions {
    clock::Duration dial = std::chrono::seconds(10);
    clock::Duration getInfo = std::chrono::seconds(1);
    clock::Duration notify = std::chrono::seconds(5);
    clock::Duration retry = std::chrono::milliseconds(500); // after a failed watcher registration; doubles up to 2 min
    bool pluginsRegistry = true; // false: no such directory is made or watched, so plugins fall back to Register
};

// All methods are called on the loop's thread; all callbacks arrive there. Several nodes may live in one process.
class KubeletServices {
public:
    // `directory` is the node's /var/lib/kubelet as this process sees it; keep it short, socket paths end at 107 bytes.
    KubeletServices(std::string directory, clock::RealLoop& loop, KubeletOptions options = {});
    KubeletServices(const KubeletServices&) = delete;
    KubeletServices& operator=(const KubeletServices&) = delete;
    ~KubeletServices(); // stops

    // Creates device-plugins (0750), plugins_registry and pod-resources, removes old sockets (and nothing else) in
    // device-plugins, listens and watches. Throws SystemError or std::runtime_error when a socket cannot be had.
    void start(cluster::NodeHost::RegistrationHandler handler, PodResourcesProvider podResources);
    // Ends pending Register calls with UNAVAILABLE and all plugin streams made through connectDevicePlugin.
    void stop();

    // `endpoint`: a file name in device-plugins, or a path in the node's view ("/var/lib/kubelet/plugins_registry/x.sock").
    void connectDevicePlugin(const std::string& endpoint,
                             cluster::Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::harness
