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
class RdmaKernel;
class VfKernel;

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
    // The RDMA and the VF side of a namespace that `kernel` is or has opened. Empty = EOPNOTSUPP for whoever asks.
    std::function<std::unique_ptr<RdmaKernel>(Kernel& netns)> rdmaKernel = {};
    std::function<std::unique_ptr<VfKernel>(Kernel& netns)> vfKernel = {};
    // Holds the exclusive lock on a file, made when it is not there, as long as the object lives; null when somebody else had it
    // for all of `patience`. Throws SystemError. Empty = calls never overlap.
    std::function<std::shared_ptr<void>(const std::string& path, std::chrono::milliseconds patience)> lockFile = {};
};

// `rdmaKernel` and `vfKernel`, or KernelError EOPNOTSUPP; the clock of `now` and `sleep`.
std::unique_ptr<RdmaKernel> rdmaKernelOf(CniServices& services, Kernel& netns);
std::unique_ptr<VfKernel> vfKernelOf(CniServices& services, Kernel& netns);
std::chrono::system_clock::time_point timeNow(const CniServices& services);
void sleepFor(const CniServices& services, std::chrono::milliseconds time);

using CniPlugin = CniOutcome (*)(const CniInvocation&, CniServices&);

CniOutcome macvlanMain(const CniInvocation& invocation, CniServices& services);
CniOutcome spiderpoolMain(const CniInvocation& invocation, CniServices& services);
CniOutcome coordinatorMain(const CniInvocation& invocation, CniServices& services);
CniOutcome multusMain(const CniInvocation& invocation, CniServices& services);
CniOutcome sriovMain(const CniInvocation& invocation, CniServices& services);
CniOutcome rdmaMain(const CniInvocation& invocation, CniServices& services);

} // namespace rdmalab::plugin
