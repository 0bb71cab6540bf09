// Running another plugin (cni pkg/invoke; spec/cni.md 1.4).
#pragma once

#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/plugin.h"

#include <map>
#include <string>
#include <vector>

namespace rdmalab::plugin {

struct CniRequest;

// Throws std::runtime_error: `failed to find plugin "X" in path [..]`, `invalid plugin name: X` and the like.
std::string findPlugin(CniExec& exec, const std::string& type, const std::vector<std::string>& directories);

// Standard output of a plugin that succeeded. Throws CniError: the plugin's own, or one that describes how it failed.
std::string execPlugin(CniExec& exec, const std::string& path, const CniInvocation& invocation);

// ADD through execPlugin: the result object, with `cniVersion` filled in from the configuration when the plugin left it out.
std::string execPluginWithResult(CniExec& exec, const std::string& path, const CniInvocation& invocation);

// The IPAM plugin gets the caller's input and environment with another CNI_COMMAND.
CniResult ipamAdd(const CniRequest& request, const std::string& type);
void ipamDelete(const CniRequest& request, const std::string& type);
void ipamCheck(const CniRequest& request, const std::string& type);

} // namespace rdmalab::plugin
