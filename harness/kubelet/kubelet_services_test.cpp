#include "harness/kubelet/test_support.h"
#include "plugins/device/api/podresources_v1.grpc.pb.h"
#include "plugins/device/grpc/unix_channel.h"

#include <gmock/gmock.h>
#include <grpcpp/channel.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

namespace rdmalab::harness {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PluginThread;
using testing::ScriptedPlugin;
using ::testing::StartsWith;
using testing::TestKubelet;

const std::string hca = "spidernet.io/hca";

// A socket file that nobody listens on.
void bindOnly(const std::string& path) {
    const UniqueFd fd(checked("socket", ::socket(AF_UNIX, SOCK_STREAM, 0)));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    checked("bind", ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

class KubeletServicesTest : public ::testing::Test {
protected:
    bool await(const std::function<bool()>& done) { return testing::awaitOutside(loop, done); }
    const std::string& dir() const { return directory.path(); }
    std::string plugins() const { return dir() + "/device-plugins"; }
    std::string registry() const { return dir() + "/plugins_registry"; }
    std::size_t lists(TestKubelet& kubelet) { return kubelet.resources[hca].lists.size(); }

    // Register as a legacy plugin would; the answer's future, so that the loop can run meanwhile.
    std::future<grpc::Status> registerPlugin(const std::string& version, const std::string& endpoint, const std::string& name) {
        return std::async(std::launch::async, [socket = plugins() + "/kubelet.sock", version, endpoint, name] {
            const auto stub = v1beta1::Registration::NewStub(plugin::channelOver(plugin::connectUnix(socket)));
            grpc::ClientContext context;
            v1beta1::RegisterRequest request;
            request.set_version(version);
            request.set_endpoint(endpoint);
            request.set_resource_name(name);
            v1beta1::Empty response;
            return stub->Register(&context, request, &response);
        });
    }
    grpc::Status finish(std::future<grpc::Status>& answer) {
        testing::awaitOutside(loop, [&] { return answer.wait_for(0s) == std::future_status::ready; });
        return answer.get();
    }

    testing::TemporaryDirectory directory;
    clock::RealLoop loop;
    KubeletOptions legacy = [] {
        KubeletOptions options;
        options.pluginsRegistry = false;
        return options;
    }();
};

TEST_F(KubeletServicesTest, StartRemovesOldSocketsAndNothingElse) {
    std::filesystem::create_directories(plugins() + "/subdirectory");
    std::ofstream(plugins() + "/kubelet_internal_checkpoint") << "{}";
    bindOnly(plugins() + "/old.sock");
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    EXPECT_FALSE(std::filesystem::exists(plugins() + "/old.sock"));
    EXPECT_TRUE(std::filesystem::exists(plugins() + "/subdirectory"));
    EXPECT_TRUE(std::filesystem::exists(plugins() + "/kubelet_internal_checkpoint"));
    EXPECT_TRUE(std::filesystem::is_socket(plugins() + "/kubelet.sock"));
    EXPECT_TRUE(std::filesystem::is_socket(dir() + "/pod-resources/kubelet.sock"));
    struct stat status {};
    ASSERT_EQ(::stat(plugins().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0750u);
}

TEST_F(KubeletServicesTest, StopRemovesTheKubeletsSocketsAndRestartMakesThemAgain) {
    TestKubelet kubelet(dir(), loop);
    for (int round = 0; round < 3; ++round) {
        kubelet.start();
        EXPECT_TRUE(std::filesystem::is_socket(plugins() + "/kubelet.sock"));
        kubelet.services.stop();
        EXPECT_FALSE(std::filesystem::exists(plugins() + "/kubelet.sock"));
    }
}

TEST_F(KubeletServicesTest, ThePluginRegistersThroughTheRegistry) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    PluginThread plugin(dir(), {"hca"}, 3);
    ASSERT_TRUE(await([&] { return lists(kubelet) == 1 && plugin.logged("gets registered successfully"); }));
    EXPECT_EQ(kubelet.requests[0].version, "v1beta1");
    EXPECT_EQ(kubelet.requests[0].resourceName, hca);
    EXPECT_EQ(kubelet.requests[0].endpoint, registry() + "/hca.sock");
    EXPECT_THAT(kubelet.resources[hca].lists[0],
                ElementsAre(cluster::PluginDevice{"0", "Healthy", {}}, cluster::PluginDevice{"1", "Healthy", {}},
                            cluster::PluginDevice{"2", "Healthy", {}}));
    EXPECT_TRUE(plugin.logged("Using Kubelet Plugin Registry Mode"));
}

TEST_F(KubeletServicesTest, WithoutARegistryThePluginCallsRegister) {
    TestKubelet kubelet(dir(), loop, legacy);
    kubelet.start();
    PluginThread plugin(dir(), {"hca"}, 500);
    ASSERT_TRUE(await([&] { return lists(kubelet) == 1; }));
    EXPECT_EQ(kubelet.requests[0].endpoint, "hca.sock");
    EXPECT_EQ(kubelet.resources[hca].lists[0].size(), 500u);
    EXPECT_TRUE(plugin.logged("Using Deprecated Devie Plugin Registry Path"));
}

TEST_F(KubeletServicesTest, APluginThatWasThereBeforeTheKubeletIsFound) {
    std::filesystem::create_directories(registry());
    PluginThread plugin(dir(), {"hca"}, 1);
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    EXPECT_TRUE(await([&] { return lists(kubelet) == 1; }));
}

TEST_F(KubeletServicesTest, AllResourcesOfAPluginRegister) {
    for (const bool watch : {true, false}) {
        testing::TemporaryDirectory other;
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(other.path(), loop, options);
        kubelet.start();
        std::vector<std::string> names;
        for (int i = 0; i < 20; ++i)
            names.push_back("hca" + std::to_string(i));
        PluginThread plugin(other.path(), names, 2);
        EXPECT_TRUE(await([&] {
            return kubelet.resources.size() == 20 && std::all_of(kubelet.resources.begin(), kubelet.resources.end(),
                                                                 [](const auto& entry) { return !entry.second.lists.empty(); });
        }));
    }
}

TEST_F(KubeletServicesTest, TwentyPluginsRegisterAtOnce) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    std::vector<std::unique_ptr<ScriptedPlugin>> scripted;
    std::vector<std::future<grpc::Status>> answers;
    for (int i = 0; i < 20; ++i) {
        const std::string socket = "p" + std::to_string(i) + ".sock";
        scripted.push_back(std::make_unique<ScriptedPlugin>());
        scripted.back()->serve(plugins() + "/" + socket);
        answers.push_back(registerPlugin("v1beta1", socket, "example.com/dev" + std::to_string(i)));
    }
    for (auto& answer : answers)
        EXPECT_TRUE(finish(answer).ok());
    EXPECT_TRUE(await([&] {
        return kubelet.resources.size() == 20 && std::all_of(kubelet.resources.begin(), kubelet.resources.end(),
                                                             [](const auto& entry) { return !entry.second.lists.empty(); });
    }));
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, ARefusalReachesTheCallerOfRegister) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    auto answer = registerPlugin("v1alpha1", "x.sock", "rdma/hca");
    const grpc::Status status = finish(answer);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNKNOWN);
    EXPECT_EQ(status.error_message(),
              "requested API version \"v1alpha1\" is not supported by kubelet. Supported version is [\"v1beta1\"]");

    kubelet.refusal = "the ResourceName \"rdma/hca_\" is invalid";
    answer = registerPlugin("v1beta1", "x.sock", "rdma/hca_");
    EXPECT_EQ(finish(answer).error_message(), kubelet.refusal);
}

TEST_F(KubeletServicesTest, APluginThatDoesNotListenCannotBeDialled) {
    KubeletOptions options;
    options.dial = 50ms;
    TestKubelet kubelet(dir(), loop, options);
    kubelet.start();
    auto answer = registerPlugin("v1beta1", "nobody.sock", "rdma/hca");
    EXPECT_EQ(finish(answer).error_message(), "failed to dial device plugin: context deadline exceeded");
}

TEST_F(KubeletServicesTest, APluginThatListensALittleLaterIsDialled) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    auto answer = registerPlugin("v1beta1", "late.sock", "rdma/hca");
    ASSERT_TRUE(await([&] { return !kubelet.requests.empty(); }));
    ScriptedPlugin plugin;
    plugin.serve(plugins() + "/late.sock");
    EXPECT_TRUE(finish(answer).ok());
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, APluginThatRegistersWithoutAKubeletIsFatal) {
    std::filesystem::create_directories(plugins());
    PluginThread plugin(dir(), {"hca"}, 1);
    EXPECT_EQ(plugin.fatal(), "Error: starting resource servers rpc error: code = Unavailable desc = connection error: desc = "
                              "\"transport: Error while dialing: dial unix " +
                                  plugins() + "/kubelet.sock: connect: no such file or directory\"");
    EXPECT_FALSE(std::filesystem::exists(plugins() + "/hca.sock"));
}

TEST_F(KubeletServicesTest, ARefusedLegacyPluginIsFatal) {
    TestKubelet kubelet(dir(), loop, legacy);
    kubelet.refusal = "the ResourceName \"rdma/hca_\" is invalid";
    kubelet.start();
    PluginThread plugin(dir(), {"hca_"}, 1);
    auto fatal = std::async(std::launch::async, [&] { return plugin.fatal(); });
    testing::awaitOutside(loop, [&] { return fatal.wait_for(0s) == std::future_status::ready; });
    EXPECT_EQ(fatal.get(),
              "Error: starting resource servers rpc error: code = Unknown desc = the ResourceName \"rdma/hca_\" is invalid");
}

TEST_F(KubeletServicesTest, TheWatcherTellsThePluginWhatIsWrong) {
    struct Case {
        std::string type, version, refusal, status;
    };
    const Case cases[] = {
        {"DRAPlugin", "v1beta1", "",
         "RegisterPlugin error -- no handler registered for plugin type: DRAPlugin at socket "
         "/var/lib/kubelet/plugins_registry/p.sock"},
        {"DevicePlugin", "v1alpha1", "",
         "RegisterPlugin error -- plugin validation failed with err: manager version, v1beta1, is not among plugin supported "
         "versions "
         "[v1alpha1]"},
        {"DevicePlugin", "v1beta1", "the ResourceName \"hca\" is invalid",
         "RegisterPlugin error -- plugin validation failed with err: invalid name of device plugin socket: the ResourceName "
         "\"hca\" is "
         "invalid"},
        {"DevicePlugin", "v1beta1", "failed to dial device plugin: context deadline exceeded",
         "RegisterPlugin error -- plugin registration failed with err: failed to dial device plugin: context deadline exceeded"},
        {"DevicePlugin", "v1beta1", "", ""}};
    for (const Case& c : cases) {
        testing::TemporaryDirectory other;
        TestKubelet kubelet(other.path(), loop);
        kubelet.refusal = c.refusal;
        kubelet.start();
        ScriptedPlugin plugin;
        plugin.info.set_type(c.type);
        plugin.info.set_supported_versions(0, c.version);
        plugin.serve(other.path() + "/plugins_registry/p.sock");
        ASSERT_TRUE(testing::awaitOutside(loop, [&] { return !plugin.statuses().empty(); }));
        EXPECT_EQ(plugin.statuses()[0], c.status);
        kubelet.resources.clear();
    }
}

TEST_F(KubeletServicesTest, APluginWithoutAnEndpointIsReachedAtItsSocket) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    ScriptedPlugin plugin;
    plugin.serve(registry() + "/p.sock");
    ASSERT_TRUE(await([&] { return kubelet.resources["example.com/dev"].lists.size() == 1; }));
    EXPECT_EQ(kubelet.requests[0].endpoint, "/var/lib/kubelet/plugins_registry/p.sock"); // as the node calls it
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, HiddenSocketsAndPlainFilesAreIgnored) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    ScriptedPlugin hidden, seen;
    hidden.serve(registry() + "/.hidden.sock");
    std::ofstream(registry() + "/file.sock") << "";
    seen.serve(registry() + "/seen.sock");
    ASSERT_TRUE(await([&] { return !kubelet.requests.empty(); }));
    EXPECT_EQ(kubelet.requests[0].endpoint, "/var/lib/kubelet/plugins_registry/seen.sock");
    EXPECT_THAT(hidden.statuses(), IsEmpty());
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, AFailedWatcherRegistrationIsTriedAgain) {
    KubeletOptions options;
    options.retry = 10ms;
    TestKubelet kubelet(dir(), loop, options);
    kubelet.refusal = "not now";
    kubelet.start();
    ScriptedPlugin plugin;
    plugin.serve(registry() + "/p.sock");
    ASSERT_TRUE(await([&] { return kubelet.requests.size() >= 2; }));
    kubelet.refusal.clear();
    EXPECT_TRUE(await([&] { return kubelet.resources["example.com/dev"].lists.size() == 1; }));
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, TheRdmaPluginStopsForGoodWhenItIsRefused) {
    TestKubelet kubelet(dir(), loop);
    kubelet.refusal = "no";
    kubelet.start();
    PluginThread plugin(dir(), {"hca"}, 1);
    ASSERT_TRUE(await([&] {
        return plugin.logged(
                   "failed to be registered at Kubelet: RegisterPlugin error -- plugin registration failed with err: no") &&
               !std::filesystem::exists(registry() + "/hca.sock");
    }));
}

TEST_F(KubeletServicesTest, RemovingTheSocketFromTheRegistryEndsTheStream) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    ScriptedPlugin plugin;
    plugin.serve(registry() + "/p.sock");
    ASSERT_TRUE(await([&] { return kubelet.resources["example.com/dev"].lists.size() == 1; }));
    std::filesystem::remove(registry() + "/p.sock");
    EXPECT_TRUE(await([&] { return kubelet.resources["example.com/dev"].ends.size() == 1; }));
    kubelet.resources.clear();
}

TEST_F(KubeletServicesTest, EachListReplacesTheOneBefore) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    PluginThread plugin(dir(), {"hca"}, 3);
    ASSERT_TRUE(await([&] { return lists(kubelet) == 1; }));
    plugin.on([](plugin::RdmaSharedServers& servers) { servers.updateNow(); }); // nothing changed: nothing is sent
    plugin.on([&](plugin::RdmaSharedServers& servers) {
        plugin.host.files.removeTree("/sys/class/infiniband_verbs");
        servers.updateNow();
    });
    ASSERT_TRUE(await([&] { return lists(kubelet) == 2; }));
    EXPECT_THAT(kubelet.resources[hca].lists[1], IsEmpty());
    plugin.on([&](plugin::RdmaSharedServers& servers) {
        plugin.host.files.file("/sys/class/infiniband_verbs/uverbs0/ibdev", "mlx5_0\n");
        servers.updateNow();
    });
    ASSERT_TRUE(await([&] { return lists(kubelet) == 3; }));
    EXPECT_EQ(kubelet.resources[hca].lists[2].size(), 3u);
}

TEST_F(KubeletServicesTest, AllocateGivesEveryNodeWhateverTheId) {
    TestKubelet kubelet(dir(), loop);
    kubelet.start();
    PluginThread plugin(dir(), {"hca"}, 3);
    ASSERT_TRUE(await([&] { return lists(kubelet) == 1; }));
    std::optional<cluster::Result<std::optional<cluster::AllocateResponse>>> answer;
    kubelet.resources[hca].connection->allocate({"no-such-id"}, [&](auto result) { answer = std::move(result); });
    EXPECT_FALSE(answer); // never from within the call
    ASSERT_TRUE(await([&] { return answer.has_value(); }));
    ASSERT_TRUE(*answer && *answer->value);
    EXPECT_THAT((*answer->value)->devices,
                ElementsAre(cluster::DeviceSpec{"/dev/infiniband/umad0", "/dev/infiniband/umad0", "rwm"},
                            cluster::DeviceSpec{"/dev/infiniband/uverbs0", "/dev/infiniband/uverbs0", "rwm"},
                            cluster::DeviceSpec{"/dev/infiniband/rdma_cm", "/dev/infiniband/rdma_cm", "rwm"}));
    EXPECT_THAT((*answer->value)->envs, IsEmpty());
}

TEST_F(KubeletServicesTest, AStoppedPluginEndsItsStreamAndLeavesNoSocket) {
    for (const bool watch : {true, false}) {
        testing::TemporaryDirectory other;
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(other.path(), loop, options);
        kubelet.start();
        PluginThread plugin(other.path(), {"hca"}, 3);
        ASSERT_TRUE(await([&] { return lists(kubelet) == 1; }));
        plugin.stop();
        EXPECT_TRUE(await([&] { return kubelet.resources[hca].ends.size() == 1; }));
        EXPECT_FALSE(std::filesystem::exists(other.path() + (watch ? "/plugins_registry/hca.sock" : "/device-plugins/hca.sock")));
    }
}

TEST_F(KubeletServicesTest, AfterAKubeletRestartThePluginIsThereAgain) {
    for (const bool watch : {true, false}) {
        testing::TemporaryDirectory other;
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(other.path(), loop, options);
        kubelet.start();
        PluginThread plugin(other.path(), {"hca", "second"}, 3);
        auto &first = kubelet.resources[hca], &second = kubelet.resources["spidernet.io/second"];
        ASSERT_TRUE(
            await([&] { return !first.lists.empty() && !second.lists.empty() && plugin.logged("All servers started."); }));
        for (int round = 0; round < 3; ++round) {
            const auto ends = first.ends.size();
            kubelet.services.stop();
            EXPECT_TRUE(await([&] { return first.ends.size() > ends; }));
            const auto firstLists = first.lists.size(), secondLists = second.lists.size();
            kubelet.start();
            // More than one list is no fault: an answer to Register that the stop cut off makes the plugin ask twice.
            ASSERT_TRUE(await([&] { return first.lists.size() > firstLists && second.lists.size() > secondLists; }));
            EXPECT_EQ(first.lists.back().size(), 3u);
        }
        EXPECT_EQ(plugin.logged("most likely Kubelet restarted"), !watch);
    }
}

TEST_F(KubeletServicesTest, ARestartOfThePluginsServersRegistersAgain) {
    for (const bool watch : {true, false}) {
        testing::TemporaryDirectory other;
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(other.path(), loop, options);
        kubelet.start();
        PluginThread plugin(other.path(), {"hca"}, 3);
        ASSERT_TRUE(await([&] { return lists(kubelet) == 1; }));
        plugin.on([](plugin::RdmaSharedServers& servers) { servers.restart(); }); // SIGHUP
        EXPECT_TRUE(await([&] { return kubelet.resources[hca].registrations == 2 && lists(kubelet) == 2; }));
    }
}

TEST_F(KubeletServicesTest, ARestartDuringTheFirstRegisterCountsAsTheStart) {
    KubeletServices services(dir(), loop, legacy);
    std::vector<cluster::Callback<cluster::Done>> replies;
    services.start([&](const cluster::RegisterRequest&, cluster::Callback<cluster::Done> reply) { replies.push_back(reply); },
                   {});
    PluginThread plugin(dir(), {"hca", "second"}, 1);
    ASSERT_TRUE(await([&] { return replies.size() == 1; }));
    plugin.on([](plugin::RdmaSharedServers& servers) { servers.restart(); });
    ASSERT_TRUE(await([&] { return replies.size() == 2; }));
    replies[1](cluster::Result<cluster::Done>::success({}));
    ASSERT_TRUE(await([&] { return replies.size() == 3; })); // now it is the second resource's turn
    replies[2](cluster::Result<cluster::Done>::success({}));
    EXPECT_TRUE(await([&] { return plugin.logged("All servers started."); }));
    replies[0](cluster::Result<cluster::Done>::success({}));
}

TEST_F(KubeletServicesTest, StoppingWithAnUnansweredRegisterEndsIt) {
    KubeletServices services(dir(), loop);
    cluster::Callback<cluster::Done> kept;
    services.start([&](const cluster::RegisterRequest&, cluster::Callback<cluster::Done> reply) { kept = std::move(reply); }, {});
    auto answer = registerPlugin("v1beta1", "x.sock", "rdma/hca");
    ASSERT_TRUE(await([&] { return kept != nullptr; }));
    services.stop();
    EXPECT_EQ(finish(answer).error_code(), grpc::StatusCode::UNAVAILABLE);
    kept(cluster::Result<cluster::Done>::success({})); // too late, and harmless
}

TEST_F(KubeletServicesTest, SeveralNodesLiveInOneProcess) {
    testing::TemporaryDirectory second;
    TestKubelet a(dir(), loop), b(second.path(), loop, legacy);
    a.start();
    b.start();
    PluginThread pluginA(dir(), {"hca"}, 3), pluginB(second.path(), {"hca"}, 7);
    ASSERT_TRUE(await([&] { return lists(a) == 1 && lists(b) == 1; }));
    EXPECT_EQ(a.resources[hca].lists[0].size(), 3u);
    EXPECT_EQ(b.resources[hca].lists[0].size(), 7u);
    a.services.stop();
    ASSERT_TRUE(await([&] { return a.resources[hca].ends.size() == 1; }));
    EXPECT_THAT(b.resources[hca].ends, IsEmpty());
}

TEST_F(KubeletServicesTest, PodResourcesComeFromTheProvider) {
    TestKubelet kubelet(dir(), loop);
    kubelet.podResources.pods = [] {
        return std::vector<PodResourcesPod>{{"p-3", "default", {{"c", {{"rdma/hca", {"7"}, {0}}}}}}};
    };
    kubelet.podResources.allocatable = [] { return std::vector<PodResourcesDevices>{{"rdma/hca", {"7", "8"}, {}}}; };
    kubelet.start();
    auto answer = std::async(std::launch::async, [&] {
        const auto stub =
            v1::PodResourcesLister::NewStub(plugin::channelOver(plugin::connectUnix(dir() + "/pod-resources/kubelet.sock")));
        v1::ListPodResourcesResponse list;
        v1::GetPodResourcesResponse one;
        v1::AllocatableResourcesResponse allocatable;
        grpc::ClientContext c1, c2, c3, c4;
        EXPECT_TRUE(stub->List(&c1, {}, &list).ok());
        EXPECT_TRUE(stub->GetAllocatableResources(&c2, {}, &allocatable).ok());
        v1::GetPodResourcesRequest request;
        request.set_pod_name("p-3");
        request.set_pod_namespace("default");
        EXPECT_TRUE(stub->Get(&c3, request, &one).ok());
        EXPECT_EQ(one.pod_resources().SerializeAsString(), list.pod_resources(0).SerializeAsString());
        EXPECT_EQ(allocatable.devices(0).device_ids_size(), 2);
        request.set_pod_name("other");
        EXPECT_EQ(stub->Get(&c4, request, &one).error_message(), "pod other in namespace default not found");
        return list.ShortDebugString();
    });
    testing::awaitOutside(loop, [&] { return answer.wait_for(0s) == std::future_status::ready; });
    EXPECT_EQ(answer.get(),
              "pod_resources { name: \"p-3\" namespace: \"default\" containers { name: \"c\" devices { resource_name: "
              "\"rdma/hca\" device_ids: \"7\" topology { nodes { } } } } }");
}

} // namespace
} // namespace rdmalab::harness
