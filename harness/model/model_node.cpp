#include "harness/model/model_node.h"

#include "fakesysfs/tree.h"
#include "fakesysfs/tree_files.h"
#include "harness/model/in_process_exec.h"
#include "harness/model/model_component.h"
#include "harness/model/nic_wiring.h"
#include "plugins/cni/protocol/cni_runtime.h"
#include "plugins/kernel/kernel.h"
#include "sim/clock/event_loop.h"
#include "sim/cluster/api/store_client.h"
#include "sim/cluster/store.h"
#include "sim/hardware/machine.h"

#include <fmt/format.h>

#include <stdexcept>

namespace rdmalab::harness {

using cluster::Callback;
using cluster::ContainerConfig;
using cluster::ContainerExit;
using cluster::Done;
using cluster::Result;

namespace {
// What the real thing takes, roughly: order and overlap of events are then as on a node.
constexpr std::chrono::milliseconds sandboxTime{120}, containerTime{30}, stopTime{10};

fakesysfs::View nodeView(const hardware::Machine& machine) {
    fakesysfs::View view;
    view.netns = machine.netns();
    return view;
}
} // namespace

struct ModelNode::Container {
    std::string id;
    ContainerConfig config;
    std::shared_ptr<Sandbox> sandbox;
    std::unique_ptr<ModelComponent> component;
    std::function<void(ContainerExit)> onExit;
    bool ended = false;
};

ModelNode::ModelNode(ModelNodeSpec spec, hardware::Machine& machine, kernel::ModelWorld& world, kernel::NetnsId netns,
                     NicWiring& wiring, cluster::Store& store, clock::EventLoop& loop)
    : spec_(std::move(spec)), machine_(machine), world_(world), netns_(netns), wiring_(wiring), store_(store), loop_(loop),
      tree_(std::make_unique<fakesysfs::Tree>(machine_, nodeView(machine_))),
      treeFiles_(std::make_unique<fakesysfs::TreeFiles>(*tree_)),
      files_(std::make_unique<fakesysfs::NodeFiles>(*treeFiles_, disk_)), kernel_(world_.kernel(netns_)) {
    for (const char* dir : {"/opt/cni/bin", "/etc/cni/net.d", "/var/lib/kubelet", "/var/lib/cni", "/run/netns", "/var/log"})
        disk_.makeDirectories(dir, 0755);
    disk_.addSymlink("/var/run", "/run");
    disk_.write("/opt/cni/bin/macvlan", "in-process\n", 0755);
    for (const auto& [name, content] : spec_.cniFiles)
        disk_.write("/etc/cni/net.d/" + name, content, 0644);
    exec_ = std::make_unique<InProcessExec>(*files_, [this](plugin::CniExec& exec) {
        return plugin::CniServices{*kernel_,
                                   *files_,
                                   exec,
                                   [this](const std::string& socket, const plugin::HttpRequest& request) {
                                       const auto agent = agents_.find(socket);
                                       if (agent == agents_.end())
                                           throw std::runtime_error("dial unix " + socket +
                                                                    ": connect: no such file or directory");
                                       return agent->second(request);
                                   },
                                   [this](const std::string&) -> std::unique_ptr<plugin::KubeClient> {
                                       return std::make_unique<cluster::StoreClient>(store_);
                                   },
                                   {},
                                   {}};
    });
    cni_ = std::make_unique<plugin::CniRuntime>(*files_, *exec_);
}

ModelNode::~ModelNode() {
    *alive_ = false;
    containers_.clear();
}

std::string ModelNode::newId() {
    return fmt::format("{:064x}", std::hash<std::string>{}(spec_.name) + ++serial_);
}

// ---- device plugins -----------------------------------------------------------------------------------------------------------

void ModelNode::startKubeletServices(RegistrationHandler handler) {
    registration_ = std::move(handler);
    for (const auto& [endpoint, plugin] : plugins_)
        announce(endpoint);
}

void ModelNode::stopKubeletServices() {
    registration_ = nullptr;
}

void ModelNode::announce(const std::string& endpoint) {
    loop_.post([this, endpoint, alive = std::weak_ptr<bool>(alive_)] {
        const auto node = alive.lock();
        const auto plugin = plugins_.find(endpoint);
        if (!node || !*node || !registration_ || plugin == plugins_.end())
            return;
        registration_({"v1beta1", endpoint, plugin->second.resource}, [](const Result<Done>&) {});
    });
}

void ModelNode::registerPlugin(const std::string& resource, const std::string& endpoint,
                               std::function<std::shared_ptr<cluster::DevicePluginConnection>()> connect) {
    plugins_[endpoint] = {resource, std::move(connect)};
    announce(endpoint);
}

void ModelNode::unregisterPlugin(const std::string& endpoint) {
    plugins_.erase(endpoint);
}

void ModelNode::connectDevicePlugin(const std::string& endpoint,
                                    Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) {
    loop_.post([this, endpoint, reply = std::move(reply)] {
        using Connection = Result<std::shared_ptr<cluster::DevicePluginConnection>>;
        const auto plugin = plugins_.find(endpoint);
        if (plugin == plugins_.end())
            return reply(Connection::failure("failed to dial device plugin: context deadline exceeded"));
        reply(Connection::success(plugin->second.connect()));
    });
}

// ---- sandboxes ----------------------------------------------------------------------------------------------------------------

std::string ModelNode::networkNotReady() {
    return cni_->notReady();
}

void ModelNode::addNetwork(Sandbox& sandbox) {
    sandbox.netns = world_.addNetns(netns_, sandbox.config.podName);
    sandbox.path = "/var/run/netns/cni-" + sandbox.id.substr(56) + "-" + sandbox.config.podUid.substr(0, 8);
    world_.bindNetns(netns_, sandbox.path, sandbox.netns);
    const auto pod = world_.kernel(sandbox.netns);
    pod->setLinkUp(pod->linkByName("lo")->index, true);
    const auto result = cluster::Json::parse(cni_->add(plugin::CniRuntime::kubernetesAttachment(
        sandbox.id, sandbox.path, sandbox.config.podNamespace, sandbox.config.podName, sandbox.config.podUid)));
    for (const auto& ip : result.value("ips", cluster::Json::array())) {
        const std::string address = ip.value("address", "");
        sandbox.ips.push_back(address.substr(0, address.find('/')));
    }
}

void ModelNode::removeNetwork(Sandbox& sandbox) {
    if (sandbox.path.empty())
        return;
    cni_->remove(plugin::CniRuntime::kubernetesAttachment(sandbox.id, sandbox.path, sandbox.config.podNamespace,
                                                          sandbox.config.podName, sandbox.config.podUid));
    world_.unbindNetns(netns_, sandbox.path);
    world_.removeNetns(sandbox.netns);
    wiring_.namespaceGone(sandbox.netns);
    sandbox.path.clear();
}

void ModelNode::runPodSandbox(const cluster::SandboxConfig& config, Callback<cluster::SandboxStatus> reply) {
    auto sandbox = std::make_shared<Sandbox>();
    sandbox->id = newId();
    sandbox->config = config;
    loop_.after(config.hostNetwork ? containerTime : sandboxTime, [this, sandbox, reply = std::move(reply)] {
        try {
            if (sandbox->config.hostNetwork) {
                sandbox->netns = netns_;
                sandbox->ips = spec_.addresses;
            } else {
                addNetwork(*sandbox);
            }
        } catch (const std::exception& failure) {
            const std::string error = fmt::format(
                "rpc error: code = Unknown desc = failed to setup network for sandbox \"{}\": {}", sandbox->id, failure.what());
            try {
                removeNetwork(*sandbox);
            } catch (const std::exception&) {
                // The first failure is the one to report.
            }
            return reply(Result<cluster::SandboxStatus>::failure(error));
        }
        sandboxes_[sandbox->id] = sandbox;
        reply(Result<cluster::SandboxStatus>::success({sandbox->id, sandbox->ips}));
    });
}

void ModelNode::stopPodSandbox(const std::string& sandboxId, Callback<Done> reply) {
    loop_.after(stopTime, [this, sandboxId, reply = std::move(reply)] {
        const auto found = sandboxes_.find(sandboxId);
        if (found == sandboxes_.end())
            return reply(Result<Done>::success({}));
        try {
            removeNetwork(*found->second);
        } catch (const std::exception& failure) {
            return reply(Result<Done>::failure(fmt::format(
                "rpc error: code = Unknown desc = failed to destroy network for sandbox \"{}\": {}", sandboxId, failure.what())));
        }
        sandboxes_.erase(found);
        reply(Result<Done>::success({}));
    });
}

// ---- containers ---------------------------------------------------------------------------------------------------------------

void ModelNode::startContainer(const ContainerConfig& config, Callback<std::string> reply, std::function<void()> onReady,
                               std::function<void(ContainerExit)> onExit) {
    auto container = std::make_shared<Container>();
    container->id = newId();
    container->config = config;
    container->onExit = std::move(onExit);
    loop_.after(containerTime, [this, container, reply = std::move(reply), onReady = std::move(onReady)] {
        const auto& wanted = container->config;
        const auto sandbox = sandboxes_.find(wanted.sandboxId);
        if (sandbox == sandboxes_.end())
            return reply(Result<std::string>::failure("sandbox \"" + wanted.sandboxId + "\" not found"));
        container->sandbox = sandbox->second;
        for (const auto& device : wanted.devices)
            if (!files_->exists(device.hostPath))
                return reply(Result<std::string>::failure(fmt::format(
                    "failed to generate container \"{}\" spec: failed to generate spec: lstat {}: no such file or directory",
                    wanted.name, device.hostPath)));
        containers_[container->id] = container;
        reply(Result<std::string>::success(container->id));
        std::string& log = logs_[{wanted.podUid, wanted.name}];
        ComponentHooks hooks;
        hooks.log = [&log](const std::string& line) { log += line + "\n"; };
        hooks.exit = [this, id = container->id, alive = std::weak_ptr<bool>(alive_)](int code) {
            loop_.after(stopTime, [this, id, code, alive] {
                const auto node = alive.lock();
                if (node && *node)
                    finish(id, {code, 0});
            });
        };
        try {
            container->component = startComponent(wanted, *this, hooks);
        } catch (const std::exception& error) {
            hooks.log(error.what());
            return hooks.exit(1);
        }
        onReady();
    });
}

void ModelNode::finish(const std::string& id, ContainerExit status) {
    const auto found = containers_.find(id);
    if (found == containers_.end())
        return;
    const auto container = found->second;
    containers_.erase(found);
    container->component.reset();
    container->onExit(status);
}

void ModelNode::stopContainer(const std::string& containerId, int graceSeconds) {
    const auto found = containers_.find(containerId);
    if (found == containers_.end())
        return;
    // Our components end well on SIGTERM, a shell or sleep is ended by it.
    const ContainerExit status = graceSeconds == 0          ? ContainerExit{137, 9}
                                 : found->second->component ? ContainerExit{0, 0}
                                                            : ContainerExit{143, 15};
    loop_.after(stopTime, [this, containerId, status, alive = std::weak_ptr<bool>(alive_)] {
        const auto node = alive.lock();
        if (node && *node)
            finish(containerId, status);
    });
}

std::string ModelNode::containerLog(const std::string& podUid, const std::string& container) {
    const auto found = logs_.find({podUid, container});
    return found == logs_.end() ? std::string() : found->second;
}

void ModelNode::serveAgent(const std::string& socketPath,
                           std::function<plugin::HttpResponse(const plugin::HttpRequest&)> handle) {
    disk_.addSocket(socketPath, 0755);
    agents_[socketPath] = std::move(handle);
}

void ModelNode::stopAgent(const std::string& socketPath) {
    agents_.erase(socketPath);
    disk_.remove(socketPath);
}

// ---- looking inside -----------------------------------------------------------------------------------------------------------

std::shared_ptr<ModelNode::Container> ModelNode::running(const Inside& inside) const {
    for (const auto& [id, container] : containers_)
        if (container->config.podUid == inside.podUid && (inside.container.empty() || container->config.name == inside.container))
            return container;
    throw std::runtime_error(fmt::format("no container{} of pod {}/{} is running",
                                         inside.container.empty() ? "" : " " + inside.container, inside.podNamespace,
                                         inside.podName));
}

kernel::NetnsId ModelNode::netnsOf(const Inside& inside) const {
    if (!inside.isNode())
        for (const auto& [id, sandbox] : sandboxes_)
            if (sandbox->config.podUid == inside.podUid)
                return sandbox->netns;
    return netns_;
}

void ModelNode::look(const Inside& inside, const std::function<void(View&)>& look) {
    if (inside.isNode()) {
        View view{*files_, *kernel_, *kernel_};
        return look(view);
    }
    const auto container = running(inside);
    const auto pod = world_.kernel(container->sandbox->netns);
    if (container->config.privileged && container->config.hostNetwork) {
        View view{*files_, *pod, *kernel_};
        return look(view);
    }
    fakesysfs::View viewer;
    viewer.netns = NicWiring::idOf(container->sandbox->netns);
    for (const auto& link : pod->links()) {
        if (link.encap == "loopback")
            continue;
        fakesysfs::Netdev netdev;
        netdev.name = link.name;
        netdev.kind = link.kind;
        netdev.mac = link.mac;
        netdev.ifindex = link.index;
        netdev.parentIndex = link.parentIndex;
        netdev.mtu = link.mtu;
        netdev.up = link.up;
        netdev.carrier = link.lowerUp;
        viewer.netdevs.push_back(std::move(netdev));
    }
    const fakesysfs::Tree tree(machine_, viewer);
    fakesysfs::TreeFiles sys(tree);
    kernel::MemoryFiles files;
    files.makeDirectories("/sys", 0755);
    files.mount("/sys", sys, "/sys");
    for (const auto& device : container->config.devices) {
        const auto status = files_->status(device.hostPath);
        files.addDevice(device.containerPath, plugin::FileKind::characterDevice, status.deviceMajor, status.deviceMinor,
                        status.mode);
    }
    for (const auto& mount : container->config.mounts)
        for (const auto& [name, content] : mount.files)
            files.write(mount.containerPath + "/" + name, content, 0644);
    View view{files, *pod, *kernel_};
    look(view);
}

bool ModelNode::hasComponent(const Inside& container) const {
    const auto log = logs_.find({container.podUid, container.container});
    return log != logs_.end() && !log->second.empty();
}

void ModelNode::endContainer(const Inside& inside, int signal) {
    const auto container = running(inside);
    loop_.post([this, id = container->id, signal, alive = std::weak_ptr<bool>(alive_)] {
        const auto node = alive.lock();
        if (node && *node)
            finish(id, {128 + signal, signal});
    });
}

} // namespace rdmalab::harness
