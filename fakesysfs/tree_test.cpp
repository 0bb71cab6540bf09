#include "fakesysfs/tree.h"

#include "fakesysfs/tree_files.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <utility>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Machine;
using hardware::MachineSpec;
using plugin::FileKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

hardware::NicSpec nic(const std::string& model, const std::string& pci) {
    hardware::NicSpec spec;
    spec.model = model;
    spec.pci = pci;
    return spec;
}

MachineSpec dualPort() {
    MachineSpec spec;
    spec.name = "10-20-1-10";
    spec.numa = {{0, "0-19"}, {1, "20-39"}};
    spec.nics = {nic("ConnectX-5", "0000:af:00.0"), nic("ConnectX-5", "0000:af:00.1")};
    spec.nics[0].netdev = "ens6f0np0";
    spec.nics[1].netdev = "ens6f1np1";
    spec.nics[0].numa = spec.nics[1].numa = 1;
    spec.nics[0].mac = "02:00:00:00:00:01";
    spec.nics[0].addresses = {*Cidr::parse("10.1.0.1/24")};
    return spec;
}

// A machine with its tree, as a plugin on the node sees it.
struct Host {
    explicit Host(const MachineSpec& spec = dualPort(), View view = {})
        : machine(spec), tree(machine, std::move(view)), files(tree) {}
    std::vector<std::string> names(const std::string& path) {
        std::vector<std::string> result;
        for (const auto& entry : files.list(path))
            result.push_back(entry.name);
        return result;
    }
    int readErrno(const std::string& path) {
        try {
            files.read(path);
            return 0;
        } catch (const SystemError& error) {
            return error.code();
        }
    }
    const hardware::Nic& first() const { return *machine.nics()[0]; }
    const hardware::Nic& second() const { return *machine.nics()[1]; }

    Machine machine;
    Tree tree;
    TreeFiles files;
};

const std::string pf = "/sys/bus/pci/devices/0000:af:00.0/";

TEST(Tree, ShowsTheFunctionsIdentity) {
    Host host;
    EXPECT_EQ(host.files.readLink("/sys/bus/pci/devices/0000:af:00.0"), "../../../devices/pci0000:ae/0000:ae:00.0/0000:af:00.0");
    EXPECT_EQ(host.files.read(pf + "vendor"), "0x15b3\n");
    EXPECT_EQ(host.files.read(pf + "device"), "0x1017\n");
    EXPECT_EQ(host.files.read(pf + "class"), "0x020000\n");
    EXPECT_EQ(host.files.read(pf + "modalias"), "pci:v000015B3d00001017sv000015B3sd00000008bc02sc00i00\n");
    EXPECT_EQ(host.files.read(pf + "modalias").size(), 54U);
    EXPECT_EQ(host.files.read(pf + "uevent"), "DRIVER=mlx5_core\nPCI_CLASS=20000\nPCI_ID=15B3:1017\nPCI_SUBSYS_ID=15B3:0008\n"
                                              "PCI_SLOT_NAME=0000:af:00.0\n"
                                              "MODALIAS=pci:v000015B3d00001017sv000015B3sd00000008bc02sc00i00\n");
    EXPECT_EQ(host.files.read(pf + "numa_node"), "1\n");
    EXPECT_EQ(host.files.read(pf + "local_cpulist"), "20-39\n");
    EXPECT_EQ(host.files.read(pf + "sriov_totalvfs"), "127\n");
    EXPECT_EQ(host.files.read(pf + "sriov_numvfs"), "0\n");
    EXPECT_EQ(host.files.read(pf + "sriov_vf_device"), "1018\n");
    EXPECT_EQ(host.files.read(pf + "driver_override"), "(null)\n");
    EXPECT_EQ(host.files.readLink(pf + "driver"), "../../../../bus/pci/drivers/mlx5_core");
    EXPECT_EQ(host.files.readLink("/sys/bus/pci/drivers/mlx5_core/0000:af:00.1"),
              "../../../../devices/pci0000:ae/0000:ae:00.0/0000:af:00.1");
    EXPECT_EQ(host.files.readLink("/sys/bus/pci/drivers/mlx5_core/module"), "../../../../module/mlx5_core");
}

TEST(Tree, ConfigurationSpaceAgreesWithTheFiles) {
    Host host;
    const std::string config = host.files.read(pf + "config");
    ASSERT_EQ(config.size(), 4096U);
    const auto word = [&](std::size_t at) {
        return static_cast<unsigned char>(config[at]) | static_cast<unsigned char>(config[at + 1]) << 8;
    };
    EXPECT_EQ(word(0x00), 0x15b3);
    EXPECT_EQ(word(0x02), 0x1017);
    EXPECT_EQ(word(0x0a), 0x0200);
    EXPECT_EQ(word(0x2e), 0x0008);
    EXPECT_EQ(word(0x180), 0x0010);        // SR-IOV
    EXPECT_EQ(word(0x180 + 0x0e), 127);    // TotalVFs
    EXPECT_EQ(word(0x180 + 0x10), 0);      // NumVFs
    EXPECT_EQ(word(0x180 + 0x1a), 0x1018); // VF device
    EXPECT_EQ(word(0x180 + 0x14), std::stoi(host.files.read(pf + "sriov_offset")));
    const std::string resource = host.files.read(pf + "resource");
    EXPECT_EQ(std::count(resource.begin(), resource.end(), '\n'), 13);
    EXPECT_THAT(resource, HasSubstr("0x000000000014220c"));
}

// rdmamap takes directories below the function and links in the class only; any other kind is dropped silently.
TEST(Tree, DirectoriesAndLinksAreWhatPluginsInsistOn) {
    Host host;
    for (const char* path : {"infiniband/mlx5_0", "net/ens6f0np0", "infiniband_verbs/uverbs0", "infiniband_mad/umad0"})
        EXPECT_EQ(host.files.linkStatus(pf + path).kind, FileKind::directory) << path;
    for (const char* path : {"infiniband/mlx5_0", "net/ens6f0np0", "infiniband_verbs/uverbs0", "infiniband_mad/issm1"})
        EXPECT_EQ(host.files.linkStatus(std::string("/sys/class/") + path).kind, FileKind::symlink) << path;
    EXPECT_EQ(host.files.readLink("/sys/class/net/ens6f1np1"),
              "../../devices/pci0000:ae/0000:ae:00.0/0000:af:00.1/net/ens6f1np1");
    EXPECT_EQ(host.files.readLink(pf + "net/ens6f0np0/device"), "../../../0000:af:00.0");
    EXPECT_EQ(host.files.readLink(pf + "infiniband/mlx5_0/device"), "../../../0000:af:00.0");
    EXPECT_EQ(host.files.readLink("/sys/class/misc/rdma_cm"), "../../devices/virtual/misc/rdma_cm");
    EXPECT_EQ(host.files.read("/sys/class/infiniband_verbs/uverbs1/ibdev"), "mlx5_1\n");
    EXPECT_EQ(host.files.read("/sys/class/infiniband_verbs/uverbs1/dev"), "231:193\n");
    EXPECT_EQ(host.files.read("/sys/class/infiniband_verbs/uverbs1/abi_version"), "1\n");
    EXPECT_EQ(host.files.read("/sys/class/infiniband_mad/issm1/ibdev"), "mlx5_1\n");
    EXPECT_EQ(host.files.read("/sys/dev/char/231:65/ibdev"), "mlx5_1\n");
}

TEST(Tree, ShowsTheRdmaPort) {
    Host host;
    const std::string device = "/sys/class/infiniband/mlx5_0/", port = device + "ports/1/";
    EXPECT_EQ(host.files.read(device + "node_type"), "1: CA\n");
    EXPECT_EQ(host.files.read(device + "node_guid"), "0200:00ff:fe00:0001\n");
    EXPECT_EQ(host.files.read("/sys/class/infiniband/mlx5_1/sys_image_guid"), "0200:00ff:fe00:0001\n");
    EXPECT_EQ(host.files.read(device + "fw_ver"), "16.35.2000\n");
    EXPECT_EQ(host.files.read(device + "hca_type"), "MT4119\n");
    EXPECT_EQ(host.files.read(device + "board_id"), "MT_0000000012\n");
    EXPECT_EQ(host.files.read(port + "state"), "4: ACTIVE\n");
    EXPECT_EQ(host.files.read(port + "phys_state"), "5: LinkUp\n");
    EXPECT_EQ(host.files.read(port + "rate"), "100 Gb/sec (4X EDR)\n");
    EXPECT_EQ(host.files.read(port + "link_layer"), "Ethernet\n");
    EXPECT_EQ(host.names(port + "gids").size(), 256U);
    EXPECT_EQ(host.files.read(port + "gids/0"), "fe80:0000:0000:0000:0000:00ff:fe00:0001\n");
    EXPECT_EQ(host.files.read(port + "gids/3"), "0000:0000:0000:0000:0000:ffff:0a01:0001\n");
    EXPECT_EQ(host.files.read(port + "gids/255"), "0000:0000:0000:0000:0000:0000:0000:0000\n");
    EXPECT_EQ(host.files.read(port + "gid_attrs/types/2"), "IB/RoCE v1\n");
    EXPECT_EQ(host.files.read(port + "gid_attrs/types/3"), "RoCE v2\n");
    EXPECT_EQ(host.files.read(port + "gid_attrs/ndevs/3"), "ens6f0np0\n");
    EXPECT_EQ(host.readErrno(port + "gid_attrs/types/4"), EINVAL);
    EXPECT_EQ(host.readErrno(port + "gid_attrs/ndevs/255"), EINVAL);
    EXPECT_EQ(host.names(port + "pkeys"), std::vector<std::string>{"0"});
    EXPECT_THAT(host.names(port + "hw_counters"), Contains("np_cnp_sent"));
}

TEST(Tree, FollowsTheMachine) {
    Host host;
    const std::string port = "/sys/class/infiniband/mlx5_0/ports/1/", net = "/sys/class/net/ens6f0np0/";
    EXPECT_EQ(host.files.read(net + "speed"), "100000\n");
    host.machine.unplugCable(host.first());
    EXPECT_EQ(host.files.read(port + "state"), "1: DOWN\n");
    EXPECT_EQ(host.files.read(port + "phys_state"), "3: Disabled\n");
    EXPECT_EQ(host.files.read(net + "carrier"), "0\n");
    EXPECT_EQ(host.files.read(net + "operstate"), "down\n");
    host.machine.setLink(host.first(), false);
    for (const char* name : {"carrier", "speed", "duplex"})
        EXPECT_EQ(host.readErrno(net + name), EINVAL) << name;
    EXPECT_EQ(host.files.read(net + "flags"), "0x1002\n");
    host.machine.removeCharDevice("issm0");
    EXPECT_THAT(host.names("/sys/class/infiniband_mad"), ElementsAre("abi_version", "issm1", "umad0", "umad1"));
    EXPECT_EQ(host.files.status("/dev/infiniband/issm0").kind, FileKind::missing);
    host.machine.renameNetdev(host.first(), "rdma0");
    EXPECT_EQ(host.files.read(port + "gid_attrs/ndevs/0"), "rdma0\n");
    EXPECT_THAT(host.names("/sys/class/net"), ElementsAre("ens6f1np1", "lo", "rdma0"));
}

TEST(Tree, LegacyPortsHaveNoSwitchId) {
    Host host;
    EXPECT_EQ(host.readErrno("/sys/class/net/ens6f0np0/phys_switch_id"), EOPNOTSUPP);
    EXPECT_EQ(host.files.read("/sys/class/net/ens6f1np1/phys_port_name"), "p1\n");
}

TEST(Tree, AnUnboundFunctionHasNothingBelowIt) {
    Host host;
    host.machine.unbindDriver(host.first());
    for (const char* name : {"driver", "net", "infiniband", "infiniband_verbs", "msi_irqs"})
        EXPECT_EQ(host.files.linkStatus(pf + name).kind, FileKind::missing) << name;
    EXPECT_THAT(host.files.read(pf + "uevent"), ::testing::StartsWith("PCI_CLASS="));
    EXPECT_THAT(host.names("/sys/class/infiniband"), ElementsAre("mlx5_1"));
    EXPECT_EQ(host.files.linkStatus("/sys/bus/pci/drivers/mlx5_core/0000:af:00.0").kind, FileKind::missing);
}

constexpr hardware::NetnsId pod = 77;

View podView() {
    View view;
    view.netns = pod;
    Netdev eth0;
    eth0.name = "eth0";
    eth0.kind = "macvlan";
    eth0.ifindex = 2;
    eth0.parentIndex = 3;
    view.netdevs = {eth0};
    return view;
}

TEST(Tree, SharedModeGivesAnotherNamespaceACopyWithoutCounters) {
    Host host(dualPort(), podView());
    EXPECT_THAT(host.names("/sys/class/net"), ElementsAre("eth0", "lo"));
    EXPECT_THAT(host.names(pf + "net"), IsEmpty());
    EXPECT_THAT(host.names("/sys/class/infiniband"), ElementsAre("mlx5_0", "mlx5_1"));
    EXPECT_THAT(host.names("/sys/class/infiniband/mlx5_0/ports/1"), ::testing::Not(Contains("counters")));
    EXPECT_EQ(host.files.read("/sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0"), "ens6f0np0\n");
    EXPECT_EQ(host.files.read("/sys/module/ib_core/parameters/netns_mode"), "Y\n");
    EXPECT_EQ(host.files.read("/sys/class/net/eth0/uevent"), "DEVTYPE=macvlan\nINTERFACE=eth0\nIFINDEX=2\n");
}

TEST(Tree, ExclusiveModeHidesTheDeviceButNotItsCharDevices) {
    MachineSpec spec = dualPort();
    spec.rdmaNetns = hardware::RdmaNetnsMode::exclusive;
    Host host(spec, podView());
    EXPECT_THAT(host.names("/sys/class/infiniband"), IsEmpty());
    EXPECT_THAT(host.names(pf + "infiniband"), IsEmpty());
    EXPECT_THAT(host.names("/sys/class/infiniband_verbs"), ElementsAre("abi_version", "uverbs0", "uverbs1"));
    EXPECT_EQ(host.files.read("/sys/module/ib_core/parameters/netns_mode"), "N\n");
    host.machine.moveRdma(host.first(), pod);
    host.machine.moveNetdev(host.first(), pod);
    EXPECT_THAT(host.names("/sys/class/infiniband"), ElementsAre("mlx5_0"));
    EXPECT_THAT(host.names("/sys/class/infiniband/mlx5_0/ports/1"), Contains("counters"));
    EXPECT_THAT(host.names(pf + "net"), ElementsAre("ens6f0np0"));
    host.tree.setView({});
    EXPECT_THAT(host.names(pf + "net"), IsEmpty());
    EXPECT_THAT(host.names("/sys/class/infiniband"), ElementsAre("mlx5_1"));
}

TEST(Tree, DeviceNodesAreThoseOfTheModel) {
    Host host;
    std::vector<std::string> paths;
    for (const DeviceNode& node : deviceNodes(host.machine)) {
        paths.push_back(node.path);
        const auto status = host.files.status(node.path);
        EXPECT_EQ(status.kind, FileKind::characterDevice);
        EXPECT_EQ(status.deviceMajor, node.major);
        EXPECT_EQ(status.deviceMinor, node.minor);
        EXPECT_EQ(status.mode, node.mode);
    }
    EXPECT_THAT(paths,
                ElementsAre("/dev/infiniband/issm0", "/dev/infiniband/issm1", "/dev/infiniband/rdma_cm", "/dev/infiniband/umad0",
                            "/dev/infiniband/umad1", "/dev/infiniband/uverbs0", "/dev/infiniband/uverbs1"));
    EXPECT_EQ(host.files.list("/dev/infiniband").size(), 7U);
}

TEST(Tree, NetDirectoriesAreDirectoriesOfTheTree) {
    MachineSpec spec = dualPort();
    spec.nics.push_back(nic("virtio-net", "0000:00:03.0"));
    Host host(spec);
    const auto directories = netDirectories(host.machine);
    ASSERT_EQ(directories.size(), 3U);
    for (const std::string& directory : directories) {
        EXPECT_EQ(host.names(directory).size(), 1U) << directory;
        EXPECT_EQ(host.tree.find(directory).path, directory); // no links on the way: something can be mounted there
    }
}

TEST(Tree, VirtioHangsBelowItsOwnBus) {
    MachineSpec spec;
    spec.name = "vm";
    spec.nics = {nic("virtio-net", "0000:00:03.0")};
    Host host(spec);
    EXPECT_EQ(host.files.readLink("/sys/class/net/enp0s3/device"), "../../../virtio0");
    EXPECT_EQ(host.files.status("/sys/bus/pci/devices/0000:00:03.0/net").kind, FileKind::missing);
    EXPECT_EQ(host.files.status("/sys/class/infiniband").kind, FileKind::missing); // no module of that kind is loaded
    EXPECT_EQ(host.files.read("/sys/bus/pci/devices/0000:00:03.0/config").size(), 256U);
    EXPECT_EQ(host.files.status("/sys/bus/pci/devices/0000:00:03.0/sriov_totalvfs").kind, FileKind::missing);
    EXPECT_EQ(host.files.read("/sys/bus/pci/devices/0000:00:03.0/numa_node"), "-1\n");
}

TEST(Tree, EveryLinkLeadsSomewhere) {
    MachineSpec spec = dualPort();
    spec.nics.push_back(nic("virtio-net", "0000:00:03.0"));
    spec.nics.push_back(nic("E810", "0000:18:00.0"));
    spec.nics.push_back(nic("ConnectX-7", "0000:3b:00.0"));
    spec.nics.back().linkLayer = hardware::LinkLayer::infiniband;
    Host host(spec);
    std::size_t links = 0;
    const std::function<void(const Directory&, const std::string&)> walk = [&](const Directory& directory,
                                                                               const std::string& at) {
        for (const auto& [name, node] : directory.entries()) {
            const std::string path = at + "/" + name;
            if (node.kind == NodeKind::directory)
                walk(*node.directory, path);
            else if (node.kind == NodeKind::symlink) {
                ++links;
                EXPECT_TRUE(host.tree.find(path).node) << path << " -> " << node.text;
            }
        }
    };
    walk(host.tree.root(), "");
    EXPECT_GT(links, 100U);
}

TEST(TreeFiles, RefusesAsSysfsDoes) {
    Host host;
    const auto code = [](const std::function<void()>& attempt) {
        try {
            attempt();
            return 0;
        } catch (const SystemError& error) {
            return error.code();
        }
    };
    EXPECT_EQ(host.readErrno("/sys/class/net/nope/speed"), ENOENT);
    EXPECT_EQ(host.readErrno("/sys/class/net"), EISDIR);
    EXPECT_EQ(host.readErrno(pf + "vendor/x"), ENOTDIR);
    EXPECT_EQ(host.readErrno("/sys/bus/pci/drivers/mlx5_core/bind"), EACCES);
    EXPECT_EQ(host.readErrno(pf + "resource0"), EIO);
    EXPECT_EQ(code([&] { host.files.readLink(pf + "vendor"); }), EINVAL);
    EXPECT_EQ(code([&] { host.files.list(pf + "vendor"); }), ENOTDIR);
    EXPECT_EQ(code([&] { host.files.writeInPlace(pf + "vendor", "1"); }), EACCES);
    const Tree readOnly(std::as_const(host.machine), View());
    EXPECT_EQ(code([&] { TreeFiles(readOnly).writeInPlace(pf + "sriov_numvfs", "4"); }), EROFS);
    EXPECT_EQ(code([&] { host.files.writeInPlace(pf + "sriov_numvfs", "4000"); }), ERANGE);
    EXPECT_EQ(code([&] { host.files.write(pf + "nope", "4", 0644); }), EACCES);
    EXPECT_EQ(code([&] { host.files.makeDirectories("/sys/class/x", 0755); }), EPERM);
    EXPECT_EQ(code([&] { host.files.remove(pf + "vendor"); }), EPERM);
    EXPECT_EQ(code([&] { host.files.remove("/sys/nope"); }), 0);
    EXPECT_EQ(host.files.status("/sys/../sys/./class/net/lo/").kind, FileKind::directory);
    EXPECT_EQ(host.files.status("/").kind, FileKind::directory);
}

} // namespace
} // namespace rdmalab::fakesysfs
