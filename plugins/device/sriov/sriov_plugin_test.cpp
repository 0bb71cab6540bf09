#include "plugins/device/sriov/sriov_plugin.h"

#include "plugins/device/testing/fake_host.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace rdmalab::plugin {
namespace {

using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;

// A ConnectX-5 at af:00.0 whose VFs begin at af:00.2, each with netdev and RDMA device.
struct SriovHost : FakeHost {
    explicit SriovHost(int vfs, const std::string& driver = "mlx5_core") {
        connectX5("0000:af:00.0", "ens6f0np0", "mlx5_0", 0);
        files.file(pci("0000:af:00.0") + "/sriov_totalvfs", "8\n");
        files.file(pci("0000:af:00.0") + "/sriov_numvfs", std::to_string(vfs) + "\n");
        for (int i = 0; i < vfs; ++i)
            vf(i, driver);
    }
    static std::string address(int i) { return fmt::format("0000:af:00.{}", i + 2); }
    void vf(int i, const std::string& driver) {
        const std::string at = address(i);
        function(at, "15B3", "1018", "0200", driver);
        files.file(pci(at) + "/numa_node", "1\n");
        files.link(pci(at) + "/iommu_group", "../../../kernel/iommu_groups/" + std::to_string(40 + i));
        files.link(pci(at) + "/physfn", "../0000:af:00.0");
        files.link(pci("0000:af:00.0") + "/virtfn" + std::to_string(i), "../" + at);
        if (driver == "mlx5_core") {
            netdev(at, "ens6f0v" + std::to_string(i));
            rdma(at, "mlx5_" + std::to_string(i + 2), i + 2, false);
        }
        seeThrough(at);
    }
    // The fake file system follows no links: what is behind physfn is put there once more.
    void seeThrough(const std::string& at) {
        files.directory(pci(at) + "/physfn/net/ens6f0np0");
        for (int i = 0; i < 8; ++i)
            files.link(fmt::format("{}/physfn/virtfn{}", pci(at), i), "../" + address(i));
        files.link(pci(at) + "/physfn", "../0000:af:00.0");
    }

    std::vector<std::string> lines;
    PluginLog log() {
        return [this](const std::string& line) { lines.push_back(line); };
    }
    std::string logged() const {
        std::string all;
        for (const std::string& line : lines)
            all += line + "\n";
        return all;
    }
    SriovPlugin plugin(const std::string& selectors, const std::string& more = "") {
        return withConfig(
            fmt::format(R"({{"resourceList": [{{"resourceName": "vfs", "resourcePrefix": "nvidia.com", "selectors": {}{}}}]}})",
                        selectors, more));
    }
    SriovPlugin withConfig(const std::string& json) {
        return {parseSdpConfig(json, "config.json", "intel.com", log()), files, kernel, log()};
    }
};

std::vector<std::string> addresses(const SdpPool& pool) {
    std::vector<std::string> list;
    for (const SdpPoolDevice& one : pool.devices)
        list.push_back(one.device.pciAddress);
    return list;
}

TEST(SriovPlugin, OffersTheFunctionsOfAPfInUseButNotThePf) {
    SriovHost host(2);
    const auto plugin = host.plugin(R"({"vendors": ["15b3"]})");
    ASSERT_EQ(plugin.pools().size(), 1U);
    EXPECT_THAT(addresses(plugin.pools()[0]), ElementsAre("0000:af:00.2", "0000:af:00.3"));
    EXPECT_EQ(plugin.pools()[0].socketName(), "nvidia.com_vfs.sock");
    SriovHost unused(0);
    EXPECT_THAT(addresses(unused.plugin(R"({"vendors": ["15b3"]})").pools().at(0)), ElementsAre("0000:af:00.0"));
}

TEST(SriovPlugin, OnlyTheFirstEntryOfAPfCounts) {
    SriovHost host(5);
    EXPECT_THAT(addresses(host.plugin(R"({"pfNames": ["ens6f0np0#0,2-3"]})").pools().at(0)),
                ElementsAre("0000:af:00.2", "0000:af:00.4", "0000:af:00.5"));
    EXPECT_THAT(addresses(host.plugin(R"({"pfNames": ["ENS6F0NP0#0-1", "ens6f0np0#4"]})").pools().at(0)),
                ElementsAre("0000:af:00.2", "0000:af:00.3"));
    EXPECT_THAT(addresses(host.plugin(R"({"rootDevices": ["0000:af:00.0#1"]})").pools().at(0)), ElementsAre("0000:af:00.3"));
    EXPECT_TRUE(host.plugin(R"({"pfNames": ["ens6f0np0#1..3"]})").pools().empty());
    EXPECT_THAT(host.logged(), HasSubstr("Failed to parse ens6f0np0 PF name selector"));
}

TEST(SriovPlugin, APoolThatMatchesNothingIsNotServed) {
    SriovHost host(1);
    EXPECT_TRUE(host.plugin(R"({"devices": ["101e"]})").pools().empty());
    EXPECT_THAT(host.logged(), HasSubstr("no devices in device pool, skipping creating resource server for vfs"));
}

TEST(SriovPlugin, TheFirstPoolHasTheDevice) {
    SriovHost host(1);
    const auto plugin = host.withConfig(R"({"resourceList": [
        {"resourceName": "one", "selectors": {"vendors": ["15b3"]}}, {"resourceName": "two", "selectors": {"drivers": ["mlx5_core"]}}]})");
    ASSERT_EQ(plugin.pools().size(), 1U);
    EXPECT_EQ(plugin.pools()[0].config.fullName(), "intel.com/one");
    EXPECT_THAT(host.logged(), HasSubstr("Cannot add device [0000:af:00.2]. Already allocated."));
}

TEST(SriovPlugin, RdmaDevicesComeWithTheirNodesOnce) {
    SriovHost host(2);
    auto plugin = host.plugin(R"({"vendors": ["15b3"], "isRdma": true})");
    const auto got = plugin.allocate(plugin.pools()[0], {"0000:af:00.3", "0000:af:00.2"});
    EXPECT_EQ(got.environment.at("PCIDEVICE_NVIDIA_COM_VFS"), "0000:af:00.3,0000:af:00.2");
    EXPECT_EQ(nlohmann::json::parse(got.environment.at("PCIDEVICE_NVIDIA_COM_VFS_INFO")), nlohmann::json::parse(R"({
        "0000:af:00.2": {"generic": {"deviceID": "0000:af:00.2"},
                         "rdma": {"rdma_cm": "/dev/infiniband/rdma_cm", "rdma_dev": "mlx5_2", "umad": "/dev/infiniband/umad2",
                                  "uverbs": "/dev/infiniband/uverbs2"}},
        "0000:af:00.3": {"generic": {"deviceID": "0000:af:00.3"},
                         "rdma": {"rdma_cm": "/dev/infiniband/rdma_cm", "rdma_dev": "mlx5_3", "umad": "/dev/infiniband/umad3",
                                  "uverbs": "/dev/infiniband/uverbs3"}}})"));
    std::vector<std::string> nodes;
    for (const SdpDeviceNode& node : got.nodes) {
        EXPECT_EQ(node.permissions, "rw");
        nodes.push_back(node.hostPath);
    }
    EXPECT_THAT(nodes, ElementsAre("/dev/infiniband/umad3", "/dev/infiniband/uverbs3", "/dev/infiniband/rdma_cm",
                                   "/dev/infiniband/umad2", "/dev/infiniband/uverbs2"));
}

TEST(SriovPlugin, ADeviceWithoutRdmaIsNoRdmaDevice) {
    SriovHost host(2);
    host.files.removeTree(FakeHost::pci("0000:af:00.3") + "/infiniband");
    EXPECT_THAT(addresses(host.plugin(R"({"isRdma": true})").pools().at(0)), ElementsAre("0000:af:00.2"));
    EXPECT_THAT(host.logged(), HasSubstr("RDMA resources for 0000:af:00.3 not found. Are RDMA modules loaded?"));
}

TEST(SriovPlugin, ANameKeepsItsHyphenInTheEnvironment) {
    SriovHost host(1);
    auto plugin = host.withConfig(
        R"({"resourceList": [{"resourceName": "vf-x", "resourcePrefix": "nvidia.com", "selectors": {"vendors": ["15b3"]}}]})");
    const auto got = plugin.allocate(plugin.pools()[0], {"0000:af:00.2"});
    EXPECT_TRUE(got.environment.contains("PCIDEVICE_NVIDIA_COM_VF-X"));
    EXPECT_TRUE(got.environment.contains("PCIDEVICE_NVIDIA_COM_VF-X_INFO"));
}

TEST(SriovPlugin, TopologyIsTheNumaNodeUnlessLeftOut) {
    SriovHost host(2);
    host.files.file(FakeHost::pci("0000:af:00.3") + "/numa_node", "-1\n");
    const auto plugin = host.plugin(R"({"vendors": ["15b3"]})");
    const SdpPool& pool = plugin.pools()[0];
    EXPECT_EQ(pool.topologyOf(pool.devices[0]), 1);
    EXPECT_EQ(pool.topologyOf(pool.devices[1]), std::nullopt);
    const auto without = host.plugin(R"({"vendors": ["15b3"]})", R"(, "excludeTopology": true)");
    EXPECT_EQ(without.pools()[0].topologyOf(without.pools()[0].devices[0]), std::nullopt);
}

TEST(SriovPlugin, AllocateWritesTheDeviceInfoAndAStartRemovesIt) {
    SriovHost host(1);
    auto plugin = host.plugin(R"({"isRdma": true})");
    plugin.allocate(plugin.pools()[0], {"0000:af:00.2"});
    const std::string file = "/var/run/k8s.cni.cncf.io/devinfo/dp/nvidia.com-vfs-0000:af:00.2-device.json";
    EXPECT_EQ(host.files.read(file),
              R"({"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:af:00.2","rdma-device":"mlx5_2"}})");
    EXPECT_EQ(host.files.modes.at(file), 0444U);
    plugin.removeDeviceInfo(plugin.pools()[0]);
    EXPECT_FALSE(host.files.exists(file));
}

TEST(SriovPlugin, AnUnknownDeviceIsRefused) {
    SriovHost host(1);
    auto plugin = host.plugin(R"({"vendors": ["15b3"]})");
    try {
        plugin.allocate(plugin.pools()[0], {"0000:af:00.7"});
        FAIL() << "nothing was thrown";
    } catch (const SdpRefusal& refusal) {
        EXPECT_STREQ(refusal.what(), "storeDeviceInfoFile: Only pciNetDevices are supported");
    }
}

TEST(SriovPlugin, AFunctionForAVirtualMachineComesWithItsVfioGroup) {
    SriovHost host(1, "vfio-pci");
    auto plugin = host.plugin(R"({"drivers": ["vfio-pci"]})");
    auto nodes = plugin.allocate(plugin.pools().at(0), {"0000:af:00.2"}).nodes;
    ASSERT_EQ(nodes.size(), 2U);
    EXPECT_EQ(nodes[0].hostPath, "/dev/vfio/vfio");
    EXPECT_EQ(nodes[1].hostPath, "/dev/vfio/40");
    host.files.file(FakeHost::pci("0000:af:00.2") + "/iommu_group/name", "vfio-noiommu\n");
    nodes = plugin.allocate(plugin.pools()[0], {"0000:af:00.2"}).nodes;
    EXPECT_EQ(nodes[1].hostPath, "/dev/vfio/noiommu-40");
    EXPECT_EQ(nodes[1].containerPath, "/dev/vfio/40");
}

TEST(SriovPlugin, AFunctionWithoutDriverIsDropped) {
    SriovHost host(2);
    host.files.removeTree(FakeHost::pci("0000:af:00.3") + "/driver");
    EXPECT_THAT(addresses(host.plugin(R"({"vendors": ["15b3"]})").pools().at(0)), ElementsAre("0000:af:00.2"));
    EXPECT_THAT(host.logged(), HasSubstr("readlink /sys/bus/pci/devices/0000:af:00.3/driver: no such file or directory"));
}

TEST(SriovPlugin, AdditionalInfoIsShownAndOverridden) {
    SriovHost host(1);
    auto plugin = host.plugin(R"({"vendors": ["15b3"]})",
                              R"(, "additionalInfo": {"*": {"rail": "none", "pod": "a"}, "0000:af:00.2": {"rail": "3"}})");
    const auto got = plugin.allocate(plugin.pools()[0], {"0000:af:00.2"});
    EXPECT_EQ(nlohmann::json::parse(got.environment.at("PCIDEVICE_NVIDIA_COM_VFS_INFO")).at("0000:af:00.2").at("extra"),
              nlohmann::json::parse(R"({"rail": "3", "pod": "a"})"));
}

struct Refused {
    const char* config;
    const char* text;
    int exitCode;
};

class SdpConfigRefused : public ::testing::TestWithParam<Refused> {};

TEST_P(SdpConfigRefused, WithUpstreamsWords) {
    SriovHost host(1);
    try {
        parseSdpConfig(GetParam().config, "config.json", "intel.com", host.log());
        FAIL() << "nothing was thrown";
    } catch (const SdpExit& exit) {
        EXPECT_THAT(host.logged() + exit.what(), HasSubstr(GetParam().text));
        EXPECT_EQ(exit.exitCode(), GetParam().exitCode);
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, SdpConfigRefused,
    ::testing::Values(
        Refused{"{", "please make sure the config is in json format", 0},
        Refused{R"({"resourceList": []})", "no resource configuration; exiting", 0},
        Refused{R"({"resourceList": [{"resourceName": "a", "deviceType": "x", "selectors": {}}]})",
                "unsupported deviceType:  \"x\"", 0},
        Refused{R"({"resourceList": [{"resourceName": "a"}]})", "nil pointer dereference", 2},
        Refused{R"({"resourceList": [{"resourceName": "a", "selectors": []}]})", "error, need at least one selector, got 0", 0},
        Refused{R"({"resourceList": [{"resourceName": "a b", "selectors": {}}]})",
                "resource name \"a b\" contains invalid characters", 255},
        Refused{R"({"resourceList": [{"resourceName": "a", "selectors": {}}, {"resourceName": "a", "selectors": {}}]})",
                "resource name \"intel.com/a\" already exists", 255},
        Refused{R"({"resourceList": [{"resourceName": "a", "selectors": {"isRdma": true, "vdpaType": "vhost"}}]})",
                "VdpaType and IsRdma are mutually exclusive options", 255},
        Refused{R"({"resourceList": [{"resourceName": "a", "deviceType": "auxNetDevice", "selectors": {}}]})",
                "AuxTypes are not specified", 255},
        Refused{R"({"resourceList": [{"resourceName": "a", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["eth"]}}]})",
                "Only \"sf\" auxiliary device type currently supported", 255}));

TEST(SdpConfig, TwoSelectorsMayDifferInRdmaAndVdpa) {
    SriovHost host(1);
    const auto config =
        parseSdpConfig(R"({"resourceList": [{"resourceName": "a", "selectors": [{"isRdma": true}, {"vdpaType": "vhost"}]}]})",
                       "config.json", "intel.com", host.log());
    EXPECT_EQ(config.at(0).selectors.size(), 2U);
}

TEST(SriovPlugin, VhostNodesAreOnlyForTheSelectorThatClaimedTheDevice) {
    SriovHost host(2);
    host.files.device("/dev/vhost-net");
    auto plugin = host.plugin(R"([{"pciAddresses": ["0000:af:00.2"], "needVhostNet": true}, {"vendors": ["15b3"]}])");
    EXPECT_EQ(plugin.allocate(plugin.pools()[0], {"0000:af:00.2"}).nodes.size(), 2U);
    EXPECT_TRUE(plugin.allocate(plugin.pools()[0], {"0000:af:00.3"}).nodes.empty());
}

} // namespace
} // namespace rdmalab::plugin
