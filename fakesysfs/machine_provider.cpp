#include "fakesysfs/machine_provider.h"

#include "fakesysfs/paths.h"
#include "fakesysfs/render.h"
#include "sim/hardware/cpu_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

// Renders one root. Kept alive by the directories that are still to be filled.
class Renderer : public std::enable_shared_from_this<Renderer> {
public:
    Renderer(const hardware::Machine& machine, const View& view) : scene_{machine, view} {}

    void sys(Directory& sys) {
        devices(sys);
        buses(sys);
        classes(sys);
        modules(sys);
        systemDevices(sys);
        // Ordinary tools look for these, and a sandbox mounts the real ones over them.
        for (const char* place : {"block", "firmware", "fs/cgroup", "hypervisor", "kernel", "power"})
            sys.path(place);
    }

private:
    bool hasRdma() const {
        const auto& nics = scene_.machine.nics();
        return std::any_of(nics.begin(), nics.end(), [](const auto& nic) { return nic->model->rdma.has_value(); });
    }
    bool compat(const Nic& nic) const { return nic.rdma->netns != scene_.view.netns; }
    bool rdmaVisible(const Nic& nic) const {
        return nic.rdma && (scene_.machine.rdmaNetnsMode() == hardware::RdmaNetnsMode::shared || !compat(nic));
    }
    bool netdevVisible(const Nic& nic) const { return !nic.port.netdev.empty() && nic.port.netns == scene_.view.netns; }
    const Netdev* viewed(const std::string& name) const {
        for (const Netdev& netdev : scene_.view.netdevs)
            if (netdev.name == name)
                return &netdev;
        return nullptr;
    }
    int ifindex(const Nic& nic) const {
        const Netdev* known = viewed(nic.port.netdev);
        return known && known->ifindex ? known->ifindex : nic.port.ifindex;
    }
    template <typename Visit>
    void eachNic(Visit visit) const {
        std::size_t number = 0;
        for (const auto& nic : scene_.machine.nics())
            visit(*nic, number++);
    }

    NetdevFacts factsOf(const Nic& nic, std::size_t number) const {
        const hardware::Port& port = nic.port;
        NetdevFacts facts;
        facts.name = port.netdev;
        facts.mac = port.mac;
        facts.device = netdevParentPath(nic, number);
        facts.ifindex = facts.iflink = ifindex(nic);
        facts.mtu = port.mtu;
        facts.speed = port.speedMbps ? static_cast<long>(port.speedMbps) : -1;
        facts.up = port.up;
        facts.carrier = port.carrier();
        facts.infiniband = port.linkLayer == hardware::LinkLayer::infiniband;
        facts.carrierUp = port.carrierUpCount;
        facts.carrierDown = port.carrierDownCount;
        facts.portName = port.portName;
        return facts;
    }

    NetdevFacts factsOf(const Netdev& netdev) const {
        NetdevFacts facts;
        facts.name = netdev.name;
        facts.kind = netdev.kind;
        facts.mac = netdev.mac;
        facts.ifindex = netdev.ifindex;
        facts.iflink = netdev.parentIndex ? netdev.parentIndex : netdev.ifindex;
        facts.mtu = netdev.mtu;
        facts.up = netdev.up;
        facts.carrier = netdev.carrier;
        facts.carrierUp = facts.carrierDown = netdev.carrier ? 1 : 0;
        facts.macGiven = true;
        if (netdev.kind == "macvlan" || netdev.kind == "ipvlan" || netdev.kind == "vlan") // report the lower device's speed
            eachNic([&](const Nic& nic, std::size_t) {
                if (netdevVisible(nic) && ifindex(nic) == netdev.parentIndex && nic.port.speedMbps)
                    facts.speed = static_cast<long>(nic.port.speedMbps);
            });
        return facts;
    }

    // NAME below a class directory of a device, and the class's link to it.
    template <typename Render>
    void classDevice(Directory& parent, const std::string& parentPath, const std::string& className, const std::string& name,
                     Render render) {
        parent.directory(className).lazy(name, [self = shared_from_this(), path = parentPath + "/" + className + "/" + name,
                                                render](Directory& directory) { render(*self, directory, path); });
    }

    void function(Directory& directory, const Nic& nic, std::size_t number) {
        const std::string path = functionPath(nic.pci);
        renderFunction(directory, path, scene_, nic, number);
        if (nic.pci.driver.empty())
            return;
        const std::string netParent = netdevParentPath(nic, number);
        Directory& parent = netParent == path ? directory : childDevice(directory, netParent, nic);
        parent.directory("net"); // stays, empty, when the interface is in another namespace
        if (netdevVisible(nic))
            classDevice(parent, netParent, "net", nic.port.netdev,
                        [&nic, number](Renderer& self, Directory& net, const auto& at) {
                            renderNetdev(net, at, self.factsOf(nic, number));
                        });
        if (!nic.rdma)
            return;
        directory.directory("infiniband");
        if (rdmaVisible(nic))
            classDevice(directory, path, "infiniband", nic.rdma->name, [&nic](Renderer& self, Directory& rdma, const auto& at) {
                renderRdmaDevice(rdma, at, self.scene_, nic, self.compat(nic));
            });
        for (const hardware::CharDevice& device : nic.rdma->charDevices)
            classDevice(directory, path, charDeviceClass(device.kind), device.name,
                        [&nic, device](Renderer&, Directory& node, const auto& at) { renderCharDevice(node, at, device, &nic); });
    }

    Directory& childDevice(Directory& function, const std::string& path, const Nic& nic) {
        const std::string name = path.substr(path.rfind('/') + 1);
        Directory& child = function.directory(name);
        child.text("modalias", "virtio:d00000001v00001AF4");
        child.text("device", "0x0001");
        child.text("vendor", "0x1af4");
        child.text("status", "0x0000000f");
        child.text("uevent", "DRIVER=virtio_net\nMODALIAS=virtio:d00000001v00001AF4", 0644);
        addLink(child, path, "driver", "bus/" + nic.model->childBus + "/drivers/virtio_net");
        addLink(child, path, "subsystem", "bus/" + nic.model->childBus);
        addPower(child);
        return child;
    }

    void devices(Directory& sys) {
        std::set<std::string> rootPorts;
        eachNic([&](const Nic& nic, std::size_t number) {
            const std::string bridgePath = hostBridgePath(nic.pci);
            Directory& bridge = sys.path(bridgePath);
            if (!bridge.find("uevent")) {
                bridge.raw("uevent", "", 0644);
                addPower(bridge);
                const std::string bus = fmt::format("{:04x}:{:02x}", nic.pci.address.domain, nic.pci.rootBus);
                pciBus(bridge, bridgePath, bus);
                pciBuses_.emplace(bus, bridgePath + "/pci_bus/" + bus);
            }
            if (nic.pci.bridges.empty()) {
                bridge.lazy(nic.pci.address.str(), [self = shared_from_this(), &nic, number](Directory& directory) {
                    self->function(directory, nic, number);
                });
            } else if (rootPorts.insert(rootPortPath(nic.pci)).second) {
                const std::string bus = nic.pci.address.busStr();
                pciBuses_.emplace(bus, rootPortPath(nic.pci) + "/pci_bus/" + bus);
                bridge.lazy(nic.pci.bridges.front().str(),
                            [self = shared_from_this(), &nic](Directory& directory) { self->rootPort(directory, nic); });
            }
        });
        Directory& misc = sys.path("devices/virtual/misc");
        if (const auto& cm = scene_.machine.rdmaCm())
            misc.lazy(cm->name, [self = shared_from_this(), device = *cm](Directory& directory) {
                renderCharDevice(directory, "devices/virtual/misc/" + device.name, device, nullptr);
            });
        virtualNetdevs(sys);
    }

    void rootPort(Directory& directory, const Nic& first) {
        const std::string path = rootPortPath(first.pci);
        renderRootPort(directory, path, scene_, first);
        pciBus(directory, path, first.pci.address.busStr());
        eachNic([&](const Nic& nic, std::size_t number) {
            if (nic.pci.bridges == first.pci.bridges)
                directory.lazy(nic.pci.address.str(), [self = shared_from_this(), &nic, number](Directory& function) {
                    self->function(function, nic, number);
                });
        });
    }

    void pciBus(Directory& bridge, const std::string& path, const std::string& name) {
        classDevice(bridge, path, "pci_bus", name, [path](Renderer& self, Directory& directory, const auto& at) {
            renderPciBus(directory, at, self.scene_, path);
        });
    }

    void virtualNetdevs(Directory& sys) {
        Directory& net = sys.path("devices/virtual/net");
        const auto add = [&](const NetdevFacts& facts) {
            const std::string path = "devices/virtual/net/" + facts.name;
            net.lazy(facts.name, [path, facts](Directory& directory) { renderNetdev(directory, path, facts); });
            netdevs_[facts.name] = path;
        };
        NetdevFacts lo;
        lo.name = "lo";
        lo.mac = "00:00:00:00:00:00";
        lo.ifindex = lo.iflink = 1;
        lo.mtu = 65536;
        lo.up = lo.carrier = lo.loopback = true;
        if (const Netdev* known = viewed("lo"))
            lo.up = known->up;
        add(lo);
        eachNic([&](const Nic& nic, std::size_t number) {
            if (netdevVisible(nic))
                netdevs_[nic.port.netdev] = netdevParentPath(nic, number) + "/net/" + nic.port.netdev;
        });
        for (const Netdev& netdev : scene_.view.netdevs)
            if (!netdevs_.count(netdev.name))
                add(factsOf(netdev));
    }

    void buses(Directory& sys) {
        Directory& pci = sys.path("bus/pci");
        pci.text("drivers_autoprobe", "1", 0644);
        for (const char* name : {"drivers_probe", "rescan", "uevent"})
            pci.writeOnly(name);
        pci.raw("resource_alignment", "", 0644);
        pci.directory("slots");
        Directory& links = pci.directory("devices");
        const auto driver = [&](const std::string& name, const std::string& module) -> Directory& {
            const std::string path = "bus/pci/drivers/" + name;
            Directory& directory = sys.path(path);
            for (const char* file : {"bind", "new_id", "remove_id", "uevent", "unbind"})
                directory.writeOnly(file);
            if (!module.empty())
                addLink(directory, path, "module", "module/" + module);
            return directory;
        };
        eachNic([&](const Nic& nic, std::size_t number) {
            const std::string path = functionPath(nic.pci);
            addLink(links, "bus/pci/devices", nic.pci.address.str(), path);
            Directory& own = driver(nic.model->driver, moduleName(nic.model->driver));
            if (!nic.pci.driver.empty())
                addLink(own, "bus/pci/drivers/" + nic.model->driver, nic.pci.address.str(), path);
            if (!nic.pci.bridges.empty()) {
                const std::string port = nic.pci.bridges.front().str();
                addLink(links, "bus/pci/devices", port, rootPortPath(nic.pci));
                addLink(driver("pcieport", ""), "bus/pci/drivers/pcieport", port, rootPortPath(nic.pci));
            }
            if (!nic.model->childBus.empty()) {
                const std::string child = netdevParentPath(nic, number);
                const std::string bus = "bus/" + nic.model->childBus, name = child.substr(child.rfind('/') + 1);
                addLink(sys.path(bus + "/devices"), bus + "/devices", name, child);
                addLink(sys.path(bus + "/drivers/virtio_net"), bus + "/drivers/virtio_net", name, child);
            }
        });
    }

    void classes(Directory& sys) {
        for (const auto& [name, path] : netdevs_)
            addLink(sys.path("class/net"), "class/net", name, path);
        for (const auto& [name, path] : pciBuses_)
            addLink(sys.path("class/pci_bus"), "class/pci_bus", name, path);
        Directory& characters = sys.path("dev/char");
        sys.path("dev/block");
        sys.path("class/misc");
        if (const auto& cm = scene_.machine.rdmaCm()) {
            const std::string path = "devices/virtual/misc/" + cm->name;
            addLink(sys.path("class/misc"), "class/misc", cm->name, path);
            addLink(characters, "dev/char", fmt::format("{}:{}", cm->major, cm->minor), path);
        }
        if (!hasRdma())
            return;
        Directory& rdma = sys.path("class/infiniband");
        sys.path("class/infiniband_verbs").text("abi_version", "6");
        sys.path("class/infiniband_mad").text("abi_version", "5");
        eachNic([&](const Nic& nic, std::size_t) {
            if (rdmaVisible(nic))
                addLink(rdma, "class/infiniband", nic.rdma->name, functionPath(nic.pci) + "/infiniband/" + nic.rdma->name);
            if (!nic.rdma)
                return;
            for (const hardware::CharDevice& device : nic.rdma->charDevices) {
                const std::string group = charDeviceClass(device.kind);
                const std::string path = functionPath(nic.pci) + "/" + group + "/" + device.name;
                addLink(sys.path("class/" + group), "class/" + group, device.name, path);
                addLink(characters, "dev/char", fmt::format("{}:{}", device.major, device.minor), path);
            }
        });
    }

    static std::string moduleName(std::string driver) {
        std::replace(driver.begin(), driver.end(), '-', '_');
        return driver;
    }

    void modules(Directory& sys) {
        std::set<std::string> names;
        eachNic([&](const Nic& nic, std::size_t) {
            names.insert(moduleName(nic.model->driver));
            names.insert(nic.model->modules.begin(), nic.model->modules.end());
        });
        if (hasRdma())
            names.insert({"ib_cm", "ib_core", "ib_umad", "ib_uverbs", "iw_cm", "rdma_cm"});
        if (scene_.machine.rdmaCm())
            names.insert("rdma_ucm");
        for (const std::string& name : names)
            module(sys.path("module/" + name), name);
        eachNic([&](const Nic& nic, std::size_t) {
            const std::string path = "module/" + moduleName(nic.model->driver) + "/drivers";
            addLink(sys.path(path), path, "pci:" + nic.model->driver, "bus/pci/drivers/" + nic.model->driver);
        });
    }

    void module(Directory& directory, const std::string& name) const {
        directory.text("coresize", "1048576");
        directory.directory("holders");
        directory.text("initsize", "0");
        directory.text("initstate", "live");
        directory.text("refcnt", "0");
        directory.directory("sections");
        directory.text("taint", "");
        directory.writeOnly("uevent");
        if (name == "ib_core") {
            Directory& parameters = directory.directory("parameters");
            const bool shared = scene_.machine.rdmaNetnsMode() == hardware::RdmaNetnsMode::shared;
            parameters.text("netns_mode", shared ? "Y" : "N");
            parameters.text("recv_queue_size", "512");
            parameters.text("send_queue_size", "128");
        } else if (name == "mlx5_core") {
            Directory& parameters = directory.directory("parameters");
            parameters.text("debug_mask", "0", 0644);
            parameters.text("prof_sel", "2");
        }
    }

    void systemDevices(Directory& sys) {
        const auto cpus = allCpus(scene_.machine);
        Directory& cpu = sys.path("devices/system/cpu");
        for (const char* name : {"online", "possible", "present"})
            cpu.text(name, hardware::cpuListText(cpus));
        Directory& node = sys.path("devices/system/node");
        std::vector<unsigned> ids;
        const auto add = [&](int id, const std::vector<unsigned>& own) {
            Directory& directory = node.directory(fmt::format("node{}", id));
            directory.text("cpulist", hardware::cpuListText(own));
            directory.text("cpumap", hardware::cpuMaskText(own));
            ids.push_back(static_cast<unsigned>(id));
        };
        for (const hardware::NumaSpec& numa : scene_.machine.numaNodes())
            add(numa.id, hardware::parseCpuList(numa.cpus).value_or(std::vector<unsigned>()));
        if (ids.empty())
            add(0, cpus);
        std::sort(ids.begin(), ids.end());
        for (const char* name : {"has_cpu", "has_memory", "online", "possible"})
            node.text(name, hardware::cpuListText(ids));
    }

    Scene scene_;
    std::map<std::string, std::string> netdevs_, pciBuses_; // name -> path
};

} // namespace

MachineProvider::MachineProvider(const hardware::Machine& machine, View view) : machine_(machine), view_(std::move(view)) {}

void MachineProvider::setView(View view) {
    view_ = std::move(view);
    ++viewGeneration_;
}

std::uint64_t MachineProvider::generation() const {
    return machine_.generation() + viewGeneration_;
}

std::unique_ptr<Directory> MachineProvider::root() const {
    auto root = std::make_unique<Directory>();
    const auto renderer = std::make_shared<Renderer>(machine_, view_);
    root->lazy("sys", [renderer](Directory& sys) { renderer->sys(sys); });
    Directory& nodes = root->path("dev/infiniband"); // there also without a node, as an emptied devtmpfs directory is
    for (const DeviceNode& node : deviceNodes(machine_))
        nodes.device(node.path.substr(node.path.rfind('/') + 1), node.major, node.minor, node.mode);
    return root;
}

} // namespace rdmalab::fakesysfs
