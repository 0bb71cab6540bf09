#include "harness/netns/netns_tier.h"
#include "fakekernel/supervisor.h"

#include "fakesysfs/fuse_mount.h"
#include "harness/netns/fabric_wiring.h"
#include "harness/netns/netns_node.h"
#include "harness/netns/node_hardware.h"
#include "harness/netns/ping.h"
#include "harness/netns/port_wires.h"
#include "harness/netns/worker_pool.h"
#include "harness/scenario/machine_spec.h"
#include "harness/tier/machine_of.h"
#include "harness/tier/spiderpool_install.h"
#include "plugins/http/http_server.h"
#include "sim/clock/real_loop.h"
#include "sim/cluster/api/api_server.h"
#include "sim/cluster/cluster.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <signal.h>

namespace rdmalab::harness {

namespace {

constexpr int apiPort = 6443;

// The control plane's own delays (retries, back-offs) pass that much quicker than upstream's: what is waited for in here takes
// milliseconds, not minutes.
constexpr double pace = 100;

std::string kubeconfig() {
    return fmt::format(R"(apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: http://127.0.0.1:{}
users:
- name: component
  user: {{}}
contexts:
- name: lab
  context:
    cluster: lab
    user: component
current-context: lab
)",
                       apiPort);
}

class NetnsTier final : public Tier {
public:
    NetnsTier(const scenario::Scenario& scenario, const LabPlace& lab)
        : workers_(8), cluster_(loop_, clusterOptions(scenario)), api_(cluster_.store()) {
        ::signal(SIGPIPE, SIG_IGN);
        int bridge = 0;
        addSwitchBridge("mgmt", 0);
        for (const auto& sw : scenario.switches) {
            bridges_[sw.name] = fmt::format("sw{}", bridge++);
            addSwitchBridge(bridges_[sw.name], sw.mtu.value_or(0));
        }
        int index = 0;
        for (const auto& node : scenario.nodes)
            addNode(scenario, node, index++, lab);
        loop_.watch(wires_.events(), [this] {
            for (const int lost : wires_.takeLost())
                for (const auto& [name, node] : nodes_)
                    if (node->hardware().wireLost(lost))
                        break;
        });
        spiderpool_ = installSpiderpool(scenario, cluster_, loop_);
    }

    ~NetnsTier() override {
        loop_.unwatch(wires_.events());
        servers_.clear(); // no request may reach a cluster that is going
    }

    scenario::Tier kind() const override { return scenario::Tier::netns; }
    clock::EventLoop& loop() override { return loop_; }
    cluster::Cluster& cluster() override { return cluster_; }

    std::string cannotProbe(const std::string&) const override { return {}; }
    std::string cannotLog(const Inside&) override { return {}; }

    void look(const Inside& inside, const std::function<void(View&)>& look) override { node(inside.node).look(inside, look); }

    void exec(const Inside& inside, const std::vector<std::string>& argv, std::chrono::milliseconds timeout,
              cluster::Callback<ExecResult> reply) override {
        node(inside.node).exec(inside, argv, timeout, std::move(reply));
    }

    std::string log(const Inside& inside) override { return node(inside.node).containerLog(inside.podUid, inside.container); }

    void reach(const Inside& from, const IpAddress& to, cluster::Callback<ReachResult> reply) override {
        auto network = std::make_shared<Namespaces>();
        network->net = node(from.node).networkOf(from);
        workers_.run([this, network, to, reply = std::move(reply)] {
            cluster::Result<ReachResult> result;
            try {
                PingResult answer;
                inNamespaces(*network, [&] { answer = ping(to, 3, 400); });
                result = cluster::Result<ReachResult>::success({answer.answered, answer.detail});
            } catch (const std::exception& failure) {
                result = cluster::Result<ReachResult>::failure(failure.what());
            }
            loop_.post([reply, result] { reply(result); });
        });
    }

    void killContainer(const Inside& container) override { node(container.node).signalContainer(container, SIGKILL); }
    void stopContainer(const Inside& container, int) override { node(container.node).signalContainer(container, SIGTERM); }

    void setCharDevice(const std::string& name, const std::string& device, bool present) override {
        node(name).hardware().setCharDevice(device, present);
    }

    void setLink(const std::string& name, const std::string& netdev, bool up) override {
        node(name).hardware().setCable(netdev, up);
    }

    void changeHardware(const std::string& name, const std::function<void(hardware::Machine&)>& change) override {
        node(name).hardware().change(change);
    }

private:
    static cluster::ClusterOptions clusterOptions(const scenario::Scenario& scenario) {
        cluster::ClusterOptions options;
        options.kubernetes = scenario.compat.kubernetes;
        options.pace = pace;
        options.serviceEnv = {{"KUBERNETES_SERVICE_HOST", "127.0.0.1"}, {"KUBERNETES_SERVICE_PORT", std::to_string(apiPort)}};
        return options;
    }

    NetnsNode& node(const std::string& name) {
        const auto found = nodes_.find(name);
        if (found == nodes_.end())
            throw std::runtime_error("there is no node " + name);
        return *found->second;
    }

    void addNode(const scenario::Scenario& scenario, const scenario::Node& spec, int index, const LabPlace& lab) {
        const std::string management = managementAddress(spec, index).str();
        const std::string address = management.substr(0, management.find('/'));
        NetnsNodeSpec nodeSpec;
        nodeSpec.name = spec.name;
        nodeSpec.index = index;
        nodeSpec.addresses = {address};
        nodeSpec.kubeconfig = kubeconfig();
        nodeSpec.catalogue = scenario.catalogue;
        nodeSpec.release = scenario.compat.spiderpool;
        for (const auto& file : spec.cniFiles)
            nodeSpec.cniFiles.emplace_back(file.name, file.content);
        for (const auto& nic : spec.nics)
            if (nic.switchName)
                nodeSpec.bridges[nic.pci] = bridges_.at(*nic.switchName);
        auto created = std::make_unique<NetnsNode>(std::move(nodeSpec), scenario::machineSpec(spec), lab,
                                                   LabServices{loop_, workers_, wires_, fuse_, supervisor_});
        NetnsNode& host = *created;
        nodes_[spec.name] = std::move(created);
        host.onChange = [this] {
            if (onChange)
                onChange();
        };

        wirePort({"eth0", fmt::format("02:00:0a:ff:{:02x}:{:02x}", index / 256, index % 256), fmt::format("m{}", index), "mgmt",
                  1500, true},
                 host.namespaces().net);
        const int eth0 = host.kernel().linkByName("eth0")->index;
        host.kernel().addAddress(eth0, *Cidr::parse(management));
        host.kernel().addRoute(defaultRoute(managementGateway(*Cidr::parse(management)), eth0));
        host.hardware().plugPorts();
        installNodePlugins(host, lab);
        serveApi(host);

        cluster::NodeSpec cluster = clusterNodeOf(spec);
        cluster.addresses = {address};
        cluster::Kubelet& kubelet = cluster_.addNode(cluster, host);
        host.providePodResources(podResourcesOf(kubelet));
        host.onNetworkConfiguration = [&kubelet] { kubelet.networkChanged(); };
    }

    static plugin::Route defaultRoute(const IpAddress& gateway, int link) {
        plugin::Route route;
        route.gateway = gateway;
        route.family = gateway.family();
        route.linkIndex = link;
        return route;
    }

    // The plugins that a node has before Spiderpool comes (package kubernetes-cni).
    static void installNodePlugins(NetnsNode& host, const LabPlace& lab) {
        plugin::LinuxFiles files;
        host.files().write("/opt/cni/bin/macvlan", files.read(lab.plugins + "/macvlan"), 0755);
    }

    void serveApi(NetnsNode& host) {
        UniqueFd listener;
        inNamespaces(Namespaces{duplicate(host.namespaces()).net, {}, {}, {}, {}},
                     [&] { listener = plugin::listenTcp("127.0.0.1", apiPort); });
        servers_.push_back(std::make_unique<plugin::HttpServer>(
            std::move(listener), [this](plugin::HttpRequest request, std::function<void(plugin::HttpResponse)> reply) {
                loop_.post([this, request = std::move(request), reply = std::move(reply)] { reply(api_.handle(request)); });
            }));
    }

    static PodResourcesProvider podResourcesOf(cluster::Kubelet& kubelet) {
        const auto convert = [](const cluster::ContainerDevices& devices) {
            PodResourcesDevices result;
            result.resourceName = devices.resource;
            result.deviceIds = devices.ids;
            return result;
        };
        PodResourcesProvider provider;
        provider.pods = [&kubelet, convert] {
            std::vector<PodResourcesPod> result;
            for (const auto& pod : kubelet.podResources()) {
                PodResourcesPod entry{pod.name, pod.ns, {}};
                for (const auto& container : pod.containers) {
                    PodResourcesContainer devices{container.name, {}};
                    for (const auto& held : container.devices)
                        devices.devices.push_back(convert(held));
                    entry.containers.push_back(std::move(devices));
                }
                result.push_back(std::move(entry));
            }
            return result;
        };
        return provider;
    }

    clock::RealLoop loop_;
    PortWires wires_;
    fakesysfs::FuseService fuse_;
    fakekernel::Supervisor supervisor_;
    WorkerPool workers_; // its jobs hold sandboxes, which use the two above
    std::map<std::string, std::string> bridges_;
    std::map<std::string, std::unique_ptr<NetnsNode>> nodes_; // outlive the cluster that uses them
    cluster::Cluster cluster_;
    cluster::ApiServer api_;
    std::vector<std::unique_ptr<plugin::HttpServer>> servers_;
    std::unique_ptr<SpiderpoolInstallation> spiderpool_;
};

} // namespace

std::unique_ptr<Tier> makeNetnsTier(const scenario::Scenario& scenario, const LabPlace& lab) {
    return std::make_unique<NetnsTier>(scenario, lab);
}

} // namespace rdmalab::harness
