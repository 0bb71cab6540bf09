// What every plugin does around its own commands: environment, versions, error output (cni pkg/skel; spec/cni.md 1.1).
#pragma once

#include "plugins/cni/protocol/cni_error.h"
#include "plugins/cni/protocol/plugin.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

// One command as the plugin gets it; all values are validated.
struct CniRequest {
    std::string containerId, netns, ifName, args, path;
    const std::string& input;
    const std::map<std::string, std::string>& environment;
    CniServices& services;
    std::string* errors = nullptr; // standard error

    std::vector<std::string> pluginDirectories() const; // CNI_PATH
};

// Returns what goes to standard output. A CniError is printed as it is, any other exception becomes code 999.
using CniCommand = std::string (*)(const CniRequest&);

struct CniCommands {
    CniCommand add = nullptr, del = nullptr, check = nullptr, gc = nullptr, status = nullptr; // nullptr succeeds silently
    std::vector<std::string> versions;                                                        // supported, oldest first
    std::string about;
};

CniOutcome runCniCommand(const CniCommands& commands, const CniInvocation& invocation, CniServices& services);

// nullopt = valid.
std::optional<CniError> validateContainerId(const std::string& id);
std::optional<CniError> validateInterfaceName(const std::string& name);
std::optional<CniError> validateNetworkName(const std::string& name);

} // namespace rdmalab::plugin
