// A device plugin behind a unix socket, as the kubelet uses it.
#pragma once

#include "sim/cluster/device_plugin.h"
#include "util/unique_fd.h"

#include <chrono>
#include <memory>

namespace rdmalab::clock {
class EventLoop;
}

namespace rdmalab::harness {

// Used on the loop's thread only. Callbacks are posted to the loop; errors read as Go prints them
// (`rpc error: code = Unavailable desc = ...`). Destroying it cancels what is in flight and silences every callback.
class GrpcDevicePlugin final : public cluster::DevicePluginConnection {
public:
    // `socket` is connected to the plugin. `optionsLimit`: a plugin that accepts connections but does not answer counts as one
    // that cannot be dialled (`failed to dial device plugin: context deadline exceeded`).
    GrpcDevicePlugin(UniqueFd socket, clock::EventLoop& loop, std::chrono::nanoseconds optionsLimit = std::chrono::seconds(10));
    ~GrpcDevicePlugin() override;

    void options(cluster::Callback<cluster::DevicePluginOptions> reply) override;
    void listAndWatch(std::function<void(std::vector<cluster::PluginDevice>)> onList,
                      std::function<void(std::string)> onEnd) override;
    void preferredAllocation(const std::vector<std::string>& available, const std::vector<std::string>& mustInclude, int size,
                             cluster::Callback<std::vector<std::string>> reply) override;
    void allocate(const std::vector<std::string>& ids,
                  cluster::Callback<std::optional<cluster::AllocateResponse>> reply) override;
    void preStartContainer(const std::vector<std::string>& ids, cluster::Callback<cluster::Done> reply) override;

    // Ends the stream and everything in flight; callbacks still come, with an error.
    void disconnect();

private:
    class Core;
    std::shared_ptr<Core> core_;
};

} // namespace rdmalab::harness
