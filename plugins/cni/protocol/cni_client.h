// The runtime's side of CNI: runs the plugins of a network and keeps the result cache (libcni api.go; spec/cni.md 1.2, 1.4, 1.6).
#pragma once

#include "plugins/cni/protocol/cni_error.h"
#include "plugins/cni/protocol/network_config.h"
#include "plugins/cni/protocol/plugin.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rdmalab::plugin {

// One container's attachment to one network.
struct CniAttachment {
    std::string containerId, netns, ifName;
    std::vector<std::pair<std::string, std::string>> args; // CNI_ARGS, in this order
    std::string capabilityArgs;                            // JSON object; empty = none
};

// Errors: CniError. `what()` is libcni's text, e.g. `plugin type="macvlan" name="n" failed (add): Link not found`; code and
// details are those of the plugin.
class CniClient {
public:
    struct Options {
        std::vector<std::string> binDirs{"/opt/cni/bin"};
        std::string cacheDir = "/var/lib/cni";
        std::map<std::string, std::string> environment; // what plugins inherit, besides CNI_*
    };
    CniClient(Files& files, CniExec& exec, Options options);

    // The result of the last plugin, as it was printed (with cniVersion).
    std::string addNetworkList(const NetworkConfigList& list, const CniAttachment& attachment);
    void delNetworkList(const NetworkConfigList& list, const CniAttachment& attachment);
    void checkNetworkList(const NetworkConfigList& list, const CniAttachment& attachment);
    // Deletes every cached attachment of the network but those in `valid`, then tells the plugins (>= 1.1.0).
    void gcNetworkList(const NetworkConfigList& list, const std::vector<CniAttachment>& valid);
    void statusNetworkList(const NetworkConfigList& list);

    // A single plugin with the list's name and version: the first of `list`. Errors come without the `plugin type=` prefix.
    std::string addNetwork(const NetworkConfigList& list, const CniAttachment& attachment);
    void delNetwork(const NetworkConfigList& list, const CniAttachment& attachment);

    // nullopt when nothing is cached.
    std::optional<std::string> cachedResult(const std::string& network, const CniAttachment& attachment);
    void replaceCachedResult(const std::string& network, const CniAttachment& attachment, const std::string& result);

private:
    std::string cachePath(const std::string& network, const CniAttachment& attachment) const;
    void writeCache(const NetworkConfigList& list, const CniAttachment& attachment, const std::string& result);
    std::string input(const NetworkConfigList& list, const NetworkPlugin& plugin, const CniAttachment& attachment,
                      const std::optional<std::string>& prevResult) const;
    CniInvocation invocation(const std::string& command, const CniAttachment& attachment, std::string config) const;
    std::string run(const std::string& command, const NetworkConfigList& list, const NetworkPlugin& plugin,
                    const CniAttachment& attachment, const std::optional<std::string>& prevResult);
    std::optional<std::string> prevResultForDelete(const NetworkConfigList& list, const CniAttachment& attachment);

    Files& files_;
    CniExec& exec_;
    Options options_;
};

} // namespace rdmalab::plugin
