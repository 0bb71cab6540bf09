// A CNI plugin as a function from (environment, standard input) to (exit status, standard output, standard error).
// The `main` of each executable and every other caller go through the same function.
#pragma once

#include "plugins/http/http.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;
class Kernel;
class KubeClient;

struct CniInvocation {
    std::map<std::string, std::string> environment; // CNI_COMMAND, CNI_CONTAINERID, ... and whatever is inherited
    std::string input;                              // network configuration
};

struct CniOutcome {
    int exitStatus = 0; // -N: killed by signal N
    std::string output; // result or error JSON
    std::string errors; // standard error
};

// Finds and runs other plugins (libcni pkg/invoke). The real one executes files.
class CniExec {
public:
    CniExec() = default;
    CniExec(const CniExec&) = delete;
    CniExec& operator=(const CniExec&) = delete;
    virtual ~CniExec() = default;
    // Full path of the plugin, or empty when no directory has it (only regular files count; the executable bit is not tested).
    virtual std::string find(const std::string& type, const std::vector<std::string>& directories) = 0;
    virtual CniOutcome run(const std::string& path, const CniInvocation& invocation) = 0;
};

// Everything outside of the plugin's own logic.
struct CniServices {
    Kernel& kernel; // the plugin's own namespace (the node's)
    Files& files;   // the node's file system
    CniExec& exec;
    UnixHttpClient http;
    std::function<std::unique_ptr<KubeClient>(const std::string& kubeconfigPath)> kube;
    // Empty = the machine's own clock.
    std::function<std::chrono::system_clock::time_point()> now = {};
    std::function<void(std::chrono::milliseconds)> sleep = {};
};

using CniPlugin = CniOutcome (*)(const CniInvocation&, CniServices&);

CniOutcome macvlanMain(const CniInvocation& invocation, CniServices& services);
CniOutcome spiderpoolMain(const CniInvocation& invocation, CniServices& services);
CniOutcome coordinatorMain(const CniInvocation& invocation, CniServices& services);
CniOutcome multusMain(const CniInvocation& invocation, CniServices& services);

} // namespace rdmalab::plugin
