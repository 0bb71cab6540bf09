#include "plugins/device/rdma_shared/rdma_shared_plugin.h"

#include "plugins/device/rdma_shared/rsdp_discovery.h"
#include "plugins/device/testing/fake_host.h"

#include <gmock/gmock.h>

namespace rdmalab::plugin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string nic = "0000:04:00.0", secondNic = "0000:04:00.1";

class RdmaShared : public ::testing::Test {
protected:
    RsdpDiscovery discover(RsdpRelease release = RsdpRelease::current) {
        return discoverRdmaNics(host.files, host.kernel, release, log);
    }
    // One resource "rdma/hca" with 5 devices that selects Mellanox.
    RsdpConfig config(RsdpSelectors selectors = {{"15b3"}, {}, {}, {}, {}}) {
        RsdpConfig result;
        result.resources.push_back({"hca", "rdma", 5, std::move(selectors)});
        return result;
    }
    RdmaSharedPlugin start(RsdpConfig c) { return {std::move(c), RsdpRelease::current, host.files, host.kernel, log}; }
    std::string fatalOf(RsdpConfig c) {
        try {
            start(std::move(c));
        } catch (const RsdpFatal& e) {
            return e.what();
        }
        return "";
    }

    testing::FakeHost host;
    std::vector<std::string> lines;
    PluginLog log = [this](const std::string& line) { lines.push_back(line); };
};

TEST_F(RdmaShared, ACompleteNicIsDescribed) {
    host.connectX5(nic, "ens6f0np0", "mlx5_0", 0);
    host.files.file("/sys/class/infiniband_cm/ucm0/ibdev", "mlx5_0\n");
    const auto found = discover();
    ASSERT_EQ(found.nics.size(), 1u);
    const RdmaNic& first = found.nics[0];
    EXPECT_EQ(first.pciAddress, nic);
    EXPECT_EQ(first.vendor, "15b3");
    EXPECT_EQ(first.deviceId, "1017");
    EXPECT_EQ(first.driver, "mlx5_core");
    EXPECT_EQ(first.ifName, "ens6f0np0");
    EXPECT_EQ(first.linkType, "ether");
    // The order of kinds is rdmamap's; that the nodes exist in /dev is not checked, except for rdma_cm.
    EXPECT_THAT(first.nodes, ElementsAre("/dev/infiniband/ucm0", "/dev/infiniband/issm0", "/dev/infiniband/umad0",
                                         "/dev/infiniband/uverbs0", "/dev/infiniband/rdma_cm"));
}

TEST_F(RdmaShared, OnlyNetworkClassFunctionsAreCandidates) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.function("0000:05:00.0", "15B3", "A2D6", "0800", "mlx5_core"); // a DMA engine
    host.function("0000:06:00.0", "15B3", "1019", "0207", "mlx5_core"); // an InfiniBand controller
    host.rdma("0000:06:00.0", "mlx5_2", 2);
    const auto found = discover();
    ASSERT_EQ(found.nics.size(), 2u);
    EXPECT_EQ(found.nics[1].deviceId, "1019");
    EXPECT_EQ(found.nics[1].ifName, ""); // no netdev is no obstacle
    EXPECT_THAT(found.dropped, IsEmpty());
}

TEST_F(RdmaShared, WithoutADriverTheNicIsDropped) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.removeTree(testing::FakeHost::pci(nic) + "/driver");
    EXPECT_THAT(discover().dropped, ElementsAre("error getting driver info for device 0000:04:00.0 readlink "
                                                "/sys/bus/pci/devices/0000:04:00.0/driver: no such file or directory"));
}

TEST_F(RdmaShared, ANetdevThatTheKernelDoesNotKnowDropsTheNic) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.removeTree(testing::FakeHost::pci(nic) + "/net");
    host.files.directory(testing::FakeHost::pci(nic) + "/net/moved");
    EXPECT_THAT(discover().dropped, ElementsAre("Link not found"));
}

std::string missing(const std::string& kind) {
    return "missing RDMA device spec for device 0000:04:00.0, RDMA device \"" + kind + "\" not found";
}

TEST_F(RdmaShared, TheFirstMissingKindIsNamed) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.removeTree("/sys/class/infiniband_verbs");
    EXPECT_THAT(discover().dropped, ElementsAre(missing("uverbs")));
    host.files.removeTree("/sys/class/infiniband_mad/umad0");
    EXPECT_THAT(discover().dropped, ElementsAre(missing("umad")));
    host.files.removeTree("/dev/infiniband/rdma_cm");
    EXPECT_THAT(discover().dropped, ElementsAre(missing("rdma_cm")));
}

TEST_F(RdmaShared, OldReleasesWantIssmFirst) {
    host.connectX5(nic, "eth0", "mlx5_0", 0, false);
    EXPECT_THAT(discover(RsdpRelease::current).nics.size(), 1u);
    EXPECT_THAT(discover(RsdpRelease::untilV1_5_1).dropped, ElementsAre(missing("issm")));
    host.files.removeTree("/dev/infiniband/rdma_cm");
    EXPECT_THAT(discover(RsdpRelease::untilV1_5_1).dropped, ElementsAre(missing("issm")));
}

TEST_F(RdmaShared, ANicWithoutRdmaNamesTheFirstRequiredKind) {
    host.function(nic, "8086", "1572", "0200", "i40e");
    host.netdev(nic, "eth0");
    EXPECT_THAT(discover().dropped, ElementsAre(missing("rdma_cm")));
    EXPECT_THAT(discover(RsdpRelease::untilV1_5_1).dropped, ElementsAre(missing("issm")));
}

TEST_F(RdmaShared, ASymlinkInTheInfinibandDirectoryIsNoRdmaDevice) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.removeTree(testing::FakeHost::pci(nic) + "/infiniband");
    host.files.link(testing::FakeHost::pci(nic) + "/infiniband/mlx5_0", "../../../../virtual/infiniband/mlx5_0");
    EXPECT_THAT(discover().dropped, ElementsAre(missing("rdma_cm")));
}

TEST_F(RdmaShared, CharacterDevicesBelongToTheDeviceNamedInIbdev) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.connectX5(secondNic, "eth1", "mlx5_1", 1);
    const auto found = discover();
    ASSERT_EQ(found.nics.size(), 2u);
    EXPECT_THAT(found.nics[0].nodes, Not(Contains("/dev/infiniband/uverbs1")));
    EXPECT_THAT(found.nics[1].nodes, Contains("/dev/infiniband/uverbs1"));
}

TEST_F(RdmaShared, TheSecondPortsCharacterDevicesCountSinceRdmamap12) {
    host.connectX5(nic, "eth0", "mlx4_0", 0);
    host.files.file("/sys/class/infiniband_mad/umad1/ibdev", "mlx4_0\n");
    EXPECT_THAT(discover().nics[0].nodes, Contains("/dev/infiniband/umad1"));
    EXPECT_THAT(discover(RsdpRelease::untilV1_5_1).nics[0].nodes, Not(Contains("/dev/infiniband/umad1")));
}

TEST_F(RdmaShared, OneMalformedEntryHidesTheWholeBus) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.file("/sys/bus/pci/devices/0000:00:1f.0/modalias", "pci:v00008086\n");
    EXPECT_THAT(discover().nics, IsEmpty());
    EXPECT_THAT(lines, Contains("Warning: DiscoverHostDevices(): no PCI network device found"));
    host.files.removeTree("/sys/bus/pci/devices/0000:00:1f.0");
    host.files.directory("/sys/bus/pci/devices/oddly-named");
    EXPECT_THAT(discover().nics, IsEmpty());
}

TEST_F(RdmaShared, AModaliasWithoutItsNewlineIsTooShortForGhw) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.files.file(testing::FakeHost::pci(nic) + "/modalias", "pci:v000015B3d00001017sv000015B3sd00000007bc02sc00i00");
    EXPECT_THAT(discover().nics, IsEmpty());
}

TEST(RsdpSelection, IsOrInsideAListAndAndBetweenLists) {
    const std::vector<RdmaNic> nics = {{"a", "15b3", "1017", "mlx5_core", "eth0", "ether", {}},
                                       {"b", "15b3", "1019", "mlx5_core", "ib0", "infiniband", {}},
                                       {"c", "8086", "1572", "ice", "eth1", "ether", {}}};
    const auto addresses = [&](const RsdpSelectors& selectors) {
        std::string out;
        for (const RdmaNic& one : selectRdmaNics(nics, selectors))
            out += one.pciAddress;
        return out;
    };
    EXPECT_EQ(addresses({{"15b3", "8086"}, {}, {}, {}, {}}), "abc");
    EXPECT_EQ(addresses({{"15b3", "8086"}, {}, {"mlx5_core"}, {}, {}}), "ab");
    EXPECT_EQ(addresses({{}, {"1017", "1572"}, {}, {}, {"ether"}}), "ac");
    EXPECT_EQ(addresses({{}, {}, {}, {"ib0"}, {"infiniband"}}), "b");
    EXPECT_EQ(addresses({{"15B3"}, {}, {}, {}, {}}), ""); // ids are lower case, and compared as they are
}

TEST_F(RdmaShared, TheNumberOfDevicesIsRdmaHcaMaxWhateverTheNumberOfHcas) {
    host.connectX5(nic, "eth0", "mlx5_0", 0, false);
    host.connectX5(secondNic, "eth1", "mlx5_1", 1, false);
    const auto plugin = start(config());
    const RsdpResource& resource = plugin.resources().at(0);
    EXPECT_EQ(resource.fullName, "rdma/hca");
    EXPECT_EQ(resource.socketName, "hca.sock");
    EXPECT_EQ(resource.deviceCount, 5);
    EXPECT_THAT(resource.nodes, ElementsAre("/dev/infiniband/umad0", "/dev/infiniband/uverbs0", "/dev/infiniband/rdma_cm",
                                            "/dev/infiniband/umad1", "/dev/infiniband/uverbs1", "/dev/infiniband/rdma_cm"));
}

TEST_F(RdmaShared, TwoResourcesMayShareTheSameHcas) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    auto both = config();
    both.resources.push_back({"other", "vendor.io", 7, {{"15b3"}, {}, {}, {}, {}}});
    const auto plugin = start(both);
    EXPECT_EQ(plugin.resources()[0].nodes, plugin.resources()[1].nodes);
    EXPECT_EQ(plugin.resources()[1].deviceCount, 7);
}

TEST_F(RdmaShared, NothingSelectedStillMakesAnEmptyResource) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    const auto plugin = start(config({{}, {"101d"}, {}, {}, {}}));
    EXPECT_EQ(plugin.resources().at(0).deviceCount, 0);
    EXPECT_THAT(lines, Contains("Warning: no devices in device pool, creating empty resource server for hca"));
}

TEST_F(RdmaShared, TheLogSaysWhyANicIsNotUsed) {
    host.connectX5(nic, "eth0", "mlx5_0", 0, false);
    const RdmaSharedPlugin plugin(config(), RsdpRelease::untilV1_5_1, host.files, host.kernel, log);
    EXPECT_THAT(lines, Contains("error creating new device: \"missing RDMA device spec for device 0000:04:00.0, RDMA device "
                                "\\\"issm\\\" not found\""));
    EXPECT_EQ(plugin.resources().at(0).deviceCount, 0);
}

TEST_F(RdmaShared, SelectedLinksAreSetUpAndOthersAreLeftAlone) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.connectX5(secondNic, "eth1", "mlx5_1", 1);
    host.kernel.setLinkUp(1, false);
    host.kernel.setLinkUp(2, false);
    start(config({{}, {}, {}, {"eth0"}, {}}));
    EXPECT_TRUE(host.kernel.linkByName("eth0")->up);
    EXPECT_FALSE(host.kernel.linkByName("eth1")->up);
}

TEST_F(RdmaShared, ALinkThatCannotBeSetUpIsOnlyAWarning) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    host.kernel.setLinkUp(1, false);
    host.kernel.refuseLinkChanges = true;
    EXPECT_EQ(start(config()).resources().at(0).deviceCount, 5);
}

TEST_F(RdmaShared, ExclusiveNetnsModeIsFatal) {
    host.files.file("/sys/module/ib_core/parameters/netns_mode", "N\n");
    EXPECT_EQ(fatalOf(config()), "Exiting.. can not change : incorrect RDMA subsystem network namespace");
    host.files.removeTree("/sys/module");
    EXPECT_EQ(fatalOf(config()), "Exiting.. can not change : can not get RDMA subsystem network namespace mode");
}

TEST_F(RdmaShared, AnHcaThatGoesAndComesBackChangesTheList) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    auto plugin = start(config());
    EXPECT_THAT(plugin.rediscover(), IsEmpty());
    EXPECT_THAT(lines, Contains("no changes to devices for \"rdma/hca\""));

    host.files.removeTree(testing::FakeHost::pci(nic));
    EXPECT_THAT(plugin.rediscover(), ElementsAre(0u));
    EXPECT_EQ(plugin.resources()[0].deviceCount, 0);

    host.connectX5(nic, "eth0", "mlx5_0", 0);
    EXPECT_THAT(plugin.rediscover(), ElementsAre(0u));
    EXPECT_EQ(plugin.resources()[0].deviceCount, 5);
}

TEST_F(RdmaShared, RenumberedCharacterDevicesAreAChange) {
    host.connectX5(nic, "eth0", "mlx5_0", 0, false);
    auto plugin = start(config());
    host.files.removeTree("/sys/class/infiniband_verbs/uverbs0");
    host.files.file("/sys/class/infiniband_verbs/uverbs9/ibdev", "mlx5_0\n");
    EXPECT_THAT(plugin.rediscover(), ElementsAre(0u));
    EXPECT_THAT(plugin.resources()[0].nodes, Contains("/dev/infiniband/uverbs9"));
}

TEST_F(RdmaShared, OnlyTheResourceThatChangedIsSentAgain) {
    host.connectX5(nic, "eth0", "mlx5_0", 0);
    auto two = config({{}, {}, {}, {"eth0"}, {}});
    two.resources.push_back({"second", "rdma", 3, {{}, {}, {}, {"eth1"}, {}}});
    auto plugin = start(two);
    host.connectX5(secondNic, "eth1", "mlx5_1", 1);
    EXPECT_THAT(plugin.rediscover(), ElementsAre(1u));
    EXPECT_EQ(plugin.resources()[1].deviceCount, 3);
}

} // namespace
} // namespace rdmalab::plugin
