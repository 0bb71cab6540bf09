// What the container runtime of a node knows: sandboxes and containers by pod. It outlives a kubelet restart; kubelet reads it
// and asks for changes, and hears of each change once it has happened.
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/node_host.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace rdmalab::cluster {

struct SandboxRecord {
    enum class State { none, creating, failed, ready, stopping, stopFailed } state = State::none;
    std::string id;
    std::vector<std::string> ips;
    std::string error; // of the last failure
};

struct ContainerRecord {
    enum class State { none, starting, startFailed, running, exited } state = State::none;
    std::string id;
    int attempt = 0; // of the present or last start
    bool ready = false, stopping = false;
    ContainerExit exit;
    std::string startedAt, finishedAt, error;
    clock::TimePoint started{}, finished{};
    nlohmann::json lastTerminated; // of the attempt before; null when there was none
};

struct PodRecord {
    SandboxRecord sandbox;
    std::map<std::string, ContainerRecord> containers;
    bool anyRunning() const;
};

class PodRuntime {
public:
    PodRuntime(clock::EventLoop& loop, NodeHost& host, std::function<std::string()> timestamp);
    ~PodRuntime();
    PodRuntime(const PodRuntime&) = delete;
    PodRuntime& operator=(const PodRuntime&) = delete;

    // Called with a pod's uid after each change that was not made by the caller's own call; empty = nobody listens.
    void listen(std::function<void(const std::string& podUid)> listener);

    const PodRecord& pod(const std::string& uid) const; // an empty record when unknown
    bool knows(const std::string& uid) const;

    void runSandbox(const SandboxConfig& config);
    void clearSandboxFailure(const std::string& uid);
    void stopSandbox(const std::string& uid);
    void startContainer(const ContainerConfig& config);
    void stopContainer(const std::string& uid, const std::string& container, int graceSeconds);
    void forget(const std::string& uid);
    void forgetAll();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_; // shared: callbacks hold it weakly
};

// `state.terminated` of a container status.
nlohmann::json terminatedState(const ContainerRecord& record);

} // namespace rdmalab::cluster
