#include "harness/kubelet/kubelet_services.h"

#include "harness/kubelet/grpc_device_plugin.h"
#include "harness/kubelet/kubelet_server.h"
#include "harness/kubelet/loop_gate.h"
#include "harness/kubelet/plugin_watcher.h"
#include "harness/kubelet/unix_dialer.h"
#include "sim/clock/real_loop.h"
#include "util/syscall.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

namespace rdmalab::harness {

namespace {

const std::string nodeView = "/var/lib/kubelet"; // what the plugins on the node call the directory

void makeDirectory(const std::string& path, unsigned mode) {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        throw SystemError("mkdir " + path, errno);
    checked("chmod " + path, ::chmod(path.c_str(), mode));
}

void removeSockets(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        if (entry.symlink_status().type() == std::filesystem::file_type::socket)
            std::filesystem::remove(entry.path());
}

} // namespace

class KubeletServices::Impl {
public:
    Impl(std::string directory, clock::RealLoop& loop, const KubeletOptions& options)
        : directory_(std::move(directory)), loop_(loop), options_(options) {}

    void start(const cluster::NodeHost::RegistrationHandler& handler, PodResourcesProvider podResources) {
        stop();
        std::filesystem::create_directories(directory_);
        const std::string plugins = directory_ + "/device-plugins", registry = directory_ + "/plugins_registry",
                          podResourcesDirectory = directory_ + "/pod-resources";
        makeDirectory(plugins, 0750);
        makeDirectory(podResourcesDirectory, 0750);
        removeSockets(plugins);

        auto run = std::make_shared<Run>();
        run->gate = std::make_shared<LoopGate>(loop_);
        run->server = std::make_unique<KubeletServer>(plugins + "/kubelet.sock", podResourcesDirectory + "/kubelet.sock",
                                                      run->gate, handler, std::move(podResources));
        if (options_.pluginsRegistry) {
            makeDirectory(registry, 0750);
            run->watcher = std::make_unique<PluginWatcher>(registry, nodeView + "/plugins_registry", loop_, options_, handler,
                                                           [this](const std::string& endpoint) { disconnect(endpoint); });
        }
        run_ = std::move(run);
    }

    void stop() {
        if (!run_)
            return;
        const auto run = std::exchange(run_, nullptr);
        run->gate->close();
        run->watcher.reset();
        run->server.reset();
        for (const auto& [endpoint, weak] : run->connections)
            if (const auto connection = weak.lock())
                connection->disconnect();
    }

    void connect(const std::string& endpoint, cluster::Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) {
        using Answer = cluster::Result<std::shared_ptr<cluster::DevicePluginConnection>>;
        if (!run_) {
            loop_.post(
                [reply = std::move(reply)] { reply(Answer::failure("failed to dial device plugin: kubelet is not running")); });
            return;
        }
        // The reply must come even when the kubelet stops meanwhile, so the dial is owned by its own callback.
        auto token = std::make_shared<int>();
        dialUnix(loop_, here(endpoint), options_.dial, token,
                 [this, token, endpoint, weakRun = std::weak_ptr(run_), alive = std::weak_ptr(alive_),
                  reply = std::move(reply)](const cluster::Result<std::shared_ptr<UniqueFd>>& socket) {
                     if (!socket)
                         return reply(Answer::failure("failed to dial device plugin: " + socket.error));
                     const auto run = weakRun.lock();
                     if (alive.expired() || !run)
                         return reply(Answer::failure("failed to dial device plugin: context canceled"));
                     auto plugin = std::make_shared<GrpcDevicePlugin>(std::move(**socket.value), loop_, options_.dial);
                     std::erase_if(run->connections, [](const auto& entry) { return entry.second.expired(); });
                     run->connections.emplace(endpoint, plugin);
                     reply(Answer::success(std::move(plugin)));
                 });
    }

private:
    // From start to stop.
    struct Run {
        std::shared_ptr<LoopGate> gate;
        std::unique_ptr<KubeletServer> server;
        std::unique_ptr<PluginWatcher> watcher;
        std::multimap<std::string, std::weak_ptr<GrpcDevicePlugin>> connections; // by endpoint
    };

    void disconnect(const std::string& endpoint) {
        if (!run_)
            return;
        const auto [first, last] = run_->connections.equal_range(endpoint);
        for (auto at = first; at != last; ++at)
            if (const auto connection = at->second.lock())
                connection->disconnect();
        run_->connections.erase(first, last);
    }

    // The node's path as this process sees it.
    std::string here(const std::string& endpoint) const {
        if (endpoint.starts_with(nodeView + "/"))
            return directory_ + endpoint.substr(nodeView.size());
        if (endpoint.starts_with('/'))
            return endpoint;
        return directory_ + "/device-plugins/" + endpoint;
    }

    std::string directory_;
    clock::RealLoop& loop_;
    KubeletOptions options_;
    std::shared_ptr<Run> run_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(); // expires with this object
};

KubeletServices::KubeletServices(std::string directory, clock::RealLoop& loop, KubeletOptions options)
    : impl_(std::make_unique<Impl>(std::move(directory), loop, options)) {}

KubeletServices::~KubeletServices() {
    impl_->stop();
}

void KubeletServices::start(cluster::NodeHost::RegistrationHandler handler, PodResourcesProvider podResources) {
    impl_->start(handler, std::move(podResources));
}
void KubeletServices::stop() {
    impl_->stop();
}
void KubeletServices::connectDevicePlugin(const std::string& endpoint,
                                          cluster::Callback<std::shared_ptr<cluster::DevicePluginConnection>> reply) {
    impl_->connect(endpoint, std::move(reply));
}

} // namespace rdmalab::harness
