// A node's kubelet: registers the node, admits pods, hands out devices, drives sandboxes and containers through NodeHost.
// Facts: spec/kubernetes.md, sections 1-7, 11, 12. The topology manager has policy `none` only.
#pragma once

#include "sim/cluster/kubelet/device_manager.h"
#include "sim/cluster/node_host.h"
#include "sim/cluster/pod_source.h"
#include "sim/cluster/store.h"
#include "sim/cluster/texts.h"
#include "sim/cluster/timings.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct KubeletOptions {
    std::string nodeName;
    std::map<std::string, std::string> labels;
    std::vector<Json> taints;
    std::map<std::string, std::string> capacity; // quantities
    std::vector<std::string> addresses;          // InternalIP
    std::map<std::string, std::string> nodeInfo;
    Timings timings;
    TextProfile texts = TextProfile::v1_35;
    bool secondEndpointQuirk = true;
    std::map<std::string, std::string> serviceEnv;
    std::shared_ptr<PodSource> pods;   // shared by the kubelets of a cluster; own one when null
    std::function<void(bool)> onAlive; // kubelet started / stopped, for the node lifecycle controller
    std::function<void(const std::string&)> log;
};

// One pod of the podresources API (v1).
struct PodResources {
    struct Container {
        std::string name;
        std::vector<ContainerDevices> devices;
    };
    std::string name, ns;
    std::vector<Container> containers; // init containers that never restart are left out
};

class Kubelet {
public:
    Kubelet(Store& store, clock::EventLoop& loop, NodeHost& host, KubeletOptions options);
    ~Kubelet();
    Kubelet(const Kubelet&) = delete;
    Kubelet& operator=(const Kubelet&) = delete;

    // start() after stop() is a kubelet restart: containers went on running meanwhile, the checkpoint is read again, pods with
    // running containers are adopted without a new Allocate or sandbox, plugins must register again.
    void start();
    void stop();
    bool running() const;

    // The CNI configuration may have appeared or gone.
    void networkChanged();
    // The node lost all its sandboxes and containers (a reboot). Only while stopped.
    void forgetContainers();

    // podresources List / Get / GetAllocatableResources; List frees devices of pods that are gone, as upstream.
    std::vector<PodResources> podResources();
    std::optional<PodResources> podResources(const std::string& ns, const std::string& name);
    std::vector<ContainerDevices> allocatableDevices() const;

    const DeviceManager* devices() const; // null while stopped
    // Sandbox of a pod, "" when it has none (a CNI probe or `why` wants it).
    std::string sandboxId(const std::string& podUid) const;
    // Id of the running container, "" when none runs.
    std::string containerId(const std::string& podUid, const std::string& container) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::cluster
