// A node that does what a test's script says and writes down what kubelet asked for.
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/node_host.h"
#include "sim/cluster/testing/memory_files.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster::testing {

// A device plugin. Several connections to it may exist after re-registrations.
struct FakePlugin {
    clock::EventLoop& loop;
    std::vector<std::string>& log; // shared with the node
    std::string resource;
    std::vector<PluginDevice> devices;
    DevicePluginOptions options;
    AllocateResponse response;
    std::string allocateError;
    bool emptyResponse = false;
    std::optional<std::string> preStartError;
    std::optional<std::vector<std::string>> preferred;
    int preferredCalls = 0, preStarts = 0;
    std::vector<std::vector<std::string>> allocations;
    struct Stream {
        std::function<void(std::vector<PluginDevice>)> onList;
        std::function<void(std::string)> onEnd;
    };
    std::shared_ptr<Stream> stream; // the last one

    void send(std::vector<PluginDevice> list) {
        devices = std::move(list);
        if (const auto to = stream; to && to->onList)
            loop.post([weak = std::weak_ptr(to), copy = devices] {
                if (const auto s = weak.lock())
                    s->onList(copy);
            });
    }
    void close() {
        if (const auto to = std::exchange(stream, nullptr))
            loop.post([to] {
                if (to->onEnd)
                    to->onEnd("EOF");
            });
    }
};

class FakeConnection final : public DevicePluginConnection {
public:
    explicit FakeConnection(FakePlugin& plugin) : plugin_(plugin) {}
    ~FakeConnection() override {
        if (stream_) {
            stream_->onList = nullptr;
            stream_->onEnd = nullptr;
            if (plugin_.stream == stream_)
                plugin_.stream = nullptr;
        }
    }
    void options(Callback<DevicePluginOptions> reply) override {
        plugin_.loop.post([reply, o = plugin_.options] { reply(Result<DevicePluginOptions>::success(o)); });
    }
    void listAndWatch(std::function<void(std::vector<PluginDevice>)> onList, std::function<void(std::string)> onEnd) override {
        stream_ = plugin_.stream = std::make_shared<FakePlugin::Stream>(FakePlugin::Stream{std::move(onList), std::move(onEnd)});
        plugin_.send(plugin_.devices);
    }
    void preferredAllocation(const std::vector<std::string>& available, const std::vector<std::string>&, int,
                             Callback<std::vector<std::string>> reply) override {
        ++plugin_.preferredCalls;
        plugin_.loop.post(
            [reply, ids = plugin_.preferred.value_or(available)] { reply(Result<std::vector<std::string>>::success(ids)); });
    }
    void allocate(const std::vector<std::string>& ids, Callback<std::optional<AllocateResponse>> reply) override {
        using Answer = Result<std::optional<AllocateResponse>>;
        std::string text = "allocate " + plugin_.resource;
        for (const auto& id : ids)
            text += " " + id;
        plugin_.log.push_back(text);
        plugin_.allocations.push_back(ids);
        Answer answer = Answer::success(plugin_.response);
        if (!plugin_.allocateError.empty())
            answer = Answer::failure(plugin_.allocateError);
        else if (plugin_.emptyResponse)
            answer = Answer::success(std::nullopt);
        plugin_.loop.post([reply, answer] { reply(answer); });
    }
    void preStartContainer(const std::vector<std::string>&, Callback<Done> reply) override {
        ++plugin_.preStarts;
        const auto result = plugin_.preStartError ? Result<Done>::failure(*plugin_.preStartError) : Result<Done>::success({});
        plugin_.loop.post([reply, result] { reply(result); });
    }

private:
    FakePlugin& plugin_;
    std::shared_ptr<FakePlugin::Stream> stream_;
};

class FakeNodeHost final : public NodeHost {
public:
    // What happens to the containers of a name; without an entry a container runs, is ready at once and ends when stopped.
    struct Script {
        std::deque<std::string> startErrors; // used up one by one
        std::deque<int> exits;               // codes with which the first starts end by themselves
        clock::Duration runFor = std::chrono::milliseconds(10);
        clock::Duration readyAfter{};
        bool neverReady = false, ignoresTerm = false;
    };
    struct Running {
        ContainerConfig config;
        std::function<void(ContainerExit)> onExit;
    };

    explicit FakeNodeHost(clock::EventLoop& loop, std::string prefix = "0") : loop_(loop), prefix_(std::move(prefix)) {}

    std::vector<std::string> log; // "allocate ...", "sandbox NS/POD", "start C", "stop C", "teardown", ...
    std::map<std::string, Script> scripts;
    std::deque<std::string> sandboxErrors, stopErrors; // used up one by one
    std::string networkProblem;
    MemoryFiles memory;
    std::map<std::string, std::unique_ptr<FakePlugin>> plugins; // by endpoint
    std::map<std::string, Running> containers;                  // that run now, by id
    std::vector<ContainerConfig> started;
    std::vector<SandboxConfig> sandboxes;
    std::function<void(const SandboxConfig&)> onSandbox; // in the middle of CNI ADD
    RegistrationHandler registration;

    FakePlugin& addPlugin(const std::string& endpoint, const std::string& resource, std::vector<PluginDevice> devices) {
        auto& entry = plugins[endpoint];
        entry.reset(new FakePlugin{loop_, log, resource, std::move(devices), {}, {}, {}, false, {}, {}, 0, 0, {}, nullptr});
        return *entry;
    }
    // What the plugin does when it starts, or sees kubelet come back.
    void registerPlugin(const std::string& endpoint, const std::string& version = "v1beta1") {
        registration({version, endpoint, plugins.at(endpoint)->resource},
                     [this](const Result<Done>& result) { registrationErrors.push_back(result ? std::string() : result.error); });
    }
    std::vector<std::string> registrationErrors; // one per answer, empty = accepted

    void startKubeletServices(RegistrationHandler handler) override {
        log.push_back("kubelet up");
        registration = std::move(handler);
    }
    void stopKubeletServices() override {
        log.push_back("kubelet down");
        registration = nullptr;
    }
    void connectDevicePlugin(const std::string& endpoint, Callback<std::shared_ptr<DevicePluginConnection>> reply) override {
        using Answer = Result<std::shared_ptr<DevicePluginConnection>>;
        const auto plugin = plugins.find(endpoint);
        const Answer answer = plugin == plugins.end() ? Answer::failure("failed to dial device plugin: context deadline exceeded")
                                                      : Answer::success(std::make_shared<FakeConnection>(*plugin->second));
        loop_.post([reply, answer] { reply(answer); });
    }
    plugin::Files& files() override { return memory; }
    std::string networkNotReady() override { return networkProblem; }

    void runPodSandbox(const SandboxConfig& config, Callback<SandboxStatus> reply) override {
        log.push_back("sandbox " + config.podNamespace + "/" + config.podName);
        sandboxes.push_back(config);
        if (onSandbox)
            onSandbox(config);
        Result<SandboxStatus> answer =
            Result<SandboxStatus>::success({nextId(), {"10.244." + prefix_ + "." + std::to_string(++ips_)}});
        if (!sandboxErrors.empty()) {
            answer = Result<SandboxStatus>::failure(sandboxErrors.front());
            sandboxErrors.pop_front();
        }
        loop_.post([reply, answer] { reply(answer); });
    }
    void stopPodSandbox(const std::string&, Callback<Done> reply) override {
        log.push_back("teardown");
        Result<Done> answer = Result<Done>::success({});
        if (!stopErrors.empty()) {
            answer = Result<Done>::failure(stopErrors.front());
            stopErrors.pop_front();
        }
        loop_.post([reply, answer] { reply(answer); });
    }
    void startContainer(const ContainerConfig& config, Callback<std::string> replyWithId, std::function<void()> onReady,
                        std::function<void(ContainerExit)> onExit) override {
        log.push_back("start " + config.name);
        started.push_back(config);
        Script& script = scripts[config.name];
        if (!script.startErrors.empty()) {
            loop_.post([replyWithId, text = script.startErrors.front()] { replyWithId(Result<std::string>::failure(text)); });
            script.startErrors.pop_front();
            return;
        }
        const std::string id = nextId();
        containers[id] = {config, std::move(onExit)};
        loop_.post([replyWithId, id] { replyWithId(Result<std::string>::success(id)); });
        if (!script.neverReady)
            loop_.after(script.readyAfter, [this, id, onReady = std::move(onReady)] {
                if (containers.contains(id))
                    onReady();
            });
        if (!script.exits.empty()) {
            loop_.after(script.runFor, [this, id, code = script.exits.front()] { end(id, {code, 0}); });
            script.exits.pop_front();
        }
    }
    void stopContainer(const std::string& id, int graceSeconds) override {
        const auto found = containers.find(id);
        if (found == containers.end())
            return;
        const std::string name = found->second.config.name;
        log.push_back("stop " + name);
        if (scripts[name].ignoresTerm)
            loop_.after(std::chrono::seconds(graceSeconds), [this, id] { end(id, {137, 9}); });
        else
            loop_.post([this, id] { end(id, {143, 15}); });
    }
    std::string containerLog(const std::string&, const std::string&) override { return {}; }

    void end(const std::string& id, ContainerExit exit) {
        const auto found = containers.find(id);
        if (found == containers.end())
            return;
        const auto running = std::move(found->second);
        containers.erase(found);
        log.push_back("end " + running.config.name);
        running.onExit(exit);
    }
    // Ends the running container of this name.
    void crash(const std::string& name, int code) {
        for (const auto& [id, running] : containers)
            if (running.config.name == name)
                return end(std::string(id), {code, 0});
    }
    int count(const std::string& line) const { return static_cast<int>(std::count(log.begin(), log.end(), line)); }
    int countPrefix(const std::string& prefix) const {
        return static_cast<int>(
            std::count_if(log.begin(), log.end(), [&](const auto& line) { return line.starts_with(prefix); }));
    }

private:
    std::string nextId() {
        std::string digits = std::to_string(++ids_);
        return prefix_ + std::string(64 - prefix_.size() - digits.size(), '0') + digits;
    }

    clock::EventLoop& loop_;
    std::string prefix_;
    int ids_ = 0, ips_ = 0;
};

} // namespace rdmalab::cluster::testing
