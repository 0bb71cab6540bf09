#include "sim/cluster/kubelet/pod_runtime.h"

#include <algorithm>

namespace rdmalab::cluster {

bool PodRecord::anyRunning() const {
    return std::any_of(containers.begin(), containers.end(), [](const auto& entry) {
        return entry.second.state == ContainerRecord::State::running || entry.second.state == ContainerRecord::State::starting;
    });
}

struct PodRuntime::Impl {
    clock::EventLoop& loop;
    NodeHost& host;
    std::function<std::string()> timestamp;
    std::function<void(const std::string&)> listener;
    std::map<std::string, PodRecord> pods;
    std::weak_ptr<Impl> self;

    Impl(clock::EventLoop& l, NodeHost& h, std::function<std::string()> t) : loop(l), host(h), timestamp(std::move(t)) {}

    void tell(const std::string& uid) {
        if (listener)
            listener(uid);
    }

    // The container's record while `attempt` is still the present one.
    ContainerRecord* current(const std::string& uid, const std::string& name, int attempt) {
        const auto pod = pods.find(uid);
        if (pod == pods.end())
            return nullptr;
        const auto record = pod->second.containers.find(name);
        return record == pod->second.containers.end() || record->second.attempt != attempt ? nullptr : &record->second;
    }

    void exited(const std::string& uid, const std::string& name, int attempt, ContainerExit exit) {
        ContainerRecord* record = current(uid, name, attempt);
        if (!record || record->state == ContainerRecord::State::exited)
            return;
        record->state = ContainerRecord::State::exited;
        record->ready = record->stopping = false;
        record->exit = exit;
        record->finishedAt = timestamp();
        record->finished = loop.now();
        tell(uid);
    }
};

PodRuntime::PodRuntime(clock::EventLoop& loop, NodeHost& host, std::function<std::string()> timestamp)
    : impl_(std::make_shared<Impl>(loop, host, std::move(timestamp))) {
    impl_->self = impl_;
}

PodRuntime::~PodRuntime() = default;

void PodRuntime::listen(std::function<void(const std::string&)> listener) {
    impl_->listener = std::move(listener);
}

const PodRecord& PodRuntime::pod(const std::string& uid) const {
    static const PodRecord none;
    const auto found = impl_->pods.find(uid);
    return found == impl_->pods.end() ? none : found->second;
}

bool PodRuntime::knows(const std::string& uid) const {
    return impl_->pods.contains(uid);
}

void PodRuntime::runSandbox(const SandboxConfig& config) {
    impl_->pods[config.podUid].sandbox = {SandboxRecord::State::creating, {}, {}, {}};
    impl_->host.runPodSandbox(config, [weak = impl_->self, uid = config.podUid](const Result<SandboxStatus>& result) {
        const auto impl = weak.lock();
        if (!impl || !impl->pods.contains(uid))
            return;
        SandboxRecord& sandbox = impl->pods[uid].sandbox;
        if (result)
            sandbox = {SandboxRecord::State::ready, result.value->id, result.value->ips, {}};
        else
            sandbox = {SandboxRecord::State::failed, {}, {}, result.error};
        impl->tell(uid);
    });
}

void PodRuntime::clearSandboxFailure(const std::string& uid) {
    SandboxRecord& sandbox = impl_->pods[uid].sandbox;
    if (sandbox.state == SandboxRecord::State::failed)
        sandbox = {};
}

void PodRuntime::stopSandbox(const std::string& uid) {
    SandboxRecord& sandbox = impl_->pods[uid].sandbox;
    sandbox.state = SandboxRecord::State::stopping;
    impl_->host.stopPodSandbox(sandbox.id, [weak = impl_->self, uid](const Result<Done>& result) {
        const auto impl = weak.lock();
        if (!impl || !impl->pods.contains(uid))
            return;
        SandboxRecord& stopped = impl->pods[uid].sandbox;
        if (result) {
            stopped = {};
        } else {
            stopped.state = SandboxRecord::State::stopFailed;
            stopped.error = result.error;
        }
        impl->tell(uid);
    });
}

void PodRuntime::startContainer(const ContainerConfig& config) {
    ContainerRecord& record = impl_->pods[config.podUid].containers[config.name];
    ContainerRecord next;
    next.state = ContainerRecord::State::starting;
    next.attempt = config.attempt;
    if (record.state == ContainerRecord::State::exited)
        next.lastTerminated = terminatedState(record);
    else
        next.lastTerminated = record.lastTerminated;
    record = std::move(next);
    const auto& weak = impl_->self;
    const std::string &uid = config.podUid, &name = config.name;
    impl_->host.startContainer(
        config,
        [weak, uid, name, attempt = config.attempt](const Result<std::string>& result) {
            const auto impl = weak.lock();
            ContainerRecord* started = impl ? impl->current(uid, name, attempt) : nullptr;
            if (!started)
                return;
            if (result) {
                started->id = *result.value;
                started->startedAt = impl->timestamp();
                started->started = impl->loop.now();
                if (started->state == ContainerRecord::State::starting) // a quick process may have ended already
                    started->state = ContainerRecord::State::running;
            } else {
                started->state = ContainerRecord::State::startFailed;
                started->error = result.error;
            }
            impl->tell(uid);
        },
        [weak, uid, name, attempt = config.attempt] {
            const auto impl = weak.lock();
            ContainerRecord* served = impl ? impl->current(uid, name, attempt) : nullptr;
            if (!served || served->state == ContainerRecord::State::exited || served->ready)
                return;
            served->ready = true;
            impl->tell(uid);
        },
        [weak, uid, name, attempt = config.attempt](ContainerExit exit) {
            if (const auto impl = weak.lock())
                impl->exited(uid, name, attempt, exit);
        });
}

void PodRuntime::stopContainer(const std::string& uid, const std::string& container, int graceSeconds) {
    ContainerRecord& record = impl_->pods[uid].containers[container];
    record.stopping = true;
    impl_->host.stopContainer(record.id, graceSeconds);
}

void PodRuntime::forget(const std::string& uid) {
    impl_->pods.erase(uid);
}

void PodRuntime::forgetAll() {
    impl_->pods.clear();
}

nlohmann::json terminatedState(const ContainerRecord& record) {
    nlohmann::json state{{"exitCode", record.exit.code},
                         {"reason", record.exit.code == 0 ? "Completed" : "Error"},
                         {"startedAt", record.startedAt},
                         {"finishedAt", record.finishedAt},
                         {"containerID", "containerd://" + record.id}};
    if (record.exit.signal != 0)
        state["signal"] = record.exit.signal;
    return state;
}

} // namespace rdmalab::cluster
