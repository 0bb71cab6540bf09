#include "harness/netns/netns_node.h"

#include "fakekernel/sysfs_mounts.h"
#include "harness/netns/container_program.h"
#include "harness/netns/fresh_sysfs.h"
#include "harness/netns/node_exec.h"
#include "harness/netns/node_hardware.h"
#include "harness/netns/supervision.h"
#include "harness/netns/sys_files.h"
#include "harness/netns/worker_pool.h"
#include "harness/sandbox/capabilities.h"
#include "harness/sandbox/pod_sandbox.h"
#include "harness/sandbox/root_filesystem.h"
#include "plugins/cni/protocol/cni_runtime.h"
#include "sim/clock/real_loop.h"
#include "sim/hardware/catalogue.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace rdmalab::harness {

using cluster::Callback;
using cluster::ContainerConfig;
using cluster::Done;
using cluster::Result;

namespace {

constexpr std::size_t logLimit = 4U << 20; // bytes kept of each container's output

const std::map<std::string, std::string>& pluginEnvironment() {
    static const std::map<std::string, std::string> environment = {
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
    return environment;
}

plugin::CniRuntime cniRuntime(plugin::Files& files, plugin::CniExec& exec) {
    plugin::CniRuntime::Options options;
    options.client.environment = pluginEnvironment();
    return {files, exec, options};
}

void setLoopbackUp(const UniqueFd& network) {
    plugin::LinuxKernel kernel(network.get());
    if (const auto lo = kernel.linkByName("lo"))
        kernel.setLinkUp(lo->index, true);
}

std::vector<std::string> addressesOf(const std::string& result) {
    std::vector<std::string> v4, v6;
    const auto json = nlohmann::json::parse(result);
    for (const auto& ip : json.value("ips", nlohmann::json::array())) {
        const std::string address = ip.value("address", "");
        const std::string bare = address.substr(0, address.find('/'));
        (bare.find(':') == std::string::npos ? v4 : v6).push_back(bare);
    }
    v4.insert(v4.end(), v6.begin(), v6.end());
    return v4;
}

} // namespace

struct NetnsNode::Sandbox {
    std::string id;
    cluster::SandboxConfig config;
    std::string netnsPath; // empty with hostNetwork
    UniqueFd network;
    std::unique_ptr<PodSys> sys; // none with hostNetwork
    std::unique_ptr<PodSandbox> pause;
    std::vector<std::string> ips;
};

struct NetnsNode::Container {
    std::string id;
    ContainerConfig config;
    SandboxPtr sandbox;
    std::map<std::string, std::string> environment;
    ChildProcess process;
    Namespaces namespaces; // of the process: what an exec enters
    UniqueFd output;       // its standard output and error
    UniqueFd socketWatch;  // inotify, while the socket that makes it ready is awaited
    std::function<void()> onReady;
    std::function<void(cluster::ContainerExit)> onExit;
    clock::EventLoop::TimerId killTimer;
};

struct NetnsNode::Program : ContainerProgram {};

NetnsNode::NetnsNode(NetnsNodeSpec spec, const hardware::MachineSpec& machine, const LabPlace& lab, const LabServices& services)
    : spec_(std::move(spec)), lab_(lab), loop_(services.loop), workers_(services.workers),
      base_(fmt::format("{}/n/{}", lab.base, spec_.index)) {
    namespaces_.net = newNetworkNamespace();
    setLoopbackUp(namespaces_.net);
    kernel_ = std::make_unique<plugin::LinuxKernel>(namespaces_.net.get());
    hardware_ = std::make_shared<NodeHardware>(machine, spec_.catalogue ? *spec_.catalogue : hardware::Catalogue::builtIn(),
                                               namespaces_.net, base_ + "/sys", services.wires, services.fuse,
                                               [bridges = spec_.bridges](const hardware::Nic& pf) {
                                                   const auto bridge = bridges.find(pf.pci.address.str());
                                                   return bridge == bridges.end() ? std::string() : bridge->second;
                                               });
    supervise_ =
        supervisedBy(services.supervisor,
                     std::make_shared<fakekernel::SysfsMounts>(std::make_shared<FreshSysfs>(hardware_, base_ + "/fresh")));
    makeRoot();
    disk_ = std::make_unique<plugin::LinuxFiles>(root_);
    files_ = std::make_unique<SysFiles>(hardware_->machine(), hardware_->view(), *disk_, [this] { hardware_->settle(); });
    for (const auto& dir : {"/opt/cni/bin", "/etc/cni/net.d", "/var/lib/kubelet", "/var/lib/cni", "/run/netns", "/var/log"})
        files_->makeDirectories(dir, 0755);
    for (const auto& [name, content] : spec_.cniFiles)
        files_->write("/etc/cni/net.d/" + name, content, 0644);
    kubelet_ = std::make_unique<KubeletServices>(root_ + "/var/lib/kubelet", loop_);
    configurationWatch_.reset(checked("inotify_init", ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)));
    checked("watch /etc/cni/net.d", ::inotify_add_watch(configurationWatch_.get(), (root_ + "/etc/cni/net.d").c_str(),
                                                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE));
    loop_.watch(configurationWatch_.get(), [this] {
        char events[4096];
        while (::read(configurationWatch_.get(), events, sizeof events) > 0) {
        }
        if (onNetworkConfiguration)
            onNetworkConfiguration();
    });
    loop_.watch(hardware_->events(), [this] {
        if (hardware_->refresh() && onChange)
            onChange();
    });
}

NetnsNode::~NetnsNode() {
    *alive_ = false;
    loop_.unwatch(hardware_->events());
    loop_.unwatch(configurationWatch_.get());
    kubelet_.reset();
    for (const auto& [id, container] : containers_) {
        loop_.unwatch(container->process.pidfd().get());
        if (container->output.valid())
            loop_.unwatch(container->output.get());
        if (container->socketWatch.valid())
            loop_.unwatch(container->socketWatch.get());
    }
    // A pod's pause process can only be waited for once its other processes are reaped.
    for (const auto& [id, sandbox] : sandboxes_)
        sandbox->pause->kill();
    containers_.clear();
    sandboxes_.clear();
}

void NetnsNode::makeRoot() {
    RootSpec root;
    root.scratch = base_;
    root.sys = hardware_->sys();
    root.sysReadOnly = false;
    // The machine may be a node of a real cluster: nothing of that may be seen or touched.
    root.emptyDirectories = {"/etc/cni", "/opt/cni", "/var/lib/kubelet", "/var/lib/cni", "/var/log"};
    root_ = assembleRoot(root);
    hardware_->populateDev(root_ + "/dev");
    // Plugins that every node has before anything is installed, as kubernetes-cni brings them.
    onOwnThread([&] {
        checked("unshare", ::unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWUTS));
        checked("sethostname", ::sethostname(spec_.name.data(), std::min<std::size_t>(spec_.name.size(), 63)));
        checked("make mounts private", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        pivotInto(root_);
        namespaces_.mnt = currentNamespace("mnt");
        namespaces_.uts = currentNamespace("uts");
    });
}

plugin::Files& NetnsNode::files() {
    return *files_;
}

std::string NetnsNode::newId() {
    // Like a container runtime's ids, but the same in every run.
    const std::string seed = spec_.name + "/" + std::to_string(++serial_);
    std::string id;
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (int part = 0; part < 4; ++part) {
        for (const char c : seed)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        hash ^= hash >> 29;
        id += fmt::format("{:016x}", hash);
    }
    return id;
}

void NetnsNode::startKubeletServices(RegistrationHandler handler) {
    kubelet_->start(std::move(handler), podResources_);
}
void NetnsNode::stopKubeletServices() {
    kubelet_->stop();
}
void NetnsNode::connectDevicePlugin(const std::string& endpoint,
                                    Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) {
    kubelet_->connectDevicePlugin(endpoint, std::move(reply));
}

std::string NetnsNode::networkNotReady() {
    NodeExec exec(namespaces_, *files_, supervise_);
    return cniRuntime(*files_, exec).notReady();
}

// ---- sandboxes ----------------------------------------------------------------------------------------------------------------

void NetnsNode::addNetwork(Sandbox& sandbox) {
    sandbox.network = newNetworkNamespace();
    setLoopbackUp(sandbox.network);
    sandbox.sys = std::make_unique<PodSys>(hardware_, sandbox.network); // before a plugin moves a port in there
    sandbox.sys->mount(fmt::format("{}/p/{}/sys", base_, sandbox.id.substr(0, 12)));
    sandbox.netnsPath = "/var/run/netns/cni-" + sandbox.id.substr(0, 8) + "-" + sandbox.config.podUid.substr(0, 8);
    inNamespaces(Namespaces{{}, duplicate(namespaces_).mnt, {}, {}, {}},
                 [&] { bindNamespace(sandbox.network, sandbox.netnsPath); });
    NodeExec exec(namespaces_, *files_, supervise_);
    auto runtime = cniRuntime(*files_, exec);
    sandbox.ips = addressesOf(runtime.add(plugin::CniRuntime::kubernetesAttachment(
        sandbox.id, sandbox.netnsPath, sandbox.config.podNamespace, sandbox.config.podName, sandbox.config.podUid)));
}

void NetnsNode::removeNetwork(Sandbox& sandbox) {
    if (sandbox.netnsPath.empty())
        return;
    NodeExec exec(namespaces_, *files_, supervise_);
    auto runtime = cniRuntime(*files_, exec);
    runtime.remove(plugin::CniRuntime::kubernetesAttachment(sandbox.id, sandbox.netnsPath, sandbox.config.podNamespace,
                                                            sandbox.config.podName, sandbox.config.podUid));
    inNamespaces(Namespaces{{}, duplicate(namespaces_).mnt, {}, {}, {}}, [&] {
        ::umount2(sandbox.netnsPath.c_str(), MNT_DETACH); // gone already is as good
        ::unlink(sandbox.netnsPath.c_str());
    });
    sandbox.netnsPath.clear();
}

void NetnsNode::runPodSandbox(const cluster::SandboxConfig& config, Callback<cluster::SandboxStatus> reply) {
    auto sandbox = std::make_shared<Sandbox>();
    sandbox->id = newId();
    sandbox->config = config;
    workers_.run([this, sandbox, reply = std::move(reply), alive = std::weak_ptr<bool>(alive_)] {
        std::string error;
        try {
            if (sandbox->config.hostNetwork)
                sandbox->ips = spec_.addresses;
            else
                addNetwork(*sandbox);
            const Namespaces own = duplicate(namespaces_);
            sandbox->pause = std::make_unique<PodSandbox>(sandbox->config.hostNetwork ? own.net : sandbox->network,
                                                          sandbox->config.hostNetwork ? spec_.name : sandbox->config.podName);
        } catch (const std::exception& failure) {
            error = fmt::format("rpc error: code = Unknown desc = failed to setup network for sandbox \"{}\": {}", sandbox->id,
                                failure.what());
            try {
                removeNetwork(*sandbox);
            } catch (const std::exception&) {
                // containerd logs it and goes on: the first failure is the one to report.
            }
        }
        loop_.post([this, sandbox, reply, error, alive] {
            const auto node = alive.lock();
            if (!node || !*node)
                return;
            if (!error.empty())
                return reply(Result<cluster::SandboxStatus>::failure(error));
            sandboxes_[sandbox->id] = sandbox;
            reply(Result<cluster::SandboxStatus>::success({sandbox->id, sandbox->ips}));
        });
    });
}

void NetnsNode::stopPodSandbox(const std::string& sandboxId, Callback<Done> reply) {
    const auto found = sandboxes_.find(sandboxId);
    if (found == sandboxes_.end()) {
        loop_.post([reply] { reply(Result<Done>::success({})); });
        return;
    }
    workers_.run([this, sandbox = found->second, reply = std::move(reply), alive = std::weak_ptr<bool>(alive_)] {
        std::string error;
        try {
            removeNetwork(*sandbox);
        } catch (const std::exception& failure) {
            error = fmt::format("rpc error: code = Unknown desc = failed to destroy network for sandbox \"{}\": {}", sandbox->id,
                                failure.what());
        }
        loop_.post([this, sandbox, reply, error, alive] {
            const auto node = alive.lock();
            if (!node || !*node)
                return;
            if (!error.empty())
                return reply(Result<Done>::failure(error));
            sandboxes_.erase(sandbox->id);
            reply(Result<Done>::success({}));
        });
    });
}

// ---- containers ---------------------------------------------------------------------------------------------------------------

NetnsNode::Program NetnsNode::programFor(const ContainerConfig& config) const {
    return {containerProgram(config, {spec_.release, spec_.kubeconfig, spec_.name})};
}

RootSpec NetnsNode::rootFor(const Container& container, const Program& program) const {
    const ContainerConfig& config = container.config;
    RootSpec root;
    root.nodeRoot = root_;
    root.sys = container.sandbox->sys ? container.sandbox->sys->sys() : hardware_->sys();
    root.sysReadOnly = !config.privileged;
    for (const auto& mount : config.mounts) {
        std::string target = mount.containerPath;
        while (target.size() > 1 && target.back() == '/')
            target.pop_back();
        if (!mount.files.empty()) {
            root.files[target] = mount.files;
        } else if (mount.hostPath.empty()) {
            root.emptyDirectories.push_back(target);
        } else {
            if (!files_->exists(mount.hostPath))
                files_->makeDirectories(mount.hostPath, 0755);
            root.binds.push_back({mount.hostPath, target, mount.readOnly});
            root.ownDev = root.ownDev && target != "/dev";
        }
    }
    if (config.privileged && root.ownDev) {
        root.binds.insert(root.binds.begin(), {"/dev", "/dev", false});
        root.ownDev = false;
    }
    for (const auto& device : config.devices) {
        const auto status = files_->status(device.hostPath);
        if (status.kind == plugin::FileKind::missing)
            throw std::runtime_error(
                fmt::format("failed to generate container \"{}\" spec: failed to generate spec: lstat {}: no "
                            "such file or directory",
                            config.name, device.hostPath));
        root.devices.push_back({device.containerPath, status.deviceMajor, status.deviceMinor, status.mode});
    }
    if (program.needsPlugins)
        root.directories[lab_.plugins] = pluginsInContainer;
    for (const auto& [directory, files] : program.files)
        root.files[directory] = files;
    return root;
}

void NetnsNode::startContainer(const ContainerConfig& config, Callback<std::string> reply, std::function<void()> onReady,
                               std::function<void(cluster::ContainerExit)> onExit) {
    auto container = std::make_shared<Container>();
    container->id = newId();
    container->config = config;
    container->onReady = std::move(onReady);
    container->onExit = std::move(onExit);
    const auto sandbox = sandboxes_.find(config.sandboxId);
    container->sandbox = sandbox == sandboxes_.end() ? nullptr : sandbox->second;
    workers_.run([this, container, reply = std::move(reply), alive = std::weak_ptr<bool>(alive_)] {
        std::string error;
        Program program;
        try {
            if (!container->sandbox)
                throw std::runtime_error("sandbox \"" + container->config.sandboxId + "\" not found");
            program = programFor(container->config);
            launch(container, program);
        } catch (const std::exception& failure) {
            error = failure.what();
        }
        loop_.post([this, container, reply, error, program, alive] {
            const auto node = alive.lock();
            if (!node || !*node)
                return;
            if (!error.empty())
                return reply(Result<std::string>::failure(error));
            containers_[container->id] = container;
            loop_.watch(container->output.get(),
                        [this, weak = std::weak_ptr(container), fd = container->output.get()] { readLog(weak, fd); });
            loop_.watch(container->process.pidfd().get(), [this, weak = std::weak_ptr(container)] {
                if (const auto ending = weak.lock())
                    ended(ending);
            });
            reply(Result<std::string>::success(container->id));
            if (program.readySocket.empty())
                container->onReady();
            else
                awaitSocket(container, program.readySocket);
        });
    });
}

void NetnsNode::launch(const ContainerPtr& container, const Program& program) {
    const ContainerConfig& config = container->config;
    RootSpec root = rootFor(*container, program);
    root.scratch = fmt::format("{}/c/{}-{}", lab_.base, spec_.index, container->id.substr(0, 12));
    int pipe[2];
    checked("pipe", ::pipe2(pipe, O_CLOEXEC));
    container->output.reset(pipe[0]);
    const UniqueFd writeEnd(pipe[1]);
    ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);

    container->environment = {{"PATH", pluginEnvironment().at("PATH")},
                              {"HOSTNAME", config.hostNetwork ? spec_.name : config.podName},
                              {"HOME", "/root"}};
    for (const auto& [key, value] : config.env)
        container->environment[key] = value;
    for (const auto& [key, value] : program.environment)
        container->environment[key] = value;

    ProcessSpec process;
    process.argv = program.argv;
    process.environment = container->environment;
    process.workingDirectory = config.workingDir.empty() ? "/" : config.workingDir;
    process.namespaces = &container->sandbox->pause->namespaces();
    process.standardOutput = process.standardError = writeEnd.get();
    process.prepare = [&] {
        checked("unshare mounts", ::unshare(CLONE_NEWNS));
        enterNewRoot(root);
    };
    process.supervise = supervise_;
    if (!config.privileged)
        process.restrict = [&] { dropToContainerCapabilities(config.addCapabilities); };
    try {
        container->process = ChildProcess(process);
    } catch (const std::exception& failure) {
        throw std::runtime_error("failed to create containerd task: failed to create shim task: OCI runtime create failed: " +
                                 std::string(failure.what()));
    }
    container->namespaces = namespacesOf(container->process.pid());
}

void NetnsNode::readLog(const std::weak_ptr<Container>& weak, int fd) {
    const auto container = weak.lock();
    if (!container)
        return loop_.unwatch(fd);
    std::string& log = logs_[{container->config.podUid, container->config.name}];
    char buffer[16384];
    for (;;) {
        const auto got = ::read(fd, buffer, sizeof buffer);
        if (got > 0) {
            const auto room = logLimit - std::min(logLimit, log.size());
            log.append(buffer, std::min(room, static_cast<std::size_t>(got)));
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            loop_.unwatch(fd);
            container->output.reset();
        }
        break;
    }
    if (onChange)
        onChange();
}

void NetnsNode::ended(const ContainerPtr& container) {
    loop_.unwatch(container->process.pidfd().get());
    loop_.cancel(container->killTimer);
    const auto status = container->process.wait();
    if (container->output.valid()) {
        const int fd = container->output.get();
        readLog(container, fd); // what it wrote last
        loop_.unwatch(fd);
        container->output.reset();
    }
    if (container->socketWatch.valid()) {
        loop_.unwatch(container->socketWatch.get());
        container->socketWatch.reset();
    }
    containers_.erase(container->id);
    container->onExit({status.code, status.signal});
}

void NetnsNode::awaitSocket(const std::weak_ptr<Container>& weak, const std::string& path) {
    const auto container = weak.lock();
    if (!container || !container->process.running())
        return;
    const auto slash = path.rfind('/');
    // /var/run is a symlink to /run on most machines.
    const UniqueFd parent = openDirectoryInside(root_, path.substr(0, slash));
    const std::string directory = "/proc/self/fd/" + std::to_string(parent.get());
    if (!container->socketWatch.valid()) {
        container->socketWatch.reset(checked("inotify_init1", ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)));
        checked("watch " + directory,
                ::inotify_add_watch(container->socketWatch.get(), directory.c_str(), IN_CREATE | IN_MOVED_TO));
        loop_.watch(container->socketWatch.get(), [this, weak, path, fd = container->socketWatch.get()] {
            char events[4096];
            while (::read(fd, events, sizeof events) > 0) {
            }
            awaitSocket(weak, path);
        });
    }
    const UniqueFd probe(checked("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (directory + path.substr(slash)).c_str(), sizeof address.sun_path - 1);
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        loop_.unwatch(container->socketWatch.get());
        container->socketWatch.reset();
        container->onReady();
    } else if (errno == ECONNREFUSED) {
        // Bound but not yet listening, or left over from an earlier process: neither shows in the directory.
        loop_.after(std::chrono::milliseconds(1), [this, weak, path, alive = std::weak_ptr<bool>(alive_)] {
            const auto node = alive.lock();
            if (node && *node)
                awaitSocket(weak, path);
        });
    }
}

void NetnsNode::stopContainer(const std::string& containerId, int graceSeconds) {
    const auto found = containers_.find(containerId);
    if (found == containers_.end())
        return;
    const auto container = found->second;
    container->process.signal(graceSeconds > 0 ? SIGTERM : SIGKILL);
    if (graceSeconds > 0)
        container->killTimer = loop_.after(std::chrono::seconds(graceSeconds), [weak = std::weak_ptr(container)] {
            if (const auto stubborn = weak.lock())
                stubborn->process.signal(SIGKILL);
        });
}

std::string NetnsNode::containerLog(const std::string& podUid, const std::string& container) {
    const auto found = logs_.find({podUid, container});
    return found == logs_.end() ? std::string() : found->second;
}

// ---- looking inside -----------------------------------------------------------------------------------------------------------

NetnsNode::Container& NetnsNode::running(const Inside& inside) const {
    for (const auto& [id, container] : containers_)
        if (container->config.podUid == inside.podUid && (inside.container.empty() || container->config.name == inside.container))
            return *container;
    throw std::runtime_error(fmt::format("no container{} of pod {}/{} is running",
                                         inside.container.empty() ? "" : " " + inside.container, inside.podNamespace,
                                         inside.podName));
}

UniqueFd NetnsNode::networkOf(const Inside& inside) const {
    if (!inside.isNode()) {
        for (const auto& [id, sandbox] : sandboxes_)
            if (sandbox->config.podUid == inside.podUid && !sandbox->config.hostNetwork)
                return UniqueFd(checked("dup", ::fcntl(sandbox->network.get(), F_DUPFD_CLOEXEC, 0)));
    }
    return UniqueFd(checked("dup", ::fcntl(namespaces_.net.get(), F_DUPFD_CLOEXEC, 0)));
}

void NetnsNode::look(const Inside& inside, const std::function<void(View&)>& look) {
    if (inside.isNode()) {
        View view{*files_, *kernel_, *kernel_};
        return look(view);
    }
    const Container& container = running(inside);
    plugin::LinuxFiles disk("/proc/" + std::to_string(container.process.pid()) + "/root");
    SysFiles files(hardware_->machine(), container.sandbox->sys ? container.sandbox->sys->view() : hardware_->view(), disk,
                   [this] { hardware_->settle(); });
    plugin::LinuxKernel kernel(container.namespaces.net.get());
    View view{files, kernel, *kernel_};
    look(view);
}

void NetnsNode::exec(const Inside& inside, const std::vector<std::string>& argv, std::chrono::milliseconds timeout,
                     Callback<ExecResult> reply) {
    auto process = std::make_shared<ProcessSpec>();
    auto namespaces = std::make_shared<Namespaces>();
    process->argv = argv;
    process->environment = pluginEnvironment();
    if (inside.isNode()) {
        *namespaces = duplicate(namespaces_);
    } else {
        Container& container = running(inside);
        *namespaces = duplicate(container.namespaces);
        process->environment = container.environment;
        if (!container.config.privileged)
            process->restrict = [added = container.config.addCapabilities] { dropToContainerCapabilities(added); };
    }
    process->namespaces = namespaces.get();
    process->supervise = supervise_;
    const int seconds = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(timeout).count());
    workers_.run([this, process, namespaces, seconds, reply = std::move(reply), alive = std::weak_ptr<bool>(alive_)] {
        Result<ExecResult> result;
        try {
            const auto done = runProcess(*process, {}, seconds);
            result = Result<ExecResult>::success({done.status.code, done.output, done.errors});
        } catch (const std::exception& failure) {
            result = Result<ExecResult>::failure(failure.what());
        }
        loop_.post([reply, result, alive] {
            const auto node = alive.lock();
            if (node && *node)
                reply(result);
        });
    });
}

void NetnsNode::signalContainer(const Inside& inside, int number) {
    running(inside).process.signal(number);
}

} // namespace rdmalab::harness
