// What writing to the tree does to the machine, and what it refuses.
#include "fakesysfs/tree.h"
#include "fakesysfs/tree_files.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <utility>

namespace rdmalab::fakesysfs {
namespace {

using plugin::FileKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

hardware::MachineSpec railHost() {
    hardware::MachineSpec spec;
    spec.name = "gpu-0";
    spec.numa = {{0, "0-19"}, {1, "20-39"}};
    for (const char* address : {"0000:af:00.0", "0000:af:00.1"}) {
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = address;
        nic.numa = 1;
        spec.nics.push_back(nic);
    }
    spec.nics[0].totalVfs = spec.nics[1].totalVfs = 8;
    hardware::NicSpec ib;
    ib.model = "ConnectX-7";
    ib.pci = "0000:3b:00.0";
    ib.linkLayer = hardware::LinkLayer::infiniband;
    ib.totalVfs = 4;
    ib.pcieSwitch = "rail0";
    spec.nics.push_back(ib);
    hardware::PlainSpec gpu;
    gpu.model = "H100";
    gpu.pci = "0000:3c:00.0";
    gpu.pcieSwitch = "rail0";
    spec.gpus = {gpu};
    return spec;
}

const std::string pci = "/sys/bus/pci/devices/", bus = "/sys/bus/pci/", pf = pci + "0000:af:00.0/";

struct Host {
    Host() : machine(railHost()), tree(machine, {}), files(tree) {}
    std::vector<std::string> names(const std::string& path) {
        std::vector<std::string> result;
        for (const auto& entry : files.list(path))
            result.push_back(entry.name);
        return result;
    }
    int code(const std::string& path, const std::string& content) {
        try {
            files.writeInPlace(path, content);
            return 0;
        } catch (const SystemError& error) {
            return error.code();
        }
    }
    bool exists(const std::string& path) { return files.linkStatus(path).kind != FileKind::missing; }

    hardware::Machine machine;
    Tree tree;
    TreeFiles files;
};

unsigned word(const std::string& config, std::size_t at) {
    return static_cast<unsigned char>(config[at]) | static_cast<unsigned>(static_cast<unsigned char>(config[at + 1])) << 8;
}

TEST(Writes, NumvfsMakesFunctionsAtOnce) {
    Host host;
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "4\n"), 0);
    EXPECT_EQ(host.files.read(pf + "sriov_numvfs"), "4\n");
    EXPECT_EQ(host.files.readLink(pf + "virtfn0"), "../0000:af:00.2");
    EXPECT_EQ(host.files.readLink(pf + "virtfn3"), "../0000:af:00.5");
    EXPECT_FALSE(host.exists(pf + "virtfn4"));
    const std::string vf = pf + "virtfn1/";
    EXPECT_EQ(host.files.readLink(vf + "physfn"), "../0000:af:00.0");
    EXPECT_EQ(host.files.read(vf + "device"), "0x1018\n");
    EXPECT_EQ(host.files.read(vf + "irq"), "0\n");
    EXPECT_EQ(host.files.read(vf + "numa_node"), "1\n");
    EXPECT_EQ(host.files.readLink(vf + "driver"), "../../../../bus/pci/drivers/mlx5_core");
    EXPECT_EQ(host.names(vf + "net").size(), 1U);
    EXPECT_EQ(host.names(vf + "infiniband").size(), 1U);
    EXPECT_THAT(host.names("/sys/class/infiniband"), Contains(host.names(vf + "infiniband")[0]));
    EXPECT_THAT(host.names(bus + "drivers/mlx5_core"), Contains("0000:af:00.3"));
    for (const char* name : {"remove", "rescan", "rom", "vpd", "sriov_numvfs", "sriov_totalvfs"})
        EXPECT_FALSE(host.exists(vf + name)) << name;
    EXPECT_EQ(host.files.read(vf + "config").substr(0, 4), "\xff\xff\xff\xff");
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "2\n"), EBUSY);
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "0\n"), 0);
    EXPECT_FALSE(host.exists(pf + "virtfn0"));
    EXPECT_FALSE(host.exists(pci + "0000:af:00.2"));
}

TEST(Writes, TheCapabilityFollowsNumvfs) {
    Host host;
    const auto config = [&] { return host.files.read(pf + "config"); };
    EXPECT_EQ(word(config(), 0x180 + 0x08) & 0x9, 0U);
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "3"), 0);
    EXPECT_EQ(word(config(), 0x180 + 0x08) & 0x9, 0x9U); // VF enable, VF memory
    EXPECT_EQ(word(config(), 0x180 + 0x10), 3U);
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "0"), 0);
    EXPECT_EQ(word(config(), 0x180 + 0x08) & 0x9, 0U);
    EXPECT_EQ(word(config(), 0x180 + 0x10), 0U);
}

// The windows of the VFs are the slices of the PF's, side by side.
TEST(Writes, VfsShareTheWindowOfTheirPhysicalFunction) {
    Host host;
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "8"), 0);
    const auto window = [&](const std::string& path, int line) {
        const std::string text = host.files.read(path);
        return text.substr(static_cast<std::size_t>(line) * 57, 37);
    };
    const std::uint64_t start = std::stoull(window(pf + "resource", 7).substr(0, 18), nullptr, 16);
    const std::uint64_t end = std::stoull(window(pf + "resource", 7).substr(19), nullptr, 16);
    const std::uint64_t slice = (end - start + 1) / 8;
    for (unsigned vf = 0; vf < 8; ++vf) {
        const std::string own = window(pf + "virtfn" + std::to_string(vf) + "/resource", 0);
        EXPECT_EQ(std::stoull(own.substr(0, 18), nullptr, 16), start + vf * slice);
        EXPECT_EQ(std::stoull(own.substr(19), nullptr, 16), start + (vf + 1) * slice - 1);
    }
}

TEST(Writes, ADeviceMadeAnewIsAnotherOne) {
    Host host;
    const auto identity = [&](const std::string& path, bool follow = true) {
        return host.tree.find(path, follow).node->identity;
    };
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "1"), 0);
    const std::string vf = pci + "0000:af:00.2";
    const std::uint64_t function = identity(vf), link = identity(vf, false);
    const std::string net = vf + "/net/" + host.names(vf + "/net")[0],
                      rdma = vf + "/infiniband/" + host.names(vf + "/infiniband")[0];
    const std::uint64_t netIdentity = identity(net), rdmaIdentity = identity(rdma);
    EXPECT_EQ(std::set<std::uint64_t>({0, function, netIdentity, rdmaIdentity}).size(), 4U);
    EXPECT_EQ(function, link);
    const auto stale = host.tree.find(vf + "/driver_override").node->behaviour;
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "0"), 0);
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "1"), 0);
    EXPECT_NE(identity(vf), function);
    EXPECT_NE(identity(net), netIdentity);
    EXPECT_NE(identity(rdma), rdmaIdentity);
    try {
        stale->write("vfio-pci\n");
        ADD_FAILURE() << "the old VF's file still works";
    } catch (const SystemError& error) {
        EXPECT_EQ(error.code(), ENODEV);
    }
    EXPECT_EQ(host.files.read(vf + "/driver_override"), "(null)\n");
}

TEST(Writes, TheVfioWay) {
    Host host;
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "2"), 0);
    const std::string vf = pci + "0000:af:00.2/";
    EXPECT_THAT(host.names(bus + "drivers"), Contains("vfio-pci"));
    EXPECT_FALSE(host.exists("/dev/vfio"));
    EXPECT_EQ(host.code(vf + "driver_override", "vfio-pci\n"), 0);
    EXPECT_EQ(host.files.read(vf + "driver_override"), "vfio-pci\n");
    EXPECT_EQ(host.code(bus + "drivers/mlx5_core/unbind", "0000:af:00.2"), 0);
    EXPECT_FALSE(host.exists(vf + "driver"));
    EXPECT_EQ(host.code(bus + "drivers_probe", "0000:af:00.2\n"), 0);
    EXPECT_EQ(host.files.readLink(vf + "driver"), "../../../../bus/pci/drivers/vfio-pci");
    for (const char* name : {"net", "infiniband", "infiniband_verbs"})
        EXPECT_FALSE(host.exists(vf + name)) << name;
    const std::string link = host.files.readLink(vf + "iommu_group"), group = link.substr(link.rfind('/') + 1);
    EXPECT_THAT(host.names("/sys/kernel/iommu_groups/" + group + "/devices"), ElementsAre("0000:af:00.2"));
    EXPECT_THAT(host.names("/dev/vfio"), ElementsAre(group, "vfio"));
    EXPECT_EQ(host.files.status("/dev/vfio/" + group).kind, FileKind::characterDevice);
    EXPECT_EQ(host.files.read("/sys/class/vfio/" + group + "/dev"),
              std::to_string(host.files.status("/dev/vfio/" + group).deviceMajor) + ":" +
                  std::to_string(host.files.status("/dev/vfio/" + group).deviceMinor) + "\n");
    // As the SR-IOV operator clears it.
    EXPECT_EQ(host.code(vf + "driver_override", std::string(1, '\0')), 0);
    EXPECT_EQ(host.files.read(vf + "driver_override"), "(null)\n");
    EXPECT_EQ(host.code(bus + "drivers/vfio-pci/unbind", "0000:af:00.2"), 0);
    EXPECT_EQ(host.code(bus + "drivers/mlx5_core/bind", "0000:af:00.2"), 0);
    EXPECT_EQ(host.names(vf + "net").size(), 1U);
    EXPECT_FALSE(host.exists("/dev/vfio"));
}

TEST(Writes, RemoveAndRescan) {
    Host host;
    EXPECT_EQ(host.code(pf + "sriov_numvfs", "2"), 0);
    EXPECT_EQ(host.code(pf + "remove", "0\n"), 0);
    EXPECT_TRUE(host.exists(pf));
    EXPECT_EQ(host.code(pf + "remove", "x\n"), EINVAL);
    EXPECT_EQ(host.code(pf + "remove", "1\n"), 0);
    EXPECT_FALSE(host.exists(pf));
    EXPECT_FALSE(host.exists(pci + "0000:af:00.2"));
    EXPECT_TRUE(host.exists(pci + "0000:af:00.1"));
    EXPECT_EQ(host.code(bus + "rescan", "0"), 0);
    EXPECT_FALSE(host.exists(pf));
    EXPECT_EQ(host.code(bus + "rescan", "1"), 0);
    EXPECT_TRUE(host.exists(pf));
    EXPECT_EQ(host.files.read(pf + "sriov_numvfs"), "0\n");
}

TEST(Writes, AttributesThatAreKept) {
    Host host;
    EXPECT_EQ(host.code(pf + "numa_node", "0\n"), 0);
    EXPECT_EQ(host.files.read(pf + "local_cpulist"), "0-19\n");
    EXPECT_EQ(host.code(pf + "numa_node", "7\n"), EINVAL);
    EXPECT_EQ(host.code(pf + "numa_node", "99999999999\n"), ERANGE);
    EXPECT_EQ(host.code(pf + "numa_node", "-1\n"), 0);
    EXPECT_EQ(host.files.read(pf + "local_cpulist"), "0-39\n");
    EXPECT_EQ(host.code(pf + "msi_bus", "x"), EINVAL);
    EXPECT_EQ(host.code(pf + "d3cold_allowed", "0"), 0);
    EXPECT_EQ(host.files.read(pf + "d3cold_allowed"), "0\n");
    EXPECT_EQ(host.code(pf + "power/control", "auto\n"), 0);
    EXPECT_EQ(host.files.read(pf + "power/control"), "auto\n");
    EXPECT_EQ(host.code(pf + "power/control", "off\n"), EINVAL);
    EXPECT_EQ(host.code(pf + "power/autosuspend_delay_ms", "1"), EIO);
    EXPECT_EQ(host.code(pf + "enable", "0\n"), EBUSY); // a driver has it
    EXPECT_EQ(host.code(pf + "reset_method", "bus\n"), 0);
    EXPECT_EQ(host.files.read(pf + "reset_method"), "bus\n");
    EXPECT_EQ(host.code(pf + "reset_method", "default"), 0);
    EXPECT_EQ(host.files.read(pf + "reset_method"), "flr bus\n");
    EXPECT_EQ(host.code(pf + "reset_method", "\n"), 0);
    EXPECT_EQ(host.code(pf + "reset", "1\n"), ENOTTY);
    EXPECT_EQ(host.code(pf + "driver_override", std::string(4095, 'x')), EINVAL);
    EXPECT_EQ(host.code(pf + "uevent", "add\n"), 0);
    EXPECT_EQ(host.code(pf + "uevent", "add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=1\n"), 0);
    EXPECT_EQ(host.code(pf + "uevent", "added\n"), EINVAL);
    EXPECT_EQ(host.code(bus + "resource_alignment", "20@0000:af:00.0\n"), 0);
    EXPECT_EQ(host.files.read(bus + "resource_alignment"), "20@0000:af:00.0\n");
    EXPECT_EQ(host.code(bus + "drivers_autoprobe", "0"), 0);
    EXPECT_EQ(host.files.read(bus + "drivers_autoprobe"), "0\n");
    EXPECT_EQ(host.code(bus + "drivers_autoprobe", "any"), 0);
    EXPECT_EQ(host.files.read(bus + "drivers_autoprobe"), "1\n");
    // Forgotten with the function.
    EXPECT_EQ(host.code(pf + "remove", "1"), 0);
    EXPECT_EQ(host.code(bus + "rescan", "1"), 0);
    EXPECT_EQ(host.files.read(pf + "d3cold_allowed"), "1\n");
}

TEST(Writes, TheRdmaDevicesOwn) {
    Host host;
    const std::string device = "/sys/class/infiniband/mlx5_0/", lifespan = device + "ports/1/hw_counters/lifespan";
    EXPECT_EQ(host.code(device + "node_desc", std::string(100, 'n')), 0);
    EXPECT_EQ(host.files.read(device + "node_desc"), std::string(64, 'n') + "\n");
    EXPECT_EQ(host.code(lifespan, "50\n"), 0);
    EXPECT_EQ(host.files.read(lifespan), "52\n"); // whole ticks of 4 ms
    for (const char* wrong : {"-1", "10001", "0x10", "x", "\n"})
        EXPECT_EQ(host.code(lifespan, wrong), EINVAL) << wrong;
}

TEST(Writes, NvidiasOwnFilesSetTheVf) {
    Host host;
    EXPECT_THAT(host.names(pf + "sriov"), IsEmpty());
    EXPECT_EQ(host.code(pf + "mlx5_num_vfs", "9"), EINVAL);
    EXPECT_EQ(host.code(pf + "mlx5_num_vfs", "2"), 0);
    EXPECT_THAT(host.names(pf + "sriov"), ElementsAre("0", "1"));
    const std::string vf = pf + "sriov/1/";
    EXPECT_THAT(host.names(vf), ElementsAre("config", "link_state", "mac", "max_tx_rate", "min_tx_rate", "node", "spoofcheck",
                                            "stats", "trust", "vlan"));
    EXPECT_EQ(host.code(vf + "mac", "02:aa:bb:cc:dd:ee\n"), 0);
    EXPECT_EQ(host.code(vf + "vlan", "100:3:802.1ad\n"), 0);
    EXPECT_EQ(host.code(vf + "trust", "ON\n"), 0);
    EXPECT_EQ(host.code(vf + "spoofcheck", "ON"), 0);
    EXPECT_EQ(host.code(vf + "link_state", "Down\n"), 0);
    EXPECT_EQ(host.code(vf + "max_tx_rate", "1000"), 0);
    const auto& settings = host.machine.findByPci(*hardware::PciAddress::parse("0000:af:00.0"))->vfSettings[1];
    EXPECT_EQ(settings.mac, "02:aa:bb:cc:dd:ee");
    EXPECT_EQ(settings.vlan, 100U);
    EXPECT_EQ(settings.qos, 3U);
    EXPECT_EQ(settings.vlanProtocol, 0x88a8);
    EXPECT_TRUE(settings.trust);
    EXPECT_TRUE(settings.spoofCheck);
    EXPECT_EQ(settings.linkState, hardware::VfLinkState::disabled);
    EXPECT_EQ(settings.maxTxRate, 1000U);
    EXPECT_THAT(host.files.read(vf + "config"), HasSubstr("VLAN Proto : 802.1ad\nSpoofCheck : ON\nTrust      : ON\n"));
    for (const auto& [file, wrong] : std::vector<std::pair<std::string, std::string>>{{"mac", "01:00:00:00:00:01"},
                                                                                      {"mac", "zz"},
                                                                                      {"vlan", "4096:0"},
                                                                                      {"vlan", "5"},
                                                                                      {"trust", "on"},
                                                                                      {"link_state", "auto"}})
        EXPECT_EQ(host.code(vf + file, wrong), EINVAL) << file << " " << wrong;
    EXPECT_EQ(host.code(vf + "config", "x"), 524);
    const std::string ib = pci + "0000:3b:00.0/";
    EXPECT_EQ(host.code(ib + "sriov_numvfs", "1"), 0);
    EXPECT_THAT(host.names(ib + "sriov/0"), ElementsAre("node", "policy", "port"));
    EXPECT_EQ(host.code(ib + "sriov/0/policy", "Follow\n"), 0);
    EXPECT_EQ(host.code(ib + "sriov/0/node", "11:22:33:44:77:66:77:90"), 0);
    EXPECT_EQ(host.files.read(ib + "sriov/0/node"), "11:22:33:44:77:66:77:90\n");
    EXPECT_EQ(host.files.read(ib + "sriov/0/policy"), "Follow\n");
    EXPECT_EQ(host.code(ib + "sriov/0/port", "11:22"), EINVAL);
}

TEST(Writes, ThePortsInterface) {
    Host host;
    const std::string net = pf + "net/" + host.names(pf + "net")[0] + "/";
    EXPECT_EQ(host.code(net + "mtu", "9000"), 0);
    EXPECT_EQ(host.machine.nics()[1]->port.mtu, 9000);
    EXPECT_EQ(host.files.read(net + "mtu"), "9000\n");
    EXPECT_EQ(host.code(net + "mtu", "40"), EINVAL);
    EXPECT_EQ(host.code(net + "flags", "0x1002"), 0);
    EXPECT_EQ(host.files.read(net + "operstate"), "down\n");
    EXPECT_EQ(host.code(net + "carrier", "1"), EOPNOTSUPP);
    EXPECT_EQ(host.code(net + "ifalias", "uplink\n"), 0);
    EXPECT_EQ(host.files.read(net + "ifalias"), "uplink\n");
    EXPECT_EQ(host.code(net + "queues/rx-0/rps_cpus", "zz"), EINVAL);
    EXPECT_EQ(host.code("/sys/class/net/lo/mtu", "1500"), EROFS);
}

TEST(Writes, BridgesAndGpusAreWhereTheyAre) {
    Host host;
    const std::string nic = host.files.readLink(pci + "0000:3b:00.0"), gpu = host.files.readLink(pci + "0000:3c:00.0");
    // Below the same switch: root port, upstream port; then a downstream port each.
    const auto above = [](const std::string& link, int levels) {
        std::string path = link;
        for (int i = 0; i < levels; ++i)
            path.erase(path.rfind('/'));
        return path;
    };
    EXPECT_EQ(above(nic, 2), above(gpu, 2));
    EXPECT_NE(above(nic, 1), above(gpu, 1));
    EXPECT_EQ(host.files.read(pci + "0000:3c:00.0/class"), "0x030200\n");
    for (const hardware::Bridge& bridge : host.machine.bridges()) {
        const std::string path = pci + bridge.address.str() + "/";
        EXPECT_EQ(host.files.read(path + "class"), "0x060400\n");
        const std::string config = host.files.read(path + "config");
        EXPECT_EQ(static_cast<unsigned char>(config[0x19]), bridge.secondaryBus);
        EXPECT_EQ(static_cast<unsigned char>(config[0x1a]), bridge.subordinateBus);
        EXPECT_EQ(host.files.read(path + "secondary_bus_number"), std::to_string(bridge.secondaryBus) + "\n");
        EXPECT_THAT(host.names(bus + "drivers/" + bridge.driver), Contains(bridge.address.str()));
    }
}

// Windows of different functions never overlap.
TEST(Writes, WindowsStayApart) {
    Host host;
    host.files.writeInPlace(pf + "sriov_numvfs", "8");
    std::vector<std::pair<std::uint64_t, std::uint64_t>> windows;
    for (const std::string& name : host.names(pci)) {
        if (host.files.read(pci + name + "/class") == "0x060400\n" || host.exists(pci + name + "/physfn"))
            continue;
        const std::string text = host.files.read(pci + name + "/resource");
        for (std::size_t at = 0; at < text.size(); at += 57)
            if (const std::uint64_t start = std::stoull(text.substr(at, 18), nullptr, 16))
                windows.emplace_back(start, std::stoull(text.substr(at + 19, 18), nullptr, 16));
    }
    std::vector<std::pair<std::uint64_t, std::uint64_t>> forwarded; // by the ports of the switch
    for (const hardware::Bridge& bridge : host.machine.bridges()) {
        if (bridge.kind != hardware::Bridge::Kind::downstreamPort)
            continue;
        const std::string text = host.files.read(pci + bridge.address.str() + "/resource").substr(15 * 57);
        forwarded.emplace_back(std::stoull(text.substr(0, 18), nullptr, 16), std::stoull(text.substr(19, 18), nullptr, 16));
    }
    ASSERT_EQ(forwarded.size(), 2U);
    EXPECT_TRUE(forwarded[0].second < forwarded[1].first || forwarded[1].second < forwarded[0].first);
    std::sort(windows.begin(), windows.end());
    ASSERT_GT(windows.size(), 4U);
    for (std::size_t i = 1; i < windows.size(); ++i)
        EXPECT_GT(windows[i].first, windows[i - 1].second);
}

void eachFile(const Directory& directory, const std::string& at,
              const std::function<void(const std::string&, const Node&)>& visit) {
    for (const auto& [name, node] : directory.entries())
        if (node.kind == NodeKind::directory)
            eachFile(*node.directory, at + "/" + name, visit);
        else
            visit(at + "/" + name, node);
}

std::vector<std::string> writableFiles(const Tree& tree) {
    std::vector<std::string> paths;
    eachFile(*tree.find("/sys").node->directory, "/sys", [&](const std::string& path, const Node& node) {
        if (node.kind != NodeKind::symlink && (node.mode & 0222))
            paths.push_back(path);
    });
    return paths;
}

TEST(Writes, EveryWritableFileHasAnAnswer) {
    Host host;
    host.files.writeInPlace(pf + "sriov_numvfs", "2");
    std::size_t count = 0;
    eachFile(*host.tree.find("/sys").node->directory, "/sys", [&](const std::string& path, const Node& node) {
        if (node.kind == NodeKind::symlink)
            return;
        const bool answers = node.behaviour && node.behaviour->write;
        EXPECT_EQ(answers, (node.mode & 0222) != 0) << path;
        count += answers;
    });
    EXPECT_GT(count, 200U);
    const Tree readOnly(std::as_const(host.machine), View());
    eachFile(*readOnly.find("/sys").node->directory, "/sys",
             [&](const std::string& path, const Node& node) { EXPECT_FALSE(node.behaviour && node.behaviour->write) << path; });
}

TEST(Writes, GarbageIsRefusedOrIgnored) {
    Host host;
    host.files.writeInPlace(pf + "sriov_numvfs", "2");
    const std::vector<std::string> garbage = {
        "",   "\n",  "garbage", "-1", "99999999999999999999999", std::string(1, '\0'), "\xff\xfe:::", std::string(100000, 'x'),
        "0x", "%s%n"};
    for (const std::string& path : writableFiles(host.tree))
        for (const std::string& text : garbage) {
            const Node* node = host.tree.find(path).node;
            ASSERT_TRUE(node) << path;
            const auto behaviour = node->behaviour;
            try {
                EXPECT_LE(behaviour->write(text), text.size()) << path;
            } catch (const SystemError& error) {
                EXPECT_GT(error.code(), 0) << path;
                EXPECT_FALSE(text.empty()) << path << ": an empty write does nothing";
            }
        }
    EXPECT_EQ(host.files.read(pf + "sriov_numvfs"), "2\n");
}

TEST(Tree, ForgetsWhatItHasRendered) {
    Host host;
    host.tree.root();
    const std::size_t few = host.tree.renderedNodes();
    writableFiles(host.tree);
    const std::size_t all = host.tree.renderedNodes();
    EXPECT_GT(all, few + 1000);
    host.tree.forget();
    EXPECT_EQ(host.tree.renderedNodes(), 0U);
    EXPECT_TRUE(host.exists(pf));
    EXPECT_LT(host.tree.renderedNodes(), all / 10);
    // A GID table is as long as the card's; looking at the port does not render it.
    host.names("/sys/class/infiniband/mlx5_0/ports/1");
    EXPECT_LT(host.tree.renderedNodes(), all / 10);
}

} // namespace
} // namespace rdmalab::fakesysfs
