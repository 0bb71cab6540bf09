#include "harness/model/model_component.h"

#include "harness/components/multus_config.h"
#include "harness/kubelet/direct_device_plugin.h"
#include "harness/model/in_process_exec.h"
#include "harness/model/model_node.h"
#include "plugins/agent/init/spiderpool_init.h"
#include "plugins/agent/ipam/ipam_agent.h"
#include "plugins/cni/multus/multus_entrypoint.h"
#include "plugins/device/rdma_shared/rdma_shared_plugin.h"
#include "sim/clock/event_loop.h"
#include "sim/cluster/api/store_client.h"

#include <stdexcept>

namespace rdmalab::harness {

using cluster::ContainerConfig;

namespace {

// A file that the pod's volumes put into the container.
std::string mountedFile(const ContainerConfig& config, const std::string& directory, const std::string& name) {
    for (const auto& mount : config.mounts) {
        const bool here = mount.containerPath == directory || mount.containerPath == directory + "/";
        const auto found = here ? mount.files.find(name) : mount.files.end();
        if (here && found != mount.files.end())
            return found->second;
    }
    throw std::runtime_error("open " + directory + "/" + name + ": no such file or directory");
}

// An image's plugin in the model: a file that InProcessExec finds.
void installPlugin(plugin::Files& files, const std::string& name) {
    files.makeDirectories("/opt/cni/bin", 0755);
    files.write("/opt/cni/bin/" + name, "in-process\n", 0755);
}

class OneShot : public ModelComponent {};

class AgentComponent final : public ModelComponent {
public:
    AgentComponent(const ContainerConfig& config, ModelNode& node, const ComponentHooks& hooks)
        : node_(node), client_(node.store()), agent_(client_, agentConfig(config, node), agentHost(node, hooks)) {
        installPlugin(node.files(), "spiderpool");
        installPlugin(node.files(), "coordinator");
        plugin::tuneHostSysctls(node.kernel());
        socket_ = agent_.config().ipamUnixSocketPath;
        node.serveAgent(socket_, [this](const plugin::HttpRequest& request) { return agent_.handle(request); });
    }
    ~AgentComponent() override { node_.stopAgent(socket_); }

private:
    static plugin::AgentConfig agentConfig(const ContainerConfig& config, ModelNode& node) {
        auto result = plugin::readAgentConfig(plugin::parseAgentRelease(node.spec().release),
                                              mountedFile(config, "/tmp/spiderpool/config-map", "conf.yml"), config.env);
        if (result.nodeName.empty())
            result.nodeName = node.spec().name;
        return result;
    }
    static plugin::AgentHost agentHost(ModelNode& node, const ComponentHooks& hooks) {
        plugin::AgentHost host;
        host.kernel = &node.kernel();
        host.files = &node.files();
        host.log = hooks.log;
        return host;
    }

    ModelNode& node_;
    cluster::StoreClient client_;
    plugin::IpamAgent agent_;
    std::string socket_;
};

class InitComponent final : public ModelComponent {
public:
    InitComponent(const ContainerConfig& config, ModelNode& node, ComponentHooks hooks)
        : node_(node), hooks_(std::move(hooks)), client_(node.store()),
          init_(client_, node.files(), plugin::readInitConfig(plugin::parseAgentRelease(node.spec().release), config.env),
                hooks_.log) {
        next(clock::Duration::zero());
    }
    ~InitComponent() override { node_.loop().cancel(timer_); }

private:
    void next(clock::Duration delay) {
        timer_ = node_.loop().after(delay, [this] {
            const auto step = init_.run();
            if (step.state == plugin::InitStep::State::retry)
                return next(step.retryAfter);
            if (step.state == plugin::InitStep::State::failed)
                hooks_.log(step.reason);
            hooks_.exit(step.state == plugin::InitStep::State::done ? 0 : 1);
        });
    }

    ModelNode& node_;
    ComponentHooks hooks_;
    cluster::StoreClient client_;
    plugin::SpiderpoolInit init_;
    clock::EventLoop::TimerId timer_;
};

class SharedPluginComponent final : public ModelComponent {
public:
    SharedPluginComponent(const ContainerConfig& config, ModelNode& node, const ComponentHooks& hooks) : node_(node) {
        const auto rsdp = plugin::parseRsdpConfig(mountedFile(config, "/k8s-rdma-shared-dev-plugin", "config.json"), hooks.log);
        plugin_ = std::make_shared<plugin::RdmaSharedPlugin>(
            rsdp, plugin::rsdpReleaseOf(sharedPluginRelease(config.image, node.spec().release)), node.files(), node.kernel(),
            hooks.log);
        for (std::size_t i = 0; i < plugin_->resources().size(); ++i) {
            const auto& resource = plugin_->resources()[i];
            const std::string endpoint = "/var/lib/kubelet/plugins_registry/" + resource.socketName;
            endpoints_.push_back(endpoint);
            node.registerPlugin(resource.fullName, endpoint, [this, i] {
                auto connection = std::make_shared<DirectDevicePlugin>(plugin_, i, node_.loop());
                connections_.push_back({i, connection});
                return connection;
            });
        }
        if (rsdp.updateInterval.count() > 0)
            lookAgain(rsdp.updateInterval);
    }
    ~SharedPluginComponent() override {
        node_.loop().cancel(timer_);
        for (const auto& endpoint : endpoints_)
            node_.unregisterPlugin(endpoint);
        for (const auto& [resource, connection] : connections_)
            if (const auto open = connection.lock())
                open->endStream("error reading from server: EOF");
    }

private:
    void lookAgain(std::chrono::seconds interval) {
        timer_ = node_.loop().after(interval, [this, interval] {
            for (const std::size_t changed : plugin_->rediscover())
                for (const auto& [resource, connection] : connections_)
                    if (const auto open = connection.lock(); open && resource == changed)
                        open->pushList();
            lookAgain(interval);
        });
    }

    ModelNode& node_;
    std::shared_ptr<plugin::RdmaSharedPlugin> plugin_;
    std::vector<std::string> endpoints_;
    std::vector<std::pair<std::size_t, std::weak_ptr<DirectDevicePlugin>>> connections_;
    clock::EventLoop::TimerId timer_;
};

void installMultus(const ContainerConfig& config, ModelNode& node) {
    plugin::MultusEntrypointOptions options;
    options.cniConfDir = "/etc/cni/net.d";
    options.multusConfFile = "/run/rdmalab/00-multus.conf"; // the ConfigMap volume, as a file of the node
    node.files().makeDirectories("/run/rdmalab", 0755);
    const auto cluster = config.env.find("MULTUS_CLUSTER_NETWORK");
    const bool sidecar = componentOf(config.image) == Component::spiderpoolAgent;
    if (!sidecar)
        node.files().write(options.multusConfFile, mountedFile(config, "/tmp/multus-conf", "00-multus.conf"), 0644);
    else if (cluster != config.env.end() && !cluster->second.empty())
        node.files().write(options.multusConfFile, multusConfig(cluster->second), 0644);
    else
        options.multusConfFile = "auto";
    plugin::multusEntrypoint(node.files(), options);
    installPlugin(node.files(), "multus");
}

} // namespace

std::unique_ptr<ModelComponent> startComponent(const ContainerConfig& config, ModelNode& node, ComponentHooks hooks) {
    switch (componentOf(config.image, config.command.empty() ? "" : config.command.front())) {
    case Component::none:
        return nullptr;
    case Component::spiderpoolAgent:
        if (config.name == "multus-cni") { // the sidecar of later charts
            installMultus(config, node);
            return std::make_unique<OneShot>();
        }
        return std::make_unique<AgentComponent>(config, node, hooks);
    case Component::spiderpoolController:
        return std::make_unique<OneShot>();
    case Component::spiderpoolInit:
        return std::make_unique<InitComponent>(config, node, std::move(hooks));
    case Component::pluginInstaller:
        hooks.exit(0);
        return std::make_unique<OneShot>();
    case Component::multusInstaller:
        if (config.name == "multus-cni")
            installMultus(config, node);
        else
            installPlugin(node.files(), "multus");
        hooks.exit(0);
        return std::make_unique<OneShot>();
    case Component::rdmaSharedDevicePlugin:
        return std::make_unique<SharedPluginComponent>(config, node, hooks);
    }
    return nullptr;
}

} // namespace rdmalab::harness
