#include "harness/kubelet/plugin_watcher.h"

#include "harness/kubelet/unix_dialer.h"
#include "plugins/device/api/pluginregistration_v1.grpc.pb.h"
#include "plugins/device/grpc/unix_channel.h"
#include "sim/clock/real_loop.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace rdmalab::harness {

namespace {

template <typename Request, typename Response>
struct Call {
    grpc::ClientContext context;
    Request request;
    Response response;
};
using InfoCall = Call<pluginregistration::InfoRequest, pluginregistration::PluginInfo>;
using StatusCall = Call<pluginregistration::RegistrationStatus, pluginregistration::RegistrationStatusResponse>;

std::chrono::system_clock::time_point in(clock::Duration limit) {
    return std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(limit);
}

bool isSocket(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

} // namespace

struct PluginWatcher::Plugin {
    std::string fileName, path;
    std::unique_ptr<pluginregistration::Registration::Stub> stub;
    std::string endpoint; // set when registered
    clock::Duration pause{};
    clock::EventLoop::TimerId retryTimer{};
};

PluginWatcher::PluginWatcher(std::string directory, std::string nodeDirectory, clock::RealLoop& loop,
                             const KubeletOptions& options, cluster::NodeHost::RegistrationHandler handler,
                             std::function<void(const std::string&)> onRemoved)
    : directory_(std::move(directory)), nodeDirectory_(std::move(nodeDirectory)), loop_(loop), options_(options),
      handler_(std::move(handler)), onRemoved_(std::move(onRemoved)), gate_(std::make_shared<LoopGate>(loop)),
      inotify_(checked("inotify_init1", ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK))) {
    checked("inotify_add_watch " + directory_,
            ::inotify_add_watch(inotify_.get(), directory_.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM));
    loop_.watch(inotify_.get(), [this] { readEvents(); });
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
        appeared(entry.path().filename().string());
}

PluginWatcher::~PluginWatcher() {
    loop_.unwatch(inotify_.get());
    gate_->close();
    for (const auto& [name, plugin] : plugins_)
        loop_.cancel(plugin->retryTimer);
}

void PluginWatcher::readEvents() {
    alignas(inotify_event) char buffer[4096];
    for (;;) {
        const auto size = ::read(inotify_.get(), buffer, sizeof buffer);
        if (size <= 0)
            return; // EAGAIN: all read
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += sizeof(inotify_event) + event->len;
            if (event->len == 0)
                continue;
            if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
                appeared(event->name);
            else
                removed(event->name);
        }
    }
}

void PluginWatcher::appeared(const std::string& name) {
    const std::string path = directory_ + "/" + name;
    if (name.starts_with('.') || !isSocket(path))
        return;
    removed(name); // made anew over the old one
    auto plugin = std::make_shared<Plugin>();
    plugin->fileName = name;
    plugin->path = path;
    plugin->pause = options_.retry;
    plugins_[name] = plugin;
    connect(plugin);
}

void PluginWatcher::removed(const std::string& name) {
    const auto node = plugins_.extract(name);
    if (!node)
        return;
    loop_.cancel(node.mapped()->retryTimer);
    if (!node.mapped()->endpoint.empty())
        onRemoved_(node.mapped()->endpoint);
}

// Every step below holds the plugin weakly: when its socket goes, so does what was under way.

void PluginWatcher::connect(const std::shared_ptr<Plugin>& plugin) {
    dialUnix(loop_, plugin->path, options_.dial, plugin,
             [this, weak = std::weak_ptr(plugin)](const cluster::Result<std::shared_ptr<UniqueFd>>& socket) {
                 const auto self = weak.lock();
                 if (!self)
                     return;
                 if (!socket)
                     return retry(self);
                 self->stub = pluginregistration::Registration::NewStub(plugin::channelOver(std::move(**socket.value)));
                 getInfo(self);
             });
}

void PluginWatcher::getInfo(const std::shared_ptr<Plugin>& plugin) {
    auto call = std::make_shared<InfoCall>();
    call->context.set_deadline(in(options_.getInfo));
    plugin->stub->async()->GetInfo(&call->context, &call->request, &call->response,
                                   [this, gate = gate_, call, weak = std::weak_ptr(plugin)](const grpc::Status& status) {
                                       gate->post([this, call, weak, status] {
                                           const auto self = weak.lock();
                                           if (!self)
                                               return;
                                           if (!status.ok())
                                               return retry(self); // nobody to tell
                                           const auto& info = call->response;
                                           enroll(self, info.type(), info.name(), info.endpoint(),
                                                  {info.supported_versions().begin(), info.supported_versions().end()});
                                       });
                                   });
}

void PluginWatcher::enroll(const std::shared_ptr<Plugin>& plugin, const std::string& type, const std::string& name,
                           const std::string& endpoint, const std::vector<std::string>& versions) {
    const std::string nodePath = nodeDirectory_ + "/" + plugin->fileName;
    if (type != "DevicePlugin")
        return notify(plugin, fmt::format("RegisterPlugin error -- no handler registered for plugin type: {} at socket {}", type,
                                          nodePath));
    if (std::find(versions.begin(), versions.end(), "v1beta1") == versions.end())
        return notify(plugin,
                      fmt::format("RegisterPlugin error -- plugin validation failed with err: manager version, v1beta1, is "
                                  "not among plugin supported versions [{}]",
                                  fmt::join(versions, " ")));
    const std::string where = endpoint.empty() ? nodePath : endpoint;
    handler_({"v1beta1", where, name},
             [this, gate = gate_, weak = std::weak_ptr(plugin), where](const cluster::Result<cluster::Done>& result) {
                 // Through the gate: the handler may answer after this watcher has gone.
                 gate->post([this, weak, where, result] {
                     const auto self = weak.lock();
                     if (!self)
                         return;
                     if (result) {
                         self->endpoint = where;
                         return notify(self, "");
                     }
                     // Upstream checks the name here, before its device manager is asked, and words it so.
                     const bool badName = result.error.starts_with("the ResourceName ");
                     notify(self, fmt::format("RegisterPlugin error -- plugin {}{}",
                                              badName ? "validation failed with err: invalid name of device plugin socket: "
                                                      : "registration failed with err: ",
                                              result.error));
                 });
             });
}

void PluginWatcher::notify(const std::shared_ptr<Plugin>& plugin, const std::string& error) {
    auto call = std::make_shared<StatusCall>();
    call->context.set_deadline(in(options_.notify));
    call->request.set_plugin_registered(error.empty());
    call->request.set_error(error);
    plugin->stub->async()->NotifyRegistrationStatus(
        &call->context, &call->request, &call->response,
        [this, gate = gate_, call, weak = std::weak_ptr(plugin), failed = !error.empty()](const grpc::Status&) {
            gate->post([this, weak, failed] {
                if (const auto self = weak.lock(); self && failed)
                    retry(self);
            });
        });
}

void PluginWatcher::retry(const std::shared_ptr<Plugin>& plugin) {
    plugin->stub.reset();
    plugin->retryTimer = loop_.after(plugin->pause, [this, weak = std::weak_ptr(plugin)] {
        if (const auto self = weak.lock(); self && isSocket(self->path))
            connect(self);
    });
    plugin->pause = std::min<clock::Duration>(plugin->pause * 2, std::chrono::seconds(122)); // goroutinemap's longest pause
}

} // namespace rdmalab::harness
