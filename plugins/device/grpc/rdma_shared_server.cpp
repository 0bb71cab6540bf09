#include "plugins/device/grpc/rdma_shared_server.h"

#include "plugins/device/grpc/rdma_shared_service.h"
#include "plugins/device/grpc/unix_channel.h"
#include "util/syscall.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>

namespace rdmalab::plugin {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// Lets gRPC's threads hand work to the io_context, as long as somebody wants it.
class IoGate {
public:
    explicit IoGate(asio::io_context& io) : io_(&io) {}
    void post(std::function<void()> action) {
        const std::lock_guard lock(mutex_);
        if (io_ != nullptr)
            asio::post(*io_, std::move(action));
    }
    void close() {
        const std::lock_guard lock(mutex_);
        io_ = nullptr;
    }

private:
    std::mutex mutex_;
    asio::io_context* io_; // guarded by mutex_
};

bool isSocket(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

// Why a socket cannot be bound at `path`; gRPC does not tell.
std::string whyNotBound(const std::string& path) {
    int code = EADDRINUSE;
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        code = EINVAL;
    else if (::access(path.substr(0, path.rfind('/')).c_str(), W_OK) != 0)
        code = errno;
    return fmt::format("listen unix {}: bind: {}", path, goErrnoText(code));
}

// Reports the names that appear in and vanish from a directory.
class DirectoryWatch {
public:
    using OnEvent = std::function<void(const std::string& name, bool appeared)>;

    DirectoryWatch(asio::io_context& io, const std::string& path, OnEvent onEvent)
        : stream_(io, checked("inotify_init1", ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK))), onEvent_(std::move(onEvent)) {
        checked("inotify_add_watch " + path,
                ::inotify_add_watch(stream_.native_handle(), path.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM));
    }
    // `owner` keeps this alive while a read is under way.
    void listen(const std::shared_ptr<DirectoryWatch>& self) {
        stream_.async_read_some(asio::buffer(buffer_), [self](const boost::system::error_code& error, std::size_t size) {
            if (error || self->closed_)
                return;
            for (std::size_t at = 0; at + sizeof(inotify_event) <= size && !self->closed_;) {
                const auto* event = reinterpret_cast<const inotify_event*>(self->buffer_.data() + at);
                if (event->len > 0)
                    self->onEvent_(event->name, (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0);
                at += sizeof(inotify_event) + event->len;
            }
            if (!self->closed_)
                self->listen(self);
        });
    }
    void close() {
        closed_ = true;
        boost::system::error_code ignored;
        stream_.close(ignored);
    }

private:
    asio::posix::stream_descriptor stream_;
    OnEvent onEvent_;
    bool closed_ = false;
    alignas(inotify_event) std::array<char, 4096> buffer_{};
};

} // namespace

class RdmaSharedServer::Impl : public std::enable_shared_from_this<RdmaSharedServer::Impl> {
public:
    Impl(asio::io_context& io, RsdpResource resource, const KubeletPaths& paths, bool watcherMode, PluginLog log)
        : io_(io), resource_(std::move(resource)), kubeletSocket_(paths.devicePlugins + "/kubelet.sock"),
          directory_(watcherMode ? paths.registry : paths.devicePlugins), path_(directory_ + "/" + resource_.socketName),
          watcherMode_(watcherMode), log_(std::move(log)), gate_(std::make_shared<IoGate>(io)), retry_(io) {}

    void start(std::function<void(const std::string&)> done) {
        starting_ = std::move(done);
        everStarted_ = true;
        if (const auto error = serve(); !error.empty())
            started(error);
        else if (watcherMode_)
            started("");
        else
            registerNow();
    }

    void restart() {
        if (!everStarted_)
            return; // its turn comes
        log_(fmt::format("restarting {} device plugin server...", resource_.fullName));
        endServer();
        retry_.cancel();
        if (registering_)
            std::exchange(registering_, nullptr)->context.TryCancel();
        restartOnce();
    }

    void stop() {
        log_(fmt::format("stopping {} device plugin server...", resource_.fullName));
        shutdown();
    }

    void shutdown() {
        gate_->close();
        retry_.cancel();
        if (watch_)
            std::exchange(watch_, nullptr)->close();
        if (registering_)
            registering_->context.TryCancel();
        endServer();
        stopped_ = true;
    }

    void update(RsdpResource resource) {
        resource_ = std::move(resource);
        if (service_)
            service_->update(resource_);
    }

private:
    struct RegisterCall {
        explicit RegisterCall(UniqueFd socket) : stub(v1beta1::Registration::NewStub(channelOver(std::move(socket)))) {}
        grpc::ClientContext context;
        v1beta1::RegisterRequest request;
        v1beta1::Empty response;
        std::unique_ptr<v1beta1::Registration::Stub> stub;
    };

    std::string serve() {
        log_(fmt::format("starting {} device plugin endpoint at: {}", resource_.fullName, resource_.socketName));
        keepGrpcThreads();
        service_ = std::make_unique<RdmaSharedService>(resource_, log_);
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
        builder.RegisterService(service_.get());
        if (watcherMode_) {
            registration_ = std::make_unique<RegistrationService>(
                resource_.fullName, path_, [this, gate = gate_, weak = weak_from_this()](bool registered, std::string error) {
                    gate->post([this, weak, registered, error = std::move(error)] {
                        if (const auto self = weak.lock())
                            registrationStatus(registered, error);
                    });
                });
            builder.RegisterService(registration_.get());
        }
        if (path_.size() >= sizeof(sockaddr_un::sun_path) || !(server_ = builder.BuildAndStart())) {
            endServer();
            return whyNotBound(path_);
        }
        log_(resource_.fullName + " device plugin endpoint started serving");
        return "";
    }

    void endServer() {
        if (server_)
            server_->Shutdown(std::chrono::system_clock::now()); // open streams are cancelled; gRPC removes the socket
        server_.reset();
        registration_.reset();
        service_.reset();
    }

    void registrationStatus(bool registered, const std::string& error) {
        if (registered) {
            log_(resource_.socketName + " gets registered successfully at Kubelet ");
        } else {
            // As upstream: whatever the message says, the server stops for good.
            log_(fmt::format("{} failed to be registered at Kubelet: {}; restarting.", resource_.socketName, error));
            endServer();
        }
    }

    void registerAtKubelet(std::function<void(const std::string&)> done) {
        try {
            registering_ = std::make_shared<RegisterCall>(connectUnix(kubeletSocket_));
        } catch (const SystemError& e) {
            done(fmt::format(
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial "
                "unix {}: connect: {}\"",
                kubeletSocket_, goErrnoText(e.code())));
            return;
        }
        const auto call = registering_;
        call->request.set_version("v1beta1");
        call->request.set_endpoint(resource_.socketName);
        call->request.set_resource_name(resource_.fullName);
        // No deadline, as upstream. The call object lives in its own callback.
        call->stub->async()->Register(
            &call->context, &call->request, &call->response,
            [call, gate = gate_, self = weak_from_this(), done = std::move(done)](const grpc::Status& status) {
                gate->post([call, self, done, status] {
                    if (const auto alive = self.lock(); alive && alive->registering_ == call) {
                        alive->registering_.reset();
                        done(status.ok() ? "" : goRpcError(status));
                    }
                });
            });
    }

    // The kubelet deletes every socket of the directory when it starts; that is the only sign a legacy plugin gets.
    void watchOwnSocket() {
        if (watch_)
            watch_->close(); // the directory may be another one by now
        openWatch();
        if (server_ && !isSocket(path_)) // it went while Register was under way
            restart();
    }

    void openWatch() {
        watch_ = std::make_shared<DirectoryWatch>(io_, directory_, [this](const std::string& name, bool appeared) {
            if (stopped_)
                return;
            if (name == resource_.socketName && !appeared && server_ && !isSocket(path_)) {
                log_("warning: server endpoint not found " + resource_.socketName);
                log_("warning: most likely Kubelet restarted");
                restart();
            } else if (name == "kubelet.sock" && appeared && waitingForKubelet_) {
                attempts_ = 0; // it exists, but may not be listening for another moment
                retrySoon(milliseconds(0));
            }
        });
        watch_->listen(watch_);
    }

    void restartOnce() {
        if (stopped_)
            return;
        waitingForKubelet_ = false;
        if (!server_)
            if (const auto error = serve(); !error.empty())
                return starting_ ? started(error) : failed(error);
        if (watcherMode_)
            return;
        registerNow();
    }

    void registerNow() {
        registerAtKubelet([this](const std::string& error) {
            if (!error.empty()) {
                if (!starting_)
                    return failed(error);
                endServer();
                return started(error);
            }
            attempts_ = 0;
            watchOwnSocket();
            if (starting_)
                started("");
        });
    }

    // A restart may come before the first registration was answered; whichever succeeds first counts as the start.
    void started(const std::string& error) { std::exchange(starting_, nullptr)(error); }

    void failed(const std::string& error) {
        constexpr int quickAttempts = 100;
        waitingForKubelet_ = true;
        if (attempts_ == 0)
            log_("error: unable to restart server " + error);
        retrySoon(++attempts_ < quickAttempts ? milliseconds(10) : milliseconds(5000));
    }

    void retrySoon(milliseconds delay) {
        retry_.expires_after(delay);
        retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            if (const auto self = weak.lock(); self && !error)
                self->restartOnce();
        });
    }

    asio::io_context& io_;
    RsdpResource resource_;
    std::string kubeletSocket_, directory_, path_;
    bool watcherMode_, everStarted_ = false, waitingForKubelet_ = false, stopped_ = false;
    int attempts_ = 0; // failed ones since the last success
    PluginLog log_;
    std::shared_ptr<IoGate> gate_;
    std::function<void(const std::string&)> starting_; // until start() is answered
    asio::steady_timer retry_;
    std::shared_ptr<DirectoryWatch> watch_;
    std::shared_ptr<RegisterCall> registering_;
    std::unique_ptr<RdmaSharedService> service_;
    std::unique_ptr<RegistrationService> registration_;
    std::unique_ptr<grpc::Server> server_;
};

RdmaSharedServer::RdmaSharedServer(asio::io_context& io, RsdpResource resource, const KubeletPaths& paths, bool watcherMode,
                                   PluginLog log)
    : impl_(std::make_shared<Impl>(io, std::move(resource), paths, watcherMode, std::move(log))) {}

RdmaSharedServer::~RdmaSharedServer() {
    impl_->shutdown();
}

void RdmaSharedServer::start(std::function<void(const std::string&)> done) {
    impl_->start(std::move(done));
}
void RdmaSharedServer::restart() {
    impl_->restart();
}
void RdmaSharedServer::stop() {
    impl_->stop();
}
void RdmaSharedServer::update(RsdpResource resource) {
    impl_->update(std::move(resource));
}

struct RdmaSharedServers::State {
    State(asio::io_context& io, RdmaSharedPlugin& rdmaPlugin, PluginLog pluginLog)
        : plugin(rdmaPlugin), log(std::move(pluginLog)), timer(io) {}

    // Starts the server `index` and, when it is up, the next.
    void startFrom(std::size_t index, const std::shared_ptr<State>& self, std::function<void(const std::string&)> onFatal) {
        if (index == servers.size()) {
            armTimer(self);
            log("All servers started.");
            log("Listening for term signals");
            return;
        }
        servers[index]->start([weak = std::weak_ptr(self), index, onFatal = std::move(onFatal)](const std::string& error) {
            const auto state = weak.lock();
            if (!state || state->stopped)
                return;
            if (error.empty())
                state->startFrom(index + 1, state, onFatal);
            else
                onFatal("Error: starting resource servers " + error);
        });
    }

    void armTimer(const std::shared_ptr<State>& self) {
        if (plugin.config().updateInterval.count() == 0)
            return;
        timer.expires_after(plugin.config().updateInterval);
        timer.async_wait([weak = std::weak_ptr(self)](const boost::system::error_code& error) {
            const auto state = weak.lock();
            if (!state || error || state->stopped)
                return;
            state->updateNow();
            state->armTimer(state);
        });
    }

    void updateNow() {
        for (const std::size_t index : plugin.rediscover())
            servers[index]->update(plugin.resources()[index]);
    }

    RdmaSharedPlugin& plugin;
    PluginLog log;
    asio::steady_timer timer;
    std::vector<std::unique_ptr<RdmaSharedServer>> servers;
    bool stopped = false;
};

RdmaSharedServers::RdmaSharedServers(asio::io_context& io, RdmaSharedPlugin& plugin, const KubeletPaths& paths, PluginLog log)
    : state_(std::make_shared<State>(io, plugin, log)) {
    struct stat status {};
    const bool watcherMode = ::stat(paths.registry.c_str(), &status) == 0;
    log(watcherMode ? "Using Kubelet Plugin Registry Mode" : "Using Deprecated Devie Plugin Registry Path");
    for (const RsdpResource& resource : plugin.resources())
        state_->servers.push_back(std::make_unique<RdmaSharedServer>(io, resource, paths, watcherMode, log));
}

RdmaSharedServers::~RdmaSharedServers() {
    state_->stopped = true;
}

void RdmaSharedServers::start(std::function<void(const std::string&)> onFatal) {
    state_->log("Starting all servers...");
    state_->startFrom(0, state_, std::move(onFatal));
}

void RdmaSharedServers::restart() {
    for (const auto& server : state_->servers)
        server->restart();
}

void RdmaSharedServers::stop() {
    state_->stopped = true;
    state_->timer.cancel();
    for (const auto& server : state_->servers)
        server->stop();
}

void RdmaSharedServers::updateNow() {
    state_->updateNow();
}

} // namespace rdmalab::plugin
