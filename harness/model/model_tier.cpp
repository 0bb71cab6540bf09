#include "harness/model/model_tier.h"

#include "harness/model/model_node.h"
#include "harness/model/nic_wiring.h"
#include "harness/scenario/machine_spec.h"
#include "harness/tier/machine_of.h"
#include "harness/tier/spiderpool_install.h"
#include "plugins/kernel/kernel.h"
#include "sim/clock/virtual_loop.h"
#include "sim/cluster/cluster.h"
#include "sim/fabric/fabric.h"
#include "sim/hardware/machine.h"

#include <fmt/format.h>

namespace rdmalab::harness {

namespace {

constexpr const char* managementSwitch = "(management)";

class ModelTier final : public Tier {
public:
    explicit ModelTier(const scenario::Scenario& scenario) : world_(fabric_), cluster_(loop_, clusterOptions(scenario)) {
        fabric_.addSwitch(managementSwitch);
        for (const auto& sw : scenario.switches)
            fabric_.addSwitch(sw.name);
        int index = 0;
        for (const auto& node : scenario.nodes)
            addNode(scenario, node, index++);
        world_.onNetdevChange([this](kernel::NetdevId id, kernel::NetdevChange change, const kernel::NetdevInfo& info) {
            if (change == kernel::NetdevChange::added || change == kernel::NetdevChange::removed)
                return;
            if (const auto found = wiringOf_.find(world_.nodeOf(info.netns)); found != wiringOf_.end())
                found->second->linkChanged(id, change, info);
        });
        spiderpool_ = installSpiderpool(scenario, cluster_, loop_);
    }

    scenario::Tier kind() const override { return scenario::Tier::model; }
    clock::EventLoop& loop() override { return loop_; }
    cluster::Cluster& cluster() override { return cluster_; }

    std::string cannotProbe(const std::string& kind) const override {
        if (kind == "exec")
            return "the model runs no processes: exec needs the netns tier";
        if (kind == "log" || kind == "devices" || kind == "interface" || kind == "file" || kind == "reach" || kind == "rdma")
            return {};
        return "the model computes reachability, it does not run " + kind;
    }

    std::string cannotLog(const Inside& container) override {
        if (node(container.node).hasComponent(container))
            return {};
        return "the model does not run the command of container " + container.container + ": its log needs the netns tier";
    }

    void look(const Inside& inside, const std::function<void(View&)>& look) override {
        ModelNode& target = node(inside.node);
        wirings_.at(inside.node)->readAddresses();
        target.look(inside, look);
    }

    void exec(const Inside&, const std::vector<std::string>&, std::chrono::milliseconds,
              cluster::Callback<ExecResult> reply) override {
        loop_.post([reply] { reply(cluster::Result<ExecResult>::failure("the model runs no processes")); });
    }

    std::string log(const Inside& inside) override { return node(inside.node).containerLog(inside.podUid, inside.container); }

    void reach(const Inside& from, const IpAddress& to, cluster::Callback<ReachResult> reply) override {
        const auto answer = world_.reachable(node(from.node).netnsOf(from), std::nullopt, to);
        loop_.post([reply, answer] { reply(cluster::Result<ReachResult>::success({answer.ok, answer.why})); });
    }

    void killContainer(const Inside& container) override { node(container.node).endContainer(container, 9); }
    void stopContainer(const Inside& container, int) override { node(container.node).endContainer(container, 15); }

    void setCharDevice(const std::string& name, const std::string& device, bool present) override {
        if (present)
            throw std::runtime_error("character device " + device + ": restoring one is not implemented");
        node(name);
        if (!machines_.at(name)->removeCharDevice(device))
            throw std::runtime_error("node " + name + " has no character device " + device);
    }

    void setLink(const std::string& name, const std::string& netdev, bool up) override {
        node(name);
        wirings_.at(name)->setCable(netdev, up);
    }

    void changeHardware(const std::string& name, const std::function<void(hardware::Machine&)>& change) override {
        node(name);
        change(*machines_.at(name));
    }

private:
    static cluster::ClusterOptions clusterOptions(const scenario::Scenario& scenario) {
        cluster::ClusterOptions options;
        options.kubernetes = scenario.compat.kubernetes;
        return options;
    }

    ModelNode& node(const std::string& name) {
        const auto found = nodes_.find(name);
        if (found == nodes_.end())
            throw std::runtime_error("there is no node " + name);
        return *found->second;
    }

    void addNode(const scenario::Scenario& scenario, const scenario::Node& spec, int index) {
        const Cidr management = managementAddress(spec, index);
        const auto netns = world_.addNode(spec.name);
        hardware::MachineSpec machineSpec = scenario::machineSpec(spec);
        machineSpec.netns = NicWiring::idOf(netns);
        auto& machine = *(machines_[spec.name] = std::make_unique<hardware::Machine>(machineSpec, *scenario.catalogue));
        const auto kernel = world_.kernel(netns);
        const auto addLink = [&](const std::string& name, const std::string& mac, int mtu, fabric::PortId port,
                                 const std::vector<Cidr>& addresses, bool up) {
            kernel::NicSpec nic;
            nic.name = name;
            nic.mac = mac;
            nic.mtu = mtu;
            nic.port = port;
            nic.up = up;
            world_.addNic(netns, nic);
            for (const auto& address : addresses)
                kernel->addAddress(kernel->linkByName(name)->index, address);
        };
        addLink("eth0", fmt::format("02:00:0a:ff:{:02x}:{:02x}", index / 256, index % 256), 1500,
                fabric_.addPort(managementSwitch), {management}, true);
        plugin::Route route;
        route.gateway = managementGateway(management);
        route.family = route.gateway->family();
        route.linkIndex = kernel->linkByName("eth0")->index;
        kernel->addRoute(route);
        std::map<std::string, std::string> switches;
        for (const auto& nic : spec.nics)
            switches[nic.pci] = nic.switchName.value_or("");
        wirings_[spec.name] = std::make_unique<NicWiring>(
            machine, world_, fabric_, netns, [switches](const hardware::Nic& nic) { return switches.at(nic.pci.address.str()); });
        wiringOf_[netns] = wirings_[spec.name].get();
        ModelNodeSpec nodeSpec;
        nodeSpec.name = spec.name;
        nodeSpec.addresses = {management.address.str()};
        nodeSpec.release = scenario.compat.spiderpool;
        for (const auto& file : spec.cniFiles)
            nodeSpec.cniFiles.emplace_back(file.name, file.content);
        nodes_[spec.name] = std::make_unique<ModelNode>(std::move(nodeSpec), machine, world_, netns, *wirings_[spec.name],
                                                        cluster_.store(), loop_);
        cluster::NodeSpec cluster = clusterNodeOf(spec);
        cluster.addresses = {management.address.str()};
        cluster_.addNode(cluster, *nodes_[spec.name]);
    }

    clock::VirtualLoop loop_;
    fabric::Fabric fabric_;
    kernel::ModelWorld world_;
    std::map<std::string, std::unique_ptr<hardware::Machine>> machines_;
    std::map<std::string, std::unique_ptr<NicWiring>> wirings_;
    std::map<kernel::NetnsId, NicWiring*> wiringOf_;          // by the node's first namespace
    std::map<std::string, std::unique_ptr<ModelNode>> nodes_; // outlive the cluster that uses them
    cluster::Cluster cluster_;
    std::unique_ptr<SpiderpoolInstallation> spiderpool_;
};

} // namespace

std::unique_ptr<Tier> makeModelTier(const scenario::Scenario& scenario) {
    return std::make_unique<ModelTier>(scenario);
}

} // namespace rdmalab::harness
