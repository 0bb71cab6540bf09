// The sockets of the RDMA shared device plugin: one gRPC server for each resource, and its registration at the kubelet.
// Behaviour: spec device-plugins.md section 2.5; the plugin's own socket is watched with inotify instead of every 5 s.
#pragma once

#include "plugins/device/rdma_shared/rdma_shared_plugin.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace rdmalab::plugin {

struct KubeletPaths {
    std::string registry = "/var/lib/kubelet/plugins_registry";    // exists: the kubelet finds the socket by itself
    std::string devicePlugins = "/var/lib/kubelet/device-plugins"; // else: Register at kubelet.sock here
};

// Used on the thread that runs `io`.
class RdmaSharedServer {
public:
    RdmaSharedServer(boost::asio::io_context& io, RsdpResource resource, const KubeletPaths& paths, bool watcherMode,
                     PluginLog log);
    RdmaSharedServer(const RdmaSharedServer&) = delete;
    RdmaSharedServer& operator=(const RdmaSharedServer&) = delete;
    ~RdmaSharedServer(); // stops without a word

    // `done("")` when it serves and, in legacy mode, is registered; otherwise why not, as upstream says it.
    void start(std::function<void(const std::string& error)> done);
    void restart();
    void stop(); // ends streams and removes the socket
    void update(RsdpResource resource);

private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

// All resources of one plugin, with its periodic look at the host.
class RdmaSharedServers {
public:
    RdmaSharedServers(boost::asio::io_context& io, RdmaSharedPlugin& plugin, const KubeletPaths& paths, PluginLog log);
    RdmaSharedServers(const RdmaSharedServers&) = delete;
    RdmaSharedServers& operator=(const RdmaSharedServers&) = delete;
    ~RdmaSharedServers();

    // One after the other; `onFatal` gets the last line of the log when one of them cannot start.
    void start(std::function<void(const std::string&)> onFatal);
    void restart();
    void stop();
    void updateNow(); // what the timer does each config().updateInterval

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace rdmalab::plugin
