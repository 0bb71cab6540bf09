// A node in the kernel: network and mount namespaces of its own, real CNI processes, containers that really run.
#pragma once

#include "harness/kubelet/kubelet_services.h"
#include "harness/sandbox/child_process.h"
#include "harness/sandbox/lab.h"
#include "harness/sandbox/namespaces.h"
#include "harness/tier/tier.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"
#include "sim/cluster/node_host.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::clock {
class RealLoop;
}
namespace rdmalab::fakesysfs {
class FuseService;
}
namespace rdmalab::hardware {
class Machine;
struct MachineSpec;
} // namespace rdmalab::hardware

namespace rdmalab::fakekernel {
class Supervisor;
}

namespace rdmalab::harness {

class NodeHardware;
class PodSandbox;
class PortWires;
class SysFiles;
class WorkerPool;
struct RootSpec;

struct NetnsNodeSpec {
    std::string name;
    int index = 0;                                             // unique in the lab; part of paths
    std::vector<std::string> addresses;                        // of the node itself, for hostNetwork pods
    std::vector<std::pair<std::string, std::string>> cniFiles; // name and content, for /etc/cni/net.d
    std::string kubeconfig;                                    // content, given to components
    std::string release;                                       // of the components ("0.8", "1.2")
    std::shared_ptr<const hardware::Catalogue> catalogue;      // of the machine's models; none: the built-in one
    std::map<std::string, std::string> bridges;                // PCI address of a PF -> its switch's bridge
};

// What all nodes of a lab use.
struct LabServices {
    clock::RealLoop& loop;
    WorkerPool& workers;
    PortWires& wires;
    fakesysfs::FuseService& fuse;
    fakekernel::Supervisor& supervisor;
};

class NetnsNode final : public cluster::NodeHost {
public:
    // The services must outlive the node. Throws SystemError when namespaces or mounts are refused, HardwareError.
    NetnsNode(NetnsNodeSpec spec, const hardware::MachineSpec& machine, const LabPlace& lab, const LabServices& services);
    ~NetnsNode() override;

    const Namespaces& namespaces() const { return namespaces_; }
    plugin::LinuxKernel& kernel() { return *kernel_; }
    void providePodResources(PodResourcesProvider provider) { podResources_ = std::move(provider); }
    NodeHardware& hardware() { return *hardware_; }

    void look(const Inside& inside, const std::function<void(View&)>& look);
    void exec(const Inside& inside, const std::vector<std::string>& argv, std::chrono::milliseconds timeout,
              cluster::Callback<ExecResult> reply);
    // The pod's network namespace; the node's own for the node and for hostNetwork pods. Throws std::runtime_error.
    UniqueFd networkOf(const Inside& inside) const;
    void signalContainer(const Inside& inside, int number);

    std::function<void()> onChange;
    std::function<void()> onNetworkConfiguration; // a file in /etc/cni/net.d came, went or changed

    void startKubeletServices(RegistrationHandler handler) override;
    void stopKubeletServices() override;
    void connectDevicePlugin(const std::string& endpoint,
                             cluster::Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) override;
    plugin::Files& files() override;
    std::string networkNotReady() override;
    void runPodSandbox(const cluster::SandboxConfig& config, cluster::Callback<cluster::SandboxStatus> reply) override;
    void stopPodSandbox(const std::string& sandboxId, cluster::Callback<cluster::Done> reply) override;
    void startContainer(const cluster::ContainerConfig& config, cluster::Callback<std::string> reply,
                        std::function<void()> onReady, std::function<void(cluster::ContainerExit)> onExit) override;
    void stopContainer(const std::string& containerId, int graceSeconds) override;
    std::string containerLog(const std::string& podUid, const std::string& container) override;

private:
    struct Sandbox;
    struct Container;
    struct Program; // what a container runs
    using SandboxPtr = std::shared_ptr<Sandbox>;
    using ContainerPtr = std::shared_ptr<Container>;

    void makeRoot();
    std::string newId();
    void addNetwork(Sandbox& sandbox);    // blocking; throws
    void removeNetwork(Sandbox& sandbox); // blocking; throws
    RootSpec rootFor(const Container& container, const Program& program) const;
    Program programFor(const cluster::ContainerConfig& config) const;
    void launch(const ContainerPtr& container, const Program& program); // blocking; throws
    void readLog(const std::weak_ptr<Container>& container, int fd);
    void ended(const ContainerPtr& container);
    void awaitSocket(const std::weak_ptr<Container>& container, const std::string& path);
    Container& running(const Inside& inside) const;

    NetnsNodeSpec spec_;
    LabPlace lab_;
    clock::RealLoop& loop_;
    WorkerPool& workers_;
    std::string base_, root_;
    Namespaces namespaces_;
    std::shared_ptr<NodeHardware> hardware_;                 // shared with the sandboxes
    std::function<std::unique_ptr<LaunchHook>()> supervise_; // for every process of the node and its pods
    std::unique_ptr<plugin::LinuxKernel> kernel_;
    std::unique_ptr<plugin::LinuxFiles> disk_;
    std::unique_ptr<SysFiles> files_;
    std::unique_ptr<KubeletServices> kubelet_;
    UniqueFd configurationWatch_; // inotify on /etc/cni/net.d, as the container runtime has one
    PodResourcesProvider podResources_;
    std::atomic<unsigned> serial_{0};
    std::map<std::string, SandboxPtr> sandboxes_;                     // by id
    std::map<std::string, ContainerPtr> containers_;                  // by id; those that run
    std::map<std::pair<std::string, std::string>, std::string> logs_; // by pod uid and container name
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace rdmalab::harness
