// The RDMA shared device plugin called in-process: the kubelet's view of one of its resources, without sockets.
#pragma once

#include "sim/cluster/device_plugin.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace rdmalab::clock {
class EventLoop;
}
namespace rdmalab::plugin {
class RdmaSharedPlugin;
}

namespace rdmalab::harness {

// One resource of a plugin. Lives on the loop's thread; works with any loop, so a VirtualLoop gives the same order each run.
class DirectDevicePlugin final : public cluster::DevicePluginConnection {
public:
    // The plugin is shared by the connections to its resources. `resource` is an index into plugin.resources().
    DirectDevicePlugin(std::shared_ptr<plugin::RdmaSharedPlugin> plugin, std::size_t resource, clock::EventLoop& loop);
    ~DirectDevicePlugin() override;

    void options(cluster::Callback<cluster::DevicePluginOptions> reply) override;
    void listAndWatch(std::function<void(std::vector<cluster::PluginDevice>)> onList,
                      std::function<void(std::string)> onEnd) override;
    void preferredAllocation(const std::vector<std::string>& available, const std::vector<std::string>& mustInclude, int size,
                             cluster::Callback<std::vector<std::string>> reply) override;
    void allocate(const std::vector<std::string>& ids,
                  cluster::Callback<std::optional<cluster::AllocateResponse>> reply) override;
    void preStartContainer(const std::vector<std::string>& ids, cluster::Callback<cluster::Done> reply) override;

    // Sends the resource's present list again, as the plugin does after rediscover() named this resource.
    void pushList();
    // The plugin's process died: the stream ends and every later call fails.
    void endStream(const std::string& reason);

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace rdmalab::harness
