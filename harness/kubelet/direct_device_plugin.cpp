#include "harness/kubelet/direct_device_plugin.h"

#include "plugins/device/rdma_shared/rdma_shared_plugin.h"
#include "sim/clock/event_loop.h"

namespace rdmalab::harness {

using cluster::Callback;
using cluster::Result;

struct DirectDevicePlugin::State {
    std::shared_ptr<plugin::RdmaSharedPlugin> plugin;
    std::size_t resource;
    clock::EventLoop& loop;
    bool destroyed = false;
    bool streaming = false;
    std::string endReason; // why the plugin is dead; empty = alive
    std::function<void(std::vector<cluster::PluginDevice>)> onList;
    std::function<void(std::string)> onEnd;

    const plugin::RsdpResource& about() const { return plugin->resources()[resource]; }
};

namespace {

// Answers from the loop, unless the connection is gone or the plugin dead by then.
template <typename T, typename State, typename Answer>
void answer(const std::shared_ptr<State>& state, Callback<T> reply, Answer value) {
    state->loop.post([state, reply = std::move(reply), value = std::move(value)] {
        if (state->destroyed)
            return;
        if (state->endReason.empty())
            reply(Result<T>::success(value()));
        else
            reply(Result<T>::failure("rpc error: code = Unavailable desc = " + state->endReason));
    });
}

} // namespace

DirectDevicePlugin::DirectDevicePlugin(std::shared_ptr<plugin::RdmaSharedPlugin> plugin, std::size_t resource,
                                       clock::EventLoop& loop)
    : state_(std::make_shared<State>(State{std::move(plugin), resource, loop, {}, {}, {}, {}, {}})) {}

DirectDevicePlugin::~DirectDevicePlugin() {
    state_->destroyed = true;
    state_->onList = nullptr;
    state_->onEnd = nullptr;
}

void DirectDevicePlugin::options(Callback<cluster::DevicePluginOptions> reply) {
    answer(state_, std::move(reply), [] { return cluster::DevicePluginOptions{}; });
}

void DirectDevicePlugin::listAndWatch(std::function<void(std::vector<cluster::PluginDevice>)> onList,
                                      std::function<void(std::string)> onEnd) {
    state_->streaming = true;
    state_->onList = std::move(onList);
    state_->onEnd = std::move(onEnd);
    if (state_->endReason.empty())
        pushList();
    else
        endStream(std::string(state_->endReason));
}

void DirectDevicePlugin::pushList() {
    if (!state_->streaming)
        return;
    // The list is taken when it is sent, as by the real plugin.
    std::vector<cluster::PluginDevice> devices;
    for (std::int64_t id = 0; id < state_->about().deviceCount; ++id)
        devices.push_back({std::to_string(id), "Healthy", {}});
    state_->loop.post([state = state_, devices = std::move(devices)]() mutable {
        if (state->destroyed || !state->streaming)
            return;
        const auto onList = state->onList; // a copy: the receiver may destroy the connection
        onList(std::move(devices));
    });
}

void DirectDevicePlugin::endStream(const std::string& reason) {
    if (state_->endReason.empty())
        state_->endReason = reason;
    if (!state_->streaming)
        return;
    state_->streaming = false;
    state_->loop.post([state = state_, reason] {
        if (state->destroyed || !state->onEnd)
            return;
        const auto onEnd = std::exchange(state->onEnd, nullptr);
        onEnd("rpc error: code = Unavailable desc = " + reason);
    });
}

void DirectDevicePlugin::preferredAllocation(const std::vector<std::string>&, const std::vector<std::string>&, int,
                                             Callback<std::vector<std::string>> reply) {
    answer(state_, std::move(reply), [] { return std::vector<std::string>{}; });
}

void DirectDevicePlugin::allocate(const std::vector<std::string>&, Callback<std::optional<cluster::AllocateResponse>> reply) {
    answer(state_, std::move(reply), [state = state_.get()] {
        cluster::AllocateResponse response;
        for (const std::string& node : state->about().nodes)
            response.devices.push_back({node, node, "rwm"});
        return std::optional(std::move(response));
    });
}

void DirectDevicePlugin::preStartContainer(const std::vector<std::string>&, Callback<cluster::Done> reply) {
    answer(state_, std::move(reply), [] { return cluster::Done{}; });
}

} // namespace rdmalab::harness
