// A view onto a real namespace, with a directory standing in for its sysfs.
#include "fakesysfs/export.h"
#include "fakesysfs/network_view.h"
#include "fakesysfs/tree.h"
#include "fakesysfs/tree_files.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace rdmalab::fakesysfs {
namespace {

namespace fs = std::filesystem;
using plugin::FileKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

const hardware::PciAddress pf = *hardware::PciAddress::parse("0000:af:00.0");

// The real side: what a kernel shows for veths, a macvlan and a piece of the host's hardware.
class RealSysfs {
public:
    RealSysfs() {
        std::string pattern = (fs::temp_directory_path() / "live-net-XXXXXX").string();
        if (!mkdtemp(pattern.data()))
            throw SystemError("mkdtemp", errno);
        top_ = pattern;
        fs::create_directories(top_ / "class/net");
    }
    RealSysfs(const RealSysfs&) = delete;
    RealSysfs& operator=(const RealSysfs&) = delete;
    ~RealSysfs() { fs::remove_all(top_); }

    fs::path add(const std::string& name, int ifindex, const std::string& parent = "devices/virtual") {
        const fs::path directory = top_ / parent / "net" / name;
        fs::create_directories(directory / "statistics");
        fs::create_directories(directory / "queues/rx-0");
        fs::create_symlink(fs::path("../..") / parent / "net" / name, top_ / "class/net" / name);
        fs::create_symlink("../../../../class/net", directory / "subsystem");
        const auto file = [&](const std::string& path, const std::string& content) {
            std::ofstream(directory / path) << content << "\n";
        };
        file("ifindex", std::to_string(ifindex));
        file("iflink", std::to_string(ifindex + 100));
        file("mtu", "1500");
        file("operstate", "up");
        file("carrier", "1");
        file("speed", "10000");
        file("duplex", "full");
        file("address", "02:00:00:00:00:01");
        file("addr_assign_type", "3");
        file("statistics/rx_bytes", "4711");
        file("queues/rx-0/rps_cpus", "00");
        for (const char* readOnly : {"ifindex", "iflink", "operstate", "speed", "duplex", "address", "statistics/rx_bytes"})
            fs::permissions(directory / readOnly, fs::perms(0444));
        return directory;
    }
    const fs::path& top() const noexcept { return top_; }

private:
    fs::path top_;
};

class FakeView : public NetworkView {
public:
    explicit FakeView(const RealSysfs& real)
        : directory_(checked("open", open(real.top().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))) {}
    std::uint64_t generation() override { return generation_; }
    const std::vector<Link>& links() override { return links_; }
    int sysfs() const override { return directory_.get(); }
    void set(std::vector<Link> links) {
        links_ = std::move(links);
        ++generation_;
    }

private:
    UniqueFd directory_;
    std::vector<Link> links_;
    std::uint64_t generation_ = 1;
};

class Live : public ::testing::Test {
protected:
    Live() {
        hardware::MachineSpec spec;
        spec.name = "n1";
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = pf.str();
        nic.mac = "02:00:00:00:00:01";
        spec.nics = {nic};
        machine = std::make_unique<hardware::Machine>(spec);
        port = real.add("ens6f0np0", 7);
        macvlan = real.add("net1", 9);
        fs::create_symlink("../net1", port / "upper_net1");
        fs::create_symlink("../ens6f0np0", macvlan / "lower_ens6f0np0");
        view = std::make_shared<FakeView>(real);
        view->set({{"ens6f0np0", 7, pf}, {"net1", 9, std::nullopt}});
        View looking;
        looking.live = view;
        tree = std::make_unique<Tree>(*machine, looking);
        files = std::make_unique<TreeFiles>(*tree);
    }
    std::vector<std::string> names(const std::string& path) {
        std::vector<std::string> result;
        for (const auto& entry : files->list(path))
            result.push_back(entry.name);
        return result;
    }
    int readErrno(const std::string& path) {
        try {
            files->read(path);
            return 0;
        } catch (const SystemError& error) {
            return error.code();
        }
    }

    static inline const std::string net = "/sys/class/net/", function = "/sys/bus/pci/devices/0000:af:00.0/";
    RealSysfs real;
    fs::path port, macvlan;
    std::unique_ptr<hardware::Machine> machine;
    std::shared_ptr<FakeView> view;
    std::unique_ptr<Tree> tree;
    std::unique_ptr<TreeFiles> files;
};

TEST_F(Live, APortHangsBelowItsFunctionAndOthersDoNot) {
    EXPECT_THAT(names(net), ElementsAre("ens6f0np0", "net1"));
    EXPECT_THAT(names(function + "net"), ElementsAre("ens6f0np0"));
    EXPECT_THAT(names("/sys/devices/virtual/net"), ElementsAre("net1"));
    EXPECT_EQ(files->readLink(net + "net1"), "../../devices/virtual/net/net1");
    EXPECT_EQ(files->readLink(net + "ens6f0np0/device"), "../../../0000:af:00.0");
    EXPECT_EQ(files->linkStatus(net + "net1/device").kind, FileKind::missing);
    EXPECT_EQ(files->readLink(net + "net1/subsystem"), "../../../../class/net");
    for (const std::string path : {"/sys/class/net", "/sys/devices/virtual/net", "/sys/bus/pci/devices/0000:af:00.0/net"})
        EXPECT_TRUE(tree->find(path).node->live) << path;
}

TEST_F(Live, LinksBetweenInterfacesAreReaimed) {
    EXPECT_EQ(tree->find(net + "ens6f0np0/upper_net1").path, "/sys/devices/virtual/net/net1");
    EXPECT_EQ(tree->find(net + "net1/lower_ens6f0np0").path, tree->find(function + "net/ens6f0np0").path);
}

TEST_F(Live, TheVethBehindAPortDoesNotShow) {
    const std::string nic = net + "ens6f0np0/";
    EXPECT_EQ(files->read(nic + "iflink"), "7\n");
    EXPECT_EQ(files->read(net + "net1/iflink"), "109\n");
    EXPECT_EQ(files->read(nic + "speed"), "100000\n");
    EXPECT_EQ(files->read(net + "net1/speed"), "10000\n");
    EXPECT_EQ(files->read(nic + "addr_assign_type"), "0\n");
    EXPECT_EQ(files->read(nic + "phys_port_name"), "p0\n");
    EXPECT_EQ(readErrno(nic + "phys_switch_id"), EOPNOTSUPP);
    EXPECT_EQ(files->read(nic + "statistics/rx_bytes"), "4711\n");
    std::ofstream(port / "carrier") << "0\n";
    fs::remove(port / "operstate");
    std::ofstream(port / "operstate") << "lowerlayerdown\n";
    EXPECT_EQ(files->read(nic + "speed"), "-1\n");
    EXPECT_EQ(files->read(nic + "duplex"), "unknown\n");
    EXPECT_EQ(files->read(nic + "operstate"), "down\n");
    fs::remove(port / "address");
    std::ofstream(port / "address") << "02:00:00:00:00:99\n";
    EXPECT_EQ(files->read(nic + "addr_assign_type"), "3\n");
}

TEST_F(Live, ReadsAndWritesPassThrough) {
    const std::string nic = net + "ens6f0np0/";
    files->writeInPlace(nic + "mtu", "9000");
    EXPECT_EQ(files->read(nic + "mtu"), "9000\n");
    std::string content;
    std::getline(std::ifstream(port / "mtu"), content);
    EXPECT_EQ(content, "9000");
    files->writeInPlace(nic + "queues/rx-0/rps_cpus", "ff");
    EXPECT_EQ(files->read(nic + "queues/rx-0/rps_cpus").substr(0, 2), "ff");
    const std::string state = files->read(nic + "operstate");
    const auto stale = tree->find(nic + "mtu").node->behaviour;
    fs::remove_all(port);
    try {
        stale->read();
        ADD_FAILURE() << "read " << state;
    } catch (const SystemError& error) {
        EXPECT_EQ(error.code(), ENODEV);
    }
}

TEST_F(Live, FollowsTheNamespace) {
    EXPECT_THAT(names(net), Contains("net1"));
    const std::uint64_t before = tree->find(net + "net1").node->identity;
    real.add("eth9", 11);
    view->set({{"net1", 12, std::nullopt}, {"eth9", 11, std::nullopt}});
    EXPECT_THAT(names(net), ElementsAre("eth9", "net1"));
    EXPECT_THAT(names(function + "net"), IsEmpty()); // in another namespace now
    EXPECT_NE(tree->find(net + "net1").node->identity, before);
}

TEST_F(Live, TheHostsHardwareDoesNotShineThrough) {
    const fs::path host = real.add("eno1", 5, "devices/pci0000:00/0000:00:1f.6");
    fs::create_symlink("../../../0000:00:1f.6", host / "device");
    fs::create_symlink("../../../../../firmware/devicetree/x", host / "of_node");
    view->set({{"eno1", 5, std::nullopt}});
    EXPECT_EQ(files->readLink(net + "eno1"), "../../devices/virtual/net/eno1");
    EXPECT_THAT(names(net + "eno1"), Not(Contains("device")));
    EXPECT_THAT(names(net + "eno1"), Not(Contains("of_node")));
    EXPECT_THAT(names("/sys/devices"), Not(Contains("pci0000:00")));
}

TEST_F(Live, CanBeExported) {
    const fs::path target = real.top() / "exported";
    exportTree(*tree, target.string(), "/sys/devices");
    std::string content;
    std::getline(std::ifstream(target / "virtual/net/net1/statistics/rx_bytes"), content);
    EXPECT_EQ(content, "4711");
}

} // namespace
} // namespace rdmalab::fakesysfs
