#include "harness/kubelet/direct_device_plugin.h"

#include "plugins/device/rdma_shared/rdma_shared_plugin.h"
#include "plugins/device/testing/fake_host.h"
#include "sim/clock/virtual_loop.h"

#include <gmock/gmock.h>

namespace rdmalab::harness {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DirectDevicePluginTest : public ::testing::Test {
protected:
    DirectDevicePluginTest() {
        host.connectX5("0000:af:00.0", "ens6f0np0", "mlx5_0", 0, false);
        plugin::RsdpConfig config;
        config.resources.push_back({"hca", "spidernet.io", 2, {{"15b3"}, {}, {}, {}, {}}});
        plugin = std::make_shared<plugin::RdmaSharedPlugin>(config, plugin::RsdpRelease::current, host.files, host.kernel,
                                                            [](const std::string&) {});
        connection = std::make_unique<DirectDevicePlugin>(plugin, 0, loop);
    }
    void watch() {
        connection->listAndWatch([this](auto list) { sizes.push_back(list.size()); }, [this](auto why) { ends.push_back(why); });
    }
    void run() {
        loop.runUntil([] { return false; }, clock::Duration(-1));
    }

    plugin::testing::FakeHost host;
    clock::VirtualLoop loop;
    std::shared_ptr<plugin::RdmaSharedPlugin> plugin;
    std::unique_ptr<DirectDevicePlugin> connection;
    std::vector<std::size_t> sizes;
    std::vector<std::string> ends;
};

TEST_F(DirectDevicePluginTest, SendsTheListAtOnceAndWhenPushed) {
    watch();
    EXPECT_THAT(sizes, IsEmpty());
    run();
    EXPECT_THAT(sizes, ElementsAre(2u));
    host.files.removeTree("/sys/class/infiniband_verbs");
    EXPECT_THAT(plugin->rediscover(), ElementsAre(0u));
    connection->pushList();
    run();
    EXPECT_THAT(sizes, ElementsAre(2u, 0u));
}

TEST_F(DirectDevicePluginTest, AllocatesEveryNode) {
    std::vector<cluster::DeviceSpec> devices;
    connection->allocate({"1"}, [&](auto result) { devices = (*result.value)->devices; });
    run();
    EXPECT_THAT(devices, ElementsAre(cluster::DeviceSpec{"/dev/infiniband/umad0", "/dev/infiniband/umad0", "rwm"},
                                     cluster::DeviceSpec{"/dev/infiniband/uverbs0", "/dev/infiniband/uverbs0", "rwm"},
                                     cluster::DeviceSpec{"/dev/infiniband/rdma_cm", "/dev/infiniband/rdma_cm", "rwm"}));
}

TEST_F(DirectDevicePluginTest, ADeadPluginEndsItsStreamOnceAndAnswersNothing) {
    watch();
    run();
    connection->endStream("error reading from server: EOF");
    connection->endStream("again");
    connection->pushList();
    std::string error;
    connection->allocate({"1"}, [&](auto result) { error = result.error; });
    run();
    EXPECT_THAT(ends, ElementsAre("rpc error: code = Unavailable desc = error reading from server: EOF"));
    EXPECT_EQ(error.substr(0, 31), "rpc error: code = Unavailable d");
    EXPECT_THAT(sizes, ElementsAre(2u));
}

TEST_F(DirectDevicePluginTest, WatchingADeadPluginEndsAtOnce) {
    connection->endStream("gone");
    watch();
    run();
    EXPECT_THAT(sizes, IsEmpty());
    EXPECT_EQ(ends.size(), 1u);
}

TEST_F(DirectDevicePluginTest, DestroyingItSilencesEverything) {
    watch();
    bool answered = false;
    connection->options([&](auto) { answered = true; });
    connection.reset();
    run();
    EXPECT_THAT(sizes, IsEmpty());
    EXPECT_THAT(ends, IsEmpty());
    EXPECT_FALSE(answered);
}

} // namespace
} // namespace rdmalab::harness
