// What a run needs of a tier: a cluster on some kind of machines, and ways to look into and to disturb them.
#pragma once

#include "harness/scenario/scenario.h"
#include "sim/cluster/result.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::clock {
class EventLoop;
}
namespace rdmalab::cluster {
class Cluster;
}
namespace rdmalab::hardware {
class Machine;
}
namespace rdmalab::plugin {
class Files;
class Kernel;
} // namespace rdmalab::plugin

namespace rdmalab::harness {

// A place to look from: a node (podUid empty), or a container of a pod.
struct Inside {
    std::string node;
    std::string podNamespace, podName, podUid, container;
    bool isNode() const { return podUid.empty(); }
};

// What can be seen there.
struct View {
    plugin::Files& files;       // the container's, or the node's, file system
    plugin::Kernel& kernel;     // its network namespace
    plugin::Kernel& nodeKernel; // that of the node below
};

struct ExecResult {
    int exitCode = 0;
    std::string output, errors;
};

// `ok` tells whether packets went there and back; `detail` the first broken link, or how it was shown.
struct ReachResult {
    bool ok = false;
    std::string detail;
};

// All calls and callbacks are on the loop's thread.
class Tier {
public:
    Tier() = default;
    Tier(const Tier&) = delete;
    Tier& operator=(const Tier&) = delete;
    virtual ~Tier() = default;

    virtual scenario::Tier kind() const = 0;
    virtual clock::EventLoop& loop() = 0;
    virtual cluster::Cluster& cluster() = 0;

    // Empty when probes of this kind ("exec", "log", ...) can be performed, else the reason why not.
    virtual std::string cannotProbe(const std::string& kind) const = 0;
    // The same for the output of one container.
    virtual std::string cannotLog(const Inside& container) = 0;

    // Calls `look` with the view, valid during that call. Throws std::runtime_error when there is no such place (any more).
    virtual void look(const Inside& inside, const std::function<void(View&)>& look) = 0;
    virtual void exec(const Inside& inside, const std::vector<std::string>& argv, std::chrono::milliseconds timeout,
                      cluster::Callback<ExecResult> reply) = 0;
    virtual std::string log(const Inside& inside) = 0;
    virtual void reach(const Inside& from, const IpAddress& to, cluster::Callback<ReachResult> reply) = 0;

    // Faults. They throw std::runtime_error when there is nothing to disturb.
    virtual void killContainer(const Inside& container) = 0; // SIGKILL
    virtual void stopContainer(const Inside& container, int graceSeconds) = 0;
    virtual void setCharDevice(const std::string& node, const std::string& device, bool present) = 0;
    virtual void setLink(const std::string& node, const std::string& netdev, bool up) = 0;

    // Cards pulled out, drivers loaded anew: calls `change` with the node's machine. What it changes shows at once.
    virtual void changeHardware(const std::string& node, const std::function<void(hardware::Machine&)>& change) = 0;

    // Called when something changed that the store does not show: a container's output, a link.
    std::function<void()> onChange;
};

} // namespace rdmalab::harness
