// Whatever is done to a machine, its parts agree with each other (spec sysfs-and-rdma-abi, consistency rules).
#include "sim/hardware/driver_traits.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace rdmalab::hardware {
namespace {

constexpr NetnsId pods[] = {77, 78};

MachineSpec host(RdmaNetnsMode mode, RdmaNaming naming) {
    MachineSpec spec;
    spec.name = "host";
    spec.rdmaNetns = mode;
    spec.rdmaNaming = naming;
    const auto add = [&](const char* model, const char* address, std::optional<LinkLayer> layer = std::nullopt) {
        NicSpec nic;
        nic.model = model;
        nic.pci = address;
        nic.linkLayer = layer;
        if (std::string(model) != "virtio-net")
            nic.totalVfs = 6;
        spec.nics.push_back(nic);
    };
    add("ConnectX-5", "0000:af:00.0");
    add("ConnectX-5", "0000:af:00.1");
    add("ConnectX-7", "0000:3b:00.0", LinkLayer::infiniband);
    add("E810", "0000:5e:00.0");
    add("virtio-net", "0000:00:03.0");
    PlainSpec gpu;
    gpu.model = "H100";
    gpu.pci = "0000:86:00.0";
    gpu.driver = "nvidia";
    spec.gpus.push_back(gpu);
    return spec;
}

// What somebody believes who only listens.
struct Listener {
    std::set<std::string> functions;
    std::map<std::string, std::string> netdevs, rdma; // by function

    explicit Listener(const Machine& machine) { *this = of(machine); }
    Listener() = default;
    static Listener of(const Machine& machine) {
        Listener now;
        for (const auto& nic : machine.nics()) {
            const std::string address = nic->pci.address.str();
            now.functions.insert(address);
            if (!nic->port.netdev.empty())
                now.netdevs[address] = nic->port.netdev;
            if (nic->rdma)
                now.rdma[address] = nic->rdma->name;
        }
        for (const auto& plain : machine.plainFunctions())
            now.functions.insert(plain->pci.address.str());
        return now;
    }
    void hear(const HardwareEvent& event) {
        const std::string address = event.nic ? event.nic->pci.address.str() : event.subject;
        switch (event.change) {
        case HardwareChange::functionAdded:
            EXPECT_TRUE(functions.insert(event.subject).second) << event.subject;
            break;
        case HardwareChange::functionRemoved:
            EXPECT_EQ(functions.erase(event.subject), 1U);
            EXPECT_FALSE(netdevs.count(address) || rdma.count(address)) << "gone before its devices";
            break;
        case HardwareChange::netdevAdded:
            EXPECT_TRUE(netdevs.emplace(address, event.subject).second);
            break;
        case HardwareChange::netdev:
            netdevs.at(address) = event.subject;
            break;
        case HardwareChange::netdevRemoved:
            EXPECT_EQ(netdevs.erase(address), 1U);
            break;
        case HardwareChange::rdmaAdded:
            EXPECT_TRUE(rdma.emplace(address, event.subject).second);
            break;
        case HardwareChange::rdmaDevice:
            rdma.at(address) = event.subject;
            break;
        case HardwareChange::rdmaRemoved:
            EXPECT_EQ(rdma.erase(address), 1U);
            break;
        default:
            break;
        }
    }
    friend bool operator==(const Listener&, const Listener&) = default;
};

std::string picture(const Machine& machine) {
    std::string text = fmt::format("{} ", static_cast<int>(machine.rdmaNetnsMode()));
    for (const auto& nic : machine.nics()) {
        const PciFunction& pci = nic->pci;
        const Port& port = nic->port;
        text += fmt::format("{} {} {} {} {} {} {}|{} {} {} {} {} {} {}|", pci.address.str(), pci.driver, pci.instance, pci.numVfs,
                            pci.vfLimit, pci.vfAutoprobe, pci.driverOverride.value_or("-"), port.netdev, port.mac, port.up,
                            port.cabled, port.mtu, port.netns, port.instance);
        if (nic->rdma)
            text += fmt::format("{} {} {}", nic->rdma->name, nic->rdma->index, nic->rdma->netns);
        for (unsigned vf = 0; vf < nic->vfSettings.size(); ++vf)
            text += fmt::format(" {} {}", nic->vfSettings[vf].mac, static_cast<int>(nic->vfSettings[vf].linkState));
        text += '\n';
    }
    for (const auto& plain : machine.plainFunctions())
        text += fmt::format("{} {} {}\n", plain->pci.address.str(), plain->pci.driver, plain->pci.instance);
    return text;
}

void checkVf(const Machine& machine, const Nic& vf) {
    const Nic* pf = machine.physfn(vf);
    ASSERT_TRUE(pf);
    EXPECT_FALSE(pf->pci.isVf());
    EXPECT_LT(vf.pci.vfNumber, pf->pci.numVfs);
    EXPECT_EQ(vf.pci.address.routingId(), pf->pci.address.routingId() + pf->pci.vfOffset + pf->pci.vfStride * vf.pci.vfNumber);
    EXPECT_EQ(vf.pci.device, pf->model->sriov->vfDevice);
    EXPECT_EQ(vf.pci.vendor, pf->pci.vendor);
    EXPECT_EQ(vf.pci.subsystemDevice, pf->pci.subsystemDevice);
    EXPECT_EQ(vf.pci.numaNode, pf->pci.numaNode);
    EXPECT_EQ(vf.pci.bridges, pf->pci.bridges);
    EXPECT_EQ(vf.pci.classCode, pf->pci.classCode);
    EXPECT_EQ(vf.pci.totalVfs, 0U);
    const VfSettings& settings = machine.vfSettings(*pf, vf.pci.vfNumber);
    if (settings.linkState == VfLinkState::automatic) {
        const bool closed =
            driverTraits(pf->pci.driver).portFollowsInterface && pf->port.linkLayer == LinkLayer::ethernet && !pf->port.up;
        EXPECT_EQ(vf.port.cabled, pf->port.cabled && !closed);
    } else {
        EXPECT_EQ(vf.port.cabled, settings.linkState == VfLinkState::enabled);
    }
}

void check(const Machine& machine) {
    std::set<std::uint64_t> instances;
    std::set<std::uint32_t> indexes;
    std::set<unsigned> groups;
    std::set<std::string> places;
    std::set<std::pair<NetnsId, std::string>> netdevs, rdma;
    std::set<std::pair<unsigned, unsigned>> numbers;
    const auto function = [&](const PciFunction& pci) {
        EXPECT_TRUE(places.insert(pci.address.str()).second);
        EXPECT_TRUE(instances.insert(pci.instance).second);
        ASSERT_TRUE(pci.iommuGroup);
        EXPECT_TRUE(groups.insert(*pci.iommuGroup).second);
        EXPECT_LE(pci.numVfs, pci.vfLimit);
        EXPECT_LE(pci.vfLimit, pci.totalVfs);
        EXPECT_TRUE(pci.driver.empty() || machine.findDriver(pci.driver));
        EXPECT_EQ(machine.findFunction(pci.address), &pci);
    };
    for (const Bridge& bridge : machine.bridges())
        EXPECT_TRUE(places.insert(bridge.address.str()).second);
    for (const auto& plain : machine.plainFunctions())
        function(plain->pci);
    EXPECT_TRUE(std::is_sorted(machine.nics().begin(), machine.nics().end(),
                               [](const auto& a, const auto& b) { return a->pci.address < b->pci.address; }));
    for (const auto& nic : machine.nics()) {
        SCOPED_TRACE(nic->pci.address.str());
        function(nic->pci);
        const std::string native = nic->pci.isVf() ? nic->model->sriov->driver : nic->model->driver;
        EXPECT_EQ(!nic->port.netdev.empty(), nic->pci.driver == native);
        EXPECT_EQ(nic->rdma.has_value(),
                  nic->model->rdma && nic->pci.driver == native && (!nic->pci.isVf() || native == nic->model->driver));
        if (!nic->port.netdev.empty()) {
            EXPECT_EQ(netdevNameProblem(nic->port.netdev), std::nullopt);
            EXPECT_TRUE(netdevs.insert({nic->port.netns, nic->port.netdev}).second);
            EXPECT_TRUE(instances.insert(nic->port.instance).second);
            EXPECT_EQ(nic->port.mac.size(), nic->port.linkLayer == LinkLayer::infiniband ? 59U : 17U);
        }
        if (nic->rdma) {
            const NetnsId seenFrom = machine.rdmaNetnsMode() == RdmaNetnsMode::shared ? 0 : nic->rdma->netns;
            EXPECT_TRUE(rdma.insert({seenFrom, nic->rdma->name}).second);
            EXPECT_TRUE(indexes.insert(nic->rdma->index).second);
            EXPECT_TRUE(instances.insert(nic->rdma->instance).second);
            for (const CharDevice& device : nic->rdma->charDevices)
                EXPECT_TRUE(numbers.insert({device.major, device.minor}).second) << device.name;
            const std::uint64_t guid = portGuidOf(nic->port.mac);
            const Gid* first = nic->rdma->gids.slots()[0];
            ASSERT_TRUE(first);
            if (nic->port.linkLayer == LinkLayer::infiniband) {
                EXPECT_EQ(gidText(first->bytes).substr(20), guidText(guid));
            }
        }
        if (nic->pci.isVf())
            checkVf(machine, *nic);
        else
            EXPECT_EQ(machine.vfs(*nic).size(), nic->pci.numVfs);
    }
    std::map<PciAddress, unsigned> count;
    for (const auto& nic : machine.nics())
        if (nic->pci.physfn)
            ++count[*nic->pci.physfn];
    for (const auto& nic : machine.nics())
        EXPECT_EQ(count[nic->pci.address], nic->pci.numVfs);
}

class Randomly : public ::testing::TestWithParam<std::tuple<RdmaNetnsMode, RdmaNaming>> {
protected:
    unsigned below(unsigned end) { return static_cast<unsigned>(dice() % end); }
    template <typename List>
    const auto& oneOf(const List& list) {
        return *(std::begin(list) + below(static_cast<unsigned>(std::size(list))));
    }
    NetnsId someNetns() { return below(2) ? machine.netns() : oneOf(pods); }
    const Nic& someNic() { return *oneOf(machine.nics()); }

    std::string step() {
        const PciAddress address = below(8) ? machine.nics().empty() ? boot[0] : someNic().pci.address : oneOf(boot);
        const auto say = [&](const std::string& what) { return what + " " + address.str(); };
        const std::string driver = oneOf(machine.drivers()).name;
        switch (below(machine.nics().empty() ? 8 : 24)) {
        case 0:
            machine.rescanBus();
            return "rescan";
        case 1:
            for (const PciAddress& one : boot)
                machine.replugCard(one);
            return "replug";
        case 2:
            machine.reloadDriver(driver);
            return "reload " + driver;
        case 3:
            machine.setDriversAutoprobe(below(4) != 0);
            return "autoprobe";
        case 4:
            machine.namespaceGone(oneOf(pods));
            return "namespace gone";
        case 5:
        case 6:
        case 7:
            machine.probeDriver(address);
            return say("probe");
        case 8:
            machine.removeFunction(address);
            return say("remove");
        case 9:
            if (below(2))
                machine.unplugCard(address);
            return say("unplug");
        case 10:
            machine.unbindDriver(someNic());
            return "unbind";
        case 11:
            machine.bindDriver(driver, address);
            return say("bind " + driver);
        case 12: {
            const char* wanted[] = {"vfio-pci", "mlx5_core", "", "nobody"};
            machine.setDriverOverride(address, oneOf(wanted));
            return say("override");
        }
        case 13:
            machine.setVfAutoprobe(address, below(3) != 0);
            return say("vf autoprobe");
        case 14: {
            VfSettings settings;
            settings.linkState = static_cast<VfLinkState>(below(3));
            if (below(2))
                settings.mac = fmt::format("02:00:00:00:00:{:02x}", below(256));
            settings.nodeGuid = settings.portGuid = below(3);
            machine.setVfSettings(address, below(7), settings);
            return say("settings");
        }
        case 15:
            machine.setLink(someNic(), below(2));
            return "link";
        case 16: {
            const Nic& nic = someNic(); // VFs have no cable
            const Nic* pf = machine.physfn(nic);
            below(2) ? machine.plugCable(pf ? *pf : nic) : machine.unplugCable(pf ? *pf : nic);
            return "cable";
        }
        case 17:
            if (const Nic& nic = someNic(); !nic.port.netdev.empty())
                machine.moveNetdev(nic, someNetns());
            return "move netdev";
        case 18:
            machine.moveRdma(someNic(), someNetns());
            return "move rdma";
        case 19:
            if (const Nic& nic = someNic(); !nic.port.netdev.empty())
                machine.renameNetdev(nic, fmt::format("net{}", below(4)));
            return "rename netdev";
        case 20:
            machine.renameRdma(someNic(), fmt::format("mlx5_{}", below(8)));
            return "rename rdma";
        case 21:
            machine.setFirmwareVfLimit(address, below(8));
            return say("firmware");
        default:
            machine.setNumVfs(address, below(8));
            return say("numvfs");
        }
    }

    std::mt19937 dice{20240611};
    Machine machine{host(std::get<0>(GetParam()), std::get<1>(GetParam()))};
    std::vector<PciAddress> boot = [this] {
        std::vector<PciAddress> list;
        for (const auto& nic : machine.nics())
            list.push_back(nic->pci.address);
        for (const auto& plain : machine.plainFunctions())
            list.push_back(plain->pci.address);
        return list;
    }();
};

TEST_P(Randomly, AThousandChangesKeepItConsistent) {
    Listener listener(machine);
    const auto subscription = machine.observe([&](const HardwareEvent& event) { listener.hear(event); });
    std::string before = picture(machine);
    int refused = 0;
    std::size_t most = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t generation = machine.generation();
        std::string what;
        bool failed = false;
        try {
            what = step();
        } catch (const SystemError& error) {
            what = error.what();
            failed = true;
            ++refused;
        } catch (const HardwareError& error) { // no RDMA device there
            what = error.what();
            failed = true;
            ++refused;
        }
        SCOPED_TRACE(fmt::format("{}: {}", i, what));
        check(machine);
        EXPECT_EQ(Listener::of(machine), listener);
        const std::string after = picture(machine);
        EXPECT_TRUE(!failed || after == before) << "refused, and yet something changed";
        EXPECT_TRUE(after == before || machine.generation() > generation);
        before = after;
        most = std::max(most, machine.nics().size());
        if (HasFailure())
            break;
    }
    EXPECT_LT(refused, 700);
    EXPECT_GT(most, 12U);
}

INSTANTIATE_TEST_SUITE_P(Modes, Randomly,
                         ::testing::Combine(::testing::Values(RdmaNetnsMode::shared, RdmaNetnsMode::exclusive),
                                            ::testing::Values(RdmaNaming::kernel, RdmaNaming::udev)));

} // namespace
} // namespace rdmalab::hardware
