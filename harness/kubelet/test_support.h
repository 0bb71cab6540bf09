// For the tests of this room: a directory, a plugin in a thread of its own, a plugin that can misbehave, and a kubelet that keeps
// what it is told.
#pragma once

#include "harness/kubelet/kubelet_services.h"
#include "plugins/device/api/deviceplugin_v1beta1.grpc.pb.h"
#include "plugins/device/api/pluginregistration_v1.grpc.pb.h"
#include "plugins/device/grpc/rdma_shared_server.h"
#include "plugins/device/testing/fake_host.h"
#include "sim/clock/real_loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <thread>

namespace rdmalab::harness::testing {

// Runs the loop until `done()`, which may depend on other threads: it is asked again every 2 ms.
inline bool awaitOutside(clock::RealLoop& loop, const std::function<bool()>& done) {
    const auto end = loop.now() + std::chrono::seconds(20);
    while (!loop.runUntil(done, std::chrono::milliseconds(2)))
        if (loop.now() > end)
            return false;
    return true;
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/kubeXXXXXX";
        if (::mkdtemp(name) == nullptr)
            throw SystemError("mkdtemp", errno);
        path_ = name;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// The RDMA shared device plugin on a fake host, in its own thread. `names` are its resources, each with `count` devices.
class PluginThread {
public:
    PluginThread(const std::string& kubeletDirectory, const std::vector<std::string>& names, int count) {
        host.connectX5("0000:af:00.0", "ens6f0np0", "mlx5_0", 0, false);
        plugin::RsdpConfig config;
        config.updateInterval = std::chrono::seconds(0);
        for (const std::string& name : names)
            config.resources.push_back({name, "spidernet.io", count, {{"15b3"}, {}, {}, {}, {}}});
        const plugin::PluginLog log = [this](const std::string& line) {
            const std::lock_guard lock(mutex_);
            lines_.push_back(line);
        };
        plugin_ = std::make_unique<plugin::RdmaSharedPlugin>(std::move(config), plugin::RsdpRelease::current, host.files,
                                                             host.kernel, log);
        const plugin::KubeletPaths paths{kubeletDirectory + "/plugins_registry", kubeletDirectory + "/device-plugins"};
        servers_ = std::make_unique<plugin::RdmaSharedServers>(io_, *plugin_, paths, log);
        boost::asio::post(io_, [this] { servers_->start([this](const std::string& line) { fatal_.set_value(line); }); });
        thread_ = std::thread([this] { io_.run(); });
    }
    ~PluginThread() { stop(); }

    // Runs `action` on the plugin's thread and waits for it.
    void on(const std::function<void(plugin::RdmaSharedServers&)>& action) {
        std::promise<void> done;
        boost::asio::post(io_, [&] {
            action(*servers_);
            done.set_value();
        });
        done.get_future().wait();
    }
    void stop() { // as at SIGTERM
        if (!thread_.joinable())
            return;
        on([](plugin::RdmaSharedServers& servers) { servers.stop(); });
        end();
    }
    void end() {
        work_.reset();
        io_.stop();
        thread_.join();
        servers_.reset();
    }
    std::string fatal() { return fatal_.get_future().get(); }
    bool logged(const std::string& part) {
        const std::lock_guard lock(mutex_);
        for (const std::string& line : lines_)
            if (line.find(part) != std::string::npos)
                return true;
        return false;
    }

    plugin::testing::FakeHost host; // touched on the plugin's thread once it runs

private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
    boost::asio::io_context io_{1};
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_{io_.get_executor()};
    std::promise<std::string> fatal_;
    std::unique_ptr<plugin::RdmaSharedPlugin> plugin_;
    std::unique_ptr<plugin::RdmaSharedServers> servers_;
    std::thread thread_;
};

// A device plugin whose every answer is chosen by the test.
class ScriptedPlugin final : public v1beta1::DevicePlugin::Service, public pluginregistration::Registration::Service {
public:
    pluginregistration::PluginInfo info;
    std::vector<std::pair<std::string, std::string>> devices = {{"0", "Healthy"}};
    grpc::Status allocateStatus;
    v1beta1::AllocateResponse allocateResponse;

    ScriptedPlugin() {
        info.set_type("DevicePlugin");
        info.set_name("example.com/dev");
        info.add_supported_versions("v1beta1");
    }
    ~ScriptedPlugin() override { stop(); }

    void serve(const std::string& socket) {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
        builder.RegisterService(static_cast<v1beta1::DevicePlugin::Service*>(this));
        builder.RegisterService(static_cast<pluginregistration::Registration::Service*>(this));
        server_ = builder.BuildAndStart();
    }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        if (server_)
            server_->Shutdown(std::chrono::system_clock::now());
        server_.reset();
    }
    // What NotifyRegistrationStatus said, in order; "" = registered.
    std::vector<std::string> statuses() {
        const std::lock_guard lock(mutex_);
        return statuses_;
    }
    void holdAllocate(bool hold) {
        {
            const std::lock_guard lock(mutex_);
            hold_ = hold;
        }
        changed_.notify_all();
    }
    int allocateCalls() {
        const std::lock_guard lock(mutex_);
        return allocateCalls_;
    }

    grpc::Status GetInfo(grpc::ServerContext*, const pluginregistration::InfoRequest*,
                         pluginregistration::PluginInfo* response) override {
        *response = info;
        return grpc::Status::OK;
    }
    grpc::Status NotifyRegistrationStatus(grpc::ServerContext*, const pluginregistration::RegistrationStatus* request,
                                          pluginregistration::RegistrationStatusResponse*) override {
        const std::lock_guard lock(mutex_);
        statuses_.push_back(request->plugin_registered() ? "" : request->error());
        return grpc::Status::OK;
    }
    grpc::Status GetDevicePluginOptions(grpc::ServerContext*, const v1beta1::Empty*,
                                        v1beta1::DevicePluginOptions* response) override {
        response->set_pre_start_required(true);
        response->set_get_preferred_allocation_available(true);
        return grpc::Status::OK;
    }
    grpc::Status ListAndWatch(grpc::ServerContext* context, const v1beta1::Empty*,
                              grpc::ServerWriter<v1beta1::ListAndWatchResponse>* writer) override {
        v1beta1::ListAndWatchResponse response;
        for (const auto& [id, health] : devices) {
            auto* device = response.add_devices();
            device->set_id(id);
            device->set_health(health);
            device->mutable_topology()->add_nodes()->set_id(1);
        }
        writer->Write(response);
        std::unique_lock lock(mutex_);
        while (!stopping_ && !context->IsCancelled())
            changed_.wait_for(lock, std::chrono::milliseconds(20));
        return grpc::Status::OK;
    }
    grpc::Status GetPreferredAllocation(grpc::ServerContext*, const v1beta1::PreferredAllocationRequest* request,
                                        v1beta1::PreferredAllocationResponse* response) override {
        const auto& asked = request->container_requests(0);
        auto* answer = response->add_container_responses();
        for (const auto& id : asked.must_include_deviceids())
            answer->add_deviceids(id);
        for (int i = asked.available_deviceids_size() - 1; i >= 0 && answer->deviceids_size() < asked.allocation_size(); --i)
            answer->add_deviceids(asked.available_deviceids(i));
        return grpc::Status::OK;
    }
    grpc::Status Allocate(grpc::ServerContext*, const v1beta1::AllocateRequest*, v1beta1::AllocateResponse* response) override {
        std::unique_lock lock(mutex_);
        ++allocateCalls_;
        changed_.wait(lock, [this] { return !hold_ || stopping_; });
        *response = allocateResponse;
        return allocateStatus;
    }
    grpc::Status PreStartContainer(grpc::ServerContext*, const v1beta1::PreStartContainerRequest* request,
                                   v1beta1::PreStartContainerResponse*) override {
        if (request->devices_ids_size() == 0)
            return {grpc::StatusCode::INVALID_ARGUMENT, "no ids"};
        return grpc::Status::OK;
    }

private:
    std::unique_ptr<grpc::Server> server_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> statuses_;
    bool hold_ = false, stopping_ = false;
    int allocateCalls_ = 0;
};

// The kubelet of one node: dials what registers and keeps lists, ends and requests.
class TestKubelet {
public:
    TestKubelet(const std::string& directory, clock::RealLoop& loop, KubeletOptions options = {})
        : services(directory, loop, options) {}

    void start() {
        services.start([this](const cluster::RegisterRequest& request,
                              cluster::Callback<cluster::Done> reply) { enroll(request, std::move(reply)); },
                       podResources);
    }

    struct Resource {
        std::shared_ptr<cluster::DevicePluginConnection> connection;
        std::vector<std::vector<cluster::PluginDevice>> lists;
        std::vector<std::string> ends;
        int registrations = 0;
    };

    KubeletServices services;
    PodResourcesProvider podResources;
    std::vector<cluster::RegisterRequest> requests;
    std::map<std::string, Resource> resources;
    std::string refusal; // when set, every registration is refused with these words
    std::string dialError;

private:
    void enroll(const cluster::RegisterRequest& request, cluster::Callback<cluster::Done> reply) {
        requests.push_back(request);
        if (request.version != "v1beta1")
            return reply(cluster::Result<cluster::Done>::failure("requested API version \"" + request.version +
                                                                 "\" is not supported by kubelet. Supported version is "
                                                                 "[\"v1beta1\"]"));
        if (!refusal.empty())
            return reply(cluster::Result<cluster::Done>::failure(refusal));
        services.connectDevicePlugin(
            request.endpoint,
            [this, request, reply](const cluster::Result<std::shared_ptr<cluster::DevicePluginConnection>>& result) {
                if (!result) {
                    dialError = result.error;
                    return reply(cluster::Result<cluster::Done>::failure(result.error));
                }
                Resource& resource = resources[request.resourceName];
                resource.connection = *result.value;
                ++resource.registrations;
                resource.connection->listAndWatch(
                    [this, name = request.resourceName](std::vector<cluster::PluginDevice> list) {
                        resources[name].lists.push_back(std::move(list));
                    },
                    [this, name = request.resourceName](const std::string& why) { resources[name].ends.push_back(why); });
                reply(cluster::Result<cluster::Done>::success({}));
            });
    }
};

} // namespace rdmalab::harness::testing
