// kubelet's plugin watcher: registers each device plugin whose socket appears in plugins_registry.
// Upstream: pkg/kubelet/pluginmanager (pluginwatcher, operationexecutor).
#pragma once

#include "harness/kubelet/kubelet_services.h"
#include "harness/kubelet/loop_gate.h"
#include "util/unique_fd.h"

#include <map>
#include <memory>
#include <string>

namespace rdmalab::harness {

class PluginWatcher {
public:
    // `directory` as this process sees it, `nodeDirectory` as the plugin does. Sockets that are there already count as new.
    // `onRemoved(endpoint)` when a registered plugin's socket is removed. Throws SystemError.
    PluginWatcher(std::string directory, std::string nodeDirectory, clock::RealLoop& loop, const KubeletOptions& options,
                  cluster::NodeHost::RegistrationHandler handler, std::function<void(const std::string&)> onRemoved);
    PluginWatcher(const PluginWatcher&) = delete;
    PluginWatcher& operator=(const PluginWatcher&) = delete;
    ~PluginWatcher();

private:
    struct Plugin; // one socket, from its appearance to its removal
    void readEvents();
    void appeared(const std::string& name);
    void removed(const std::string& name);
    void connect(const std::shared_ptr<Plugin>& plugin);
    void getInfo(const std::shared_ptr<Plugin>& plugin);
    void enroll(const std::shared_ptr<Plugin>& plugin, const std::string& type, const std::string& name,
                const std::string& endpoint, const std::vector<std::string>& versions);
    void notify(const std::shared_ptr<Plugin>& plugin, const std::string& error); // empty = registered
    void retry(const std::shared_ptr<Plugin>& plugin);

    std::string directory_, nodeDirectory_;
    clock::RealLoop& loop_;
    KubeletOptions options_;
    cluster::NodeHost::RegistrationHandler handler_;
    std::function<void(const std::string&)> onRemoved_;
    std::shared_ptr<LoopGate> gate_;
    UniqueFd inotify_;
    std::map<std::string, std::shared_ptr<Plugin>> plugins_; // by file name
};

} // namespace rdmalab::harness
