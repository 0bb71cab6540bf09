#include "harness/kubelet/grpc_device_plugin.h"

#include "harness/kubelet/test_support.h"
#include "plugins/device/grpc/unix_channel.h"

#include <gmock/gmock.h>

#include <sys/socket.h>

#include <array>

namespace rdmalab::harness {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::StartsWith;

class GrpcDevicePluginTest : public ::testing::Test {
protected:
    GrpcDevicePluginTest() { scripted.serve(socket); }
    ~GrpcDevicePluginTest() override {
        scripted.holdAllocate(false);
        connection.reset();
    }
    template <typename T>
    cluster::Result<T> await(const std::function<void(cluster::Callback<T>)>& ask) {
        std::optional<cluster::Result<T>> answer;
        ask([&](cluster::Result<T> result) { answer = std::move(result); });
        EXPECT_FALSE(answer.has_value());
        EXPECT_TRUE(loop.runUntil([&] { return answer.has_value(); }, 20s));
        return answer.value_or(cluster::Result<T>::failure("no answer"));
    }
    using Allocation = std::optional<cluster::AllocateResponse>;
    cluster::Result<Allocation> allocate() {
        return await<Allocation>([&](auto reply) { connection->allocate({"0"}, std::move(reply)); });
    }
    // Lets whatever is still under way arrive.
    void settle() {
        bool over = false;
        loop.after(50ms, [&] { over = true; });
        loop.runUntil([&] { return over; }, 5s);
    }

    testing::TemporaryDirectory directory;
    const std::string socket = directory.path() + "/p.sock";
    clock::RealLoop loop;
    testing::ScriptedPlugin scripted;
    std::unique_ptr<GrpcDevicePlugin> connection;
    void connect() { connection = std::make_unique<GrpcDevicePlugin>(plugin::connectUnix(socket), loop); }
};

TEST_F(GrpcDevicePluginTest, AsksAllThatAPluginCanAnswer) {
    connect();
    const auto options = await<cluster::DevicePluginOptions>([&](auto reply) { connection->options(std::move(reply)); });
    ASSERT_TRUE(options);
    EXPECT_TRUE(options.value->preStartRequired);
    EXPECT_TRUE(options.value->preferredAllocationAvailable);
    const auto preferred = await<std::vector<std::string>>([&](auto reply) {
        connection->preferredAllocation({"a", "b", "c"}, {"x"}, 2, std::move(reply));
    });
    EXPECT_THAT(preferred.value.value(), ElementsAre("x", "c"));
    EXPECT_TRUE(await<cluster::Done>([&](auto reply) { connection->preStartContainer({"a"}, std::move(reply)); }));
    EXPECT_EQ(await<cluster::Done>([&](auto reply) { connection->preStartContainer({}, std::move(reply)); }).error,
              "rpc error: code = InvalidArgument desc = no ids");
}

TEST_F(GrpcDevicePluginTest, AllocateKeepsEveryFieldOfTheAnswer) {
    auto* container = scripted.allocateResponse.add_container_responses();
    (*container->mutable_envs())["PCIDEVICE"] = "0000:af:00.1";
    auto* mount = container->add_mounts();
    mount->set_container_path("/c");
    mount->set_host_path("/h");
    mount->set_read_only(true);
    auto* device = container->add_devices();
    device->set_container_path("/dev/a");
    device->set_host_path("/dev/b");
    device->set_permissions("rw");
    (*container->mutable_annotations())["k"] = "v";
    container->add_cdi_devices()->set_name("nvidia.com/net-rdma=0");
    connect();
    const auto result = allocate();
    ASSERT_TRUE(result && *result.value);
    const cluster::AllocateResponse& response = **result.value;
    EXPECT_EQ(response.envs.at("PCIDEVICE"), "0000:af:00.1");
    EXPECT_THAT(response.mounts, ElementsAre(cluster::DeviceMount{"/c", "/h", true}));
    EXPECT_THAT(response.devices, ElementsAre(cluster::DeviceSpec{"/dev/a", "/dev/b", "rw"}));
    EXPECT_EQ(response.annotations.at("k"), "v");
    EXPECT_THAT(response.cdiDevices, ElementsAre("nvidia.com/net-rdma=0"));
}

TEST_F(GrpcDevicePluginTest, AnAnswerWithoutContainersIsASuccessWithNothingInside) {
    connect();
    const auto result = allocate();
    ASSERT_TRUE(result);
    EXPECT_FALSE(result.value->has_value());
}

TEST_F(GrpcDevicePluginTest, AnErrorOfThePluginReadsAsInGo) {
    scripted.allocateStatus = {grpc::StatusCode::UNKNOWN, "cant create container annotation: devices list is empty"};
    connect();
    EXPECT_EQ(allocate().error, "rpc error: code = Unknown desc = cant create container annotation: devices list is empty");
}

TEST_F(GrpcDevicePluginTest, ListsCarryHealthAndTopologyAndTheEndIsToldOnce) {
    scripted.devices = {{"a", "Healthy"}, {"b", "Unhealthy"}};
    connect();
    std::vector<std::vector<cluster::PluginDevice>> lists;
    std::vector<std::string> ends;
    connection->listAndWatch([&](auto list) { lists.push_back(std::move(list)); }, [&](auto why) { ends.push_back(why); });
    ASSERT_TRUE(loop.runUntil([&] { return !lists.empty(); }, 20s));
    EXPECT_THAT(lists[0], ElementsAre(cluster::PluginDevice{"a", "Healthy", {1}}, cluster::PluginDevice{"b", "Unhealthy", {1}}));
    scripted.stop();
    ASSERT_TRUE(loop.runUntil([&] { return !ends.empty(); }, 20s));
    settle();
    EXPECT_EQ(ends.size(), 1u);
    EXPECT_THAT(allocate().error, StartsWith("rpc error: code = Unavailable")); // and there is no way back
}

TEST_F(GrpcDevicePluginTest, DestroyingItSilencesWhatIsInFlight) {
    scripted.holdAllocate(true);
    connect();
    int callbacks = 0;
    connection->listAndWatch([&](auto) { ++callbacks; }, [&](auto) { ++callbacks; });
    ASSERT_TRUE(loop.runUntil([&] { return callbacks == 1; }, 20s));
    connection->allocate({"0"}, [&](auto) { ++callbacks; });
    ASSERT_TRUE(testing::awaitOutside(loop, [&] { return scripted.allocateCalls() == 1; }));
    connection.reset();
    scripted.holdAllocate(false);
    settle();
    EXPECT_EQ(callbacks, 1);
}

TEST_F(GrpcDevicePluginTest, TheLoopMayGoBeforeGrpcHasFinished) {
    auto shortLived = std::make_unique<clock::RealLoop>();
    scripted.holdAllocate(true);
    auto plugin = std::make_unique<GrpcDevicePlugin>(plugin::connectUnix(socket), *shortLived);
    plugin->allocate({"0"}, [](auto) { FAIL(); });
    plugin->listAndWatch([](auto) {}, [](auto) { FAIL(); });
    plugin.reset();
    shortLived.reset();
    scripted.holdAllocate(false);
    settle();
}

TEST_F(GrpcDevicePluginTest, ItMayBeDestroyedInItsOwnCallback) {
    connect();
    bool ended = false;
    connection->listAndWatch(
        [&](auto) {
            connection.reset();
            ended = true;
        },
        [](auto) { FAIL(); });
    EXPECT_TRUE(loop.runUntil([&] { return ended; }, 20s));
    settle();
}

TEST_F(GrpcDevicePluginTest, DisconnectEndsTheStream) {
    connect();
    bool listed = false, ended = false;
    connection->listAndWatch([&](auto) { listed = true; }, [&](auto) { ended = true; });
    ASSERT_TRUE(loop.runUntil([&] { return listed; }, 20s));
    connection->disconnect();
    EXPECT_TRUE(loop.runUntil([&] { return ended; }, 20s));
}

TEST_F(GrpcDevicePluginTest, AListenerThatNeverAnswersCountsAsNotDialled) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    const UniqueFd other(ends[1]);
    UniqueFd mine(ends[0]);
    GrpcDevicePlugin mute(std::move(mine), loop, 50ms);
    EXPECT_EQ(await<cluster::DevicePluginOptions>([&](auto reply) { mute.options(std::move(reply)); }).error,
              "failed to dial device plugin: context deadline exceeded");
}

} // namespace
} // namespace rdmalab::harness
