// A node in memory.
#pragma once

#include "harness/tier/tier.h"
#include "plugins/http/http.h"
#include "sim/cluster/node_host.h"
#include "sim/kernel/memory_files.h"
#include "sim/kernel/model_world.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::clock {
class EventLoop;
}
namespace rdmalab::cluster {
class Store;
}
namespace rdmalab::fakesysfs {
class Tree;
class TreeFiles;
} // namespace rdmalab::fakesysfs
namespace rdmalab::hardware {
class Machine;
}
namespace rdmalab::plugin {
class CniRuntime;
}

namespace rdmalab::harness {

class InProcessExec;
class ModelComponent;
class NicWiring;

struct ModelNodeSpec {
    std::string name;
    std::vector<std::string> addresses;
    std::vector<std::pair<std::string, std::string>> cniFiles;
    std::string release; // of the components
};

class ModelNode final : public cluster::NodeHost {
public:
    // Everything passed must outlive the node.
    ModelNode(ModelNodeSpec spec, hardware::Machine& machine, kernel::ModelWorld& world, kernel::NetnsId netns, NicWiring& wiring,
              cluster::Store& store, clock::EventLoop& loop);
    ~ModelNode() override;

    void look(const Inside& inside, const std::function<void(View&)>& look);
    kernel::NetnsId netnsOf(const Inside& inside) const;
    bool hasComponent(const Inside& container) const; // it is one of ours and so has a log
    void endContainer(const Inside& inside, int signal);

    void startKubeletServices(RegistrationHandler handler) override;
    void stopKubeletServices() override;
    void connectDevicePlugin(const std::string& endpoint,
                             cluster::Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) override;
    plugin::Files& files() override { return *files_; }
    std::string networkNotReady() override;
    void runPodSandbox(const cluster::SandboxConfig& config, cluster::Callback<cluster::SandboxStatus> reply) override;
    void stopPodSandbox(const std::string& sandboxId, cluster::Callback<cluster::Done> reply) override;
    void startContainer(const cluster::ContainerConfig& config, cluster::Callback<std::string> reply,
                        std::function<void()> onReady, std::function<void(cluster::ContainerExit)> onExit) override;
    void stopContainer(const std::string& containerId, int graceSeconds) override;
    std::string containerLog(const std::string& podUid, const std::string& container) override;

    // For components.
    void registerPlugin(const std::string& resource, const std::string& endpoint,
                        std::function<std::shared_ptr<cluster::DevicePluginConnection>()> connect);
    void unregisterPlugin(const std::string& endpoint);
    void serveAgent(const std::string& socketPath, std::function<plugin::HttpResponse(const plugin::HttpRequest&)> handle);
    void stopAgent(const std::string& socketPath);
    plugin::Kernel& kernel() { return *kernel_; }
    cluster::Store& store() { return store_; }
    clock::EventLoop& loop() { return loop_; }
    const ModelNodeSpec& spec() const { return spec_; }

private:
    struct Sandbox {
        std::string id;
        cluster::SandboxConfig config;
        kernel::NetnsId netns{};
        std::string path; // empty with hostNetwork
        std::vector<std::string> ips;
    };
    struct Container;
    struct PluginEndpoint {
        std::string resource;
        std::function<std::shared_ptr<cluster::DevicePluginConnection>()> connect;
    };

    std::string newId();
    void addNetwork(Sandbox& sandbox);
    void removeNetwork(Sandbox& sandbox);
    void announce(const std::string& endpoint);
    void finish(const std::string& id, cluster::ContainerExit status);
    std::shared_ptr<Container> running(const Inside& inside) const;

    ModelNodeSpec spec_;
    hardware::Machine& machine_;
    kernel::ModelWorld& world_;
    kernel::NetnsId netns_;
    NicWiring& wiring_;
    cluster::Store& store_;
    clock::EventLoop& loop_;
    std::unique_ptr<fakesysfs::Tree> tree_;
    std::unique_ptr<fakesysfs::TreeFiles> treeFiles_;
    kernel::MemoryFiles disk_;
    std::unique_ptr<plugin::Files> files_;
    std::unique_ptr<plugin::Kernel> kernel_;
    std::unique_ptr<InProcessExec> exec_;
    std::unique_ptr<plugin::CniRuntime> cni_;
    std::map<std::string, std::function<plugin::HttpResponse(const plugin::HttpRequest&)>> agents_; // by socket path
    RegistrationHandler registration_;              // empty while the kubelet is down
    std::map<std::string, PluginEndpoint> plugins_; // by endpoint
    std::map<std::string, std::shared_ptr<Sandbox>> sandboxes_;
    std::map<std::string, std::shared_ptr<Container>> containers_;
    std::map<std::pair<std::string, std::string>, std::string> logs_;
    unsigned serial_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace rdmalab::harness
