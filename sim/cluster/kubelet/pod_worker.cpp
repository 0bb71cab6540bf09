#include "sim/cluster/kubelet/pod_worker.h"

#include "plugins/kernel/files.h"
#include "sim/cluster/kubelet/container_config.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

namespace rdmalab::cluster {

namespace {

using State = ContainerRecord::State;
using SandboxState = SandboxRecord::State;

std::string shortForm(clock::Duration delay) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay).count();
    return seconds < 60 ? fmt::format("{}s", seconds) : fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

} // namespace

PodWorker::PodWorker(PodWorkerContext& context, ObjectPtr pod)
    : context_(context), pod_(std::move(pod)), uid_(uidOf(*pod_)), requests_(podRequests(at(*pod_, {"spec"}))) {
    startTime_ = stringAt(*pod_, {"status", "startTime"});
    const std::string phase = stringAt(*pod_, {"status", "phase"});
    if (phase == "Succeeded" || phase == "Failed") {
        stage_ = Stage::ended;
        terminalPhase_ = phase;
        initialized_ = true;
    }
}

PodWorker::~PodWorker() = default;

bool PodWorker::terminating() const {
    return removed_ || isTerminating(*pod_);
}

void PodWorker::update(ObjectPtr pod) {
    pod_ = std::move(pod);
    requestSync();
}

void PodWorker::removed() {
    removed_ = true;
    requestSync();
}

void PodWorker::admit() {
    if (stage_ != Stage::pending)
        return;
    stage_ = Stage::running;
    if (startTime_.empty())
        startTime_ = context_.store.timestamp();
    requestSync();
}

void PodWorker::reject(const std::string& reason, const std::string& message) {
    if (stage_ != Stage::pending)
        return;
    stage_ = Stage::rejected;
    event("Warning", reason, message);
    if (const ObjectPtr now = context_.store.find("Pod", namespaceOf(*pod_), nameOf(*pod_)); now && uidOf(*now) == uid_) {
        Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(*now, {"metadata"})}};
        object["status"] = rejectedStatus(*now, reason, message, context_.store.timestamp());
        context_.store.updateStatus(std::move(object));
    }
    requestSync();
}

void PodWorker::requestSync() {
    if (syncPosted_ || stage_ == Stage::finished)
        return;
    syncPosted_ = true;
    context_.loop.post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->syncPosted_ = false;
            self->sync();
        }
    });
}

void PodWorker::syncAfter(clock::Duration delay) {
    context_.loop.after(delay, [weak = weak_from_this()] {
        if (const auto self = weak.lock())
            self->requestSync();
    });
}

const PodRecord& PodWorker::record() const {
    return context_.runtime.pod(uid_);
}

const ContainerRecord& PodWorker::record(const std::string& container) const {
    static const ContainerRecord none;
    const auto& all = record().containers;
    const auto found = all.find(container);
    return found == all.end() ? none : found->second;
}

const Json& PodWorker::containers(bool init) const {
    static const Json none = Json::array();
    const Json& list = at(*pod_, {"spec", init ? "initContainers" : "containers"});
    return list.is_array() ? list : none;
}

void PodWorker::sync() {
    if (stage_ == Stage::finished)
        return;
    if (terminating()) {
        // A removed object had grace 0, and the kubelet never gives less than a second.
        const int grace = removed_ ? 1 : static_cast<int>(intAt(*pod_, {"metadata", "deletionGracePeriodSeconds"}, 30));
        if (tearDown(grace))
            return finish();
    } else if (stage_ == Stage::ended) {
        tearDown(static_cast<int>(intAt(*pod_, {"spec", "terminationGracePeriodSeconds"}, 30)));
    } else if (stage_ == Stage::running) {
        run();
    } else {
        return; // not admitted: the status is not ours yet, or final
    }
    writeStatus();
}

void PodWorker::run() {
    for (const bool init : {true, false})
        for (const Json& container : containers(init))
            noteContainer(container, init);
    if (!mountVolumes() || !ensureSandbox())
        return;
    if (!initialized_ && !runInitContainers())
        return;
    runContainers();
}

bool PodWorker::mountVolumes() {
    if (volumes_)
        return true;
    if (mountRetry_ && context_.loop.now() < *mountRetry_)
        return false;
    try {
        volumes_ = preparePodVolumes(*pod_, context_.store, context_.host.files());
        return true;
    } catch (const MountError& error) {
        event("Warning", "FailedMount", error.what());
        const Timings& timings = context_.options.timings;
        const auto delay = timings(doubled(timings.mountBackoff, timings.mountBackoffMax, mountFailures_++));
        mountRetry_ = context_.loop.now() + delay;
        syncAfter(delay);
        return false;
    }
}

bool PodWorker::ensureSandbox() {
    const SandboxRecord& sandbox = record().sandbox;
    if (sandbox.state == SandboxState::ready) {
        podIps_ = sandbox.ips;
        return true;
    }
    const auto now = context_.loop.now();
    const auto backoff = context_.options.timings(context_.options.timings.podWorkerBackoff);
    if (sandbox.state == SandboxState::failed) {
        event("Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: " + sandbox.error);
        context_.runtime.clearSandboxFailure(uid_);
        ++sandboxFailures_;
        sandboxRetry_ = now + backoff;
        syncAfter(backoff);
        return false;
    }
    if (sandbox.state != SandboxState::none || (sandboxRetry_ && now < *sandboxRetry_))
        return false;
    const bool hostNetwork = boolAt(*pod_, {"spec", "hostNetwork"});
    if (const std::string problem = hostNetwork ? std::string() : context_.networkProblem(); !problem.empty()) {
        if (!networkRetry_ || now >= *networkRetry_) {
            event("Warning", "NetworkNotReady", "network is not ready: " + problem);
            networkRetry_ = now + backoff;
            syncAfter(backoff);
        }
        return false;
    }
    if (sandboxFailures_ > 0)
        event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    context_.runtime.runSandbox({uid_, namespaceOf(*pod_), nameOf(*pod_), hostNetwork});
    return false;
}

// Deals with what happened to a container since the last look: events, and when it may start again.
void PodWorker::noteContainer(const Json& container, bool init) {
    const std::string name = stringAt(container, {"name"});
    const ContainerRecord& now = record(name);
    Control& control = controls_[name];
    if (now.state == State::startFailed && !control.failureHandled) {
        control.failureHandled = true;
        const bool create = now.error.find("failed to generate container") != std::string::npos ||
                            now.error.find("failed to create container") != std::string::npos;
        startFailed(name, create ? "CreateContainerError" : "RunContainerError", now.error);
    }
    if ((now.state == State::running || now.state == State::exited) && control.handledStart != now.attempt) {
        control.handledStart = now.attempt;
        waiting_.erase(name);
        // Nothing to tell about a container that was adopted from before a kubelet restart.
        if (volumes_) {
            const Texts& text = texts(context_.options.texts);
            event("Normal", "Created", fmt::format(fmt::runtime(text.created), name));
            event("Normal", "Started", fmt::format(fmt::runtime(text.started), name));
        }
        control.failureHandled = false;
    }
    if (now.state == State::exited && control.handledExit != now.attempt) {
        control.handledExit = now.attempt;
        if (shouldRestart(container, init, now))
            crashed(container, now);
    }
}

void PodWorker::startFailed(const std::string& name, const std::string& reason, const std::string& error) {
    event("Warning", "Failed", "Error: " + error);
    waiting_[name] = {reason, error};
    const auto backoff = context_.options.timings(context_.options.timings.podWorkerBackoff);
    controls_[name].notBefore = context_.loop.now() + backoff;
    syncAfter(backoff);
}

// The first restart comes at once, the next after 10 s, 20 s, ... since the container ended.
void PodWorker::crashed(const Json& container, const ContainerRecord& ended) {
    const std::string name = stringAt(container, {"name"});
    const Timings& timings = context_.options.timings;
    Control& control = controls_[name];
    if (ended.finished - ended.started >= timings(timings.crashLoopReset))
        control.crashes = 0;
    if (control.crashes++ == 0) {
        control.notBefore = context_.loop.now();
        return;
    }
    const auto nominal = doubled(timings.crashLoopBackoff, timings.crashLoopBackoffMax, control.crashes - 2);
    control.notBefore = ended.finished + timings(nominal);
    const std::string podName = fmt::format("{}_{}({})", nameOf(*pod_), namespaceOf(*pod_), uid_);
    event("Warning", "BackOff", fmt::format("Back-off restarting failed container {} in pod {}", name, podName));
    waiting_[name] = {"CrashLoopBackOff",
                      fmt::format("back-off {} restarting failed container={} pod={}", shortForm(nominal), name, podName)};
    syncAfter(*control.notBefore - context_.loop.now());
}

bool PodWorker::shouldRestart(const Json& container, bool init, const ContainerRecord& ended) const {
    if (init && isSidecar(container))
        return true;
    const std::string policy = stringAt(*pod_, {"spec", "restartPolicy"}, "Always");
    if (init || policy == "OnFailure")
        return ended.exit.code != 0 && policy != "Never";
    return policy == "Always";
}

// True when all are through, so that the app containers may start.
bool PodWorker::runInitContainers() {
    for (const Json& container : containers(true)) {
        const ContainerRecord& now = record(stringAt(container, {"name"}));
        if (isSidecar(container)) {
            if (now.state == State::running)
                continue;
        } else if (now.state == State::exited && now.exit.code == 0) {
            continue;
        } else if (now.state == State::exited && !shouldRestart(container, true, now)) {
            end("Failed");
            return false;
        }
        if (now.state != State::running)
            startWhenDue(container);
        return false;
    }
    initialized_ = true;
    return true;
}

void PodWorker::runContainers() {
    for (const Json& container : containers(true))
        if (isSidecar(container) && record(stringAt(container, {"name"})).state != State::running)
            startWhenDue(container);
    bool allEnded = true, failure = false;
    for (const Json& container : containers(false)) {
        const ContainerRecord& now = record(stringAt(container, {"name"}));
        const bool over = now.state == State::exited && !shouldRestart(container, false, now);
        allEnded = allEnded && over;
        failure = failure || (over && now.exit.code != 0);
        if (!over && now.state != State::running)
            startWhenDue(container);
    }
    if (allEnded)
        end(failure ? "Failed" : "Succeeded");
}

void PodWorker::startWhenDue(const Json& container) {
    const std::string name = stringAt(container, {"name"});
    Control& control = controls_[name];
    if (control.preparing || record(name).state == State::starting)
        return;
    if (control.notBefore && context_.loop.now() < *control.notBefore)
        return; // whoever set it has a timer running
    prepareStart(container);
}

void PodWorker::prepareStart(const Json& container) {
    const std::string name = stringAt(container, {"name"});
    controls_[name].preparing = true;
    controls_[name].failureHandled = false;
    context_.devices.preStart(uid_, name, [weak = weak_from_this(), container](const Result<Done>& prepared) {
        const auto self = weak.lock();
        if (!self)
            return;
        const std::string id = stringAt(container, {"name"});
        self->controls_[id].preparing = false;
        const SandboxRecord& sandbox = self->record().sandbox;
        if (self->stage_ != Stage::running || self->terminating() || sandbox.state != SandboxState::ready)
            return self->requestSync();
        const ContainerRecord& last = self->record(id);
        try {
            if (!prepared)
                throw ConfigError(prepared.error);
            Json pod = *self->pod_; // status.podIP and hostIP may not have come back from the store yet
            pod["status"] = podStatus({*self->pod_,
                                       self->record(),
                                       sandbox.ips,
                                       self->context_.options.addresses,
                                       self->startTime_,
                                       self->context_.store.timestamp(),
                                       self->initialized_,
                                       {},
                                       self->waiting_});
            const AllocateResponse devices = self->context_.devices.runOptions(self->uid_, id);
            const ObjectPtr node = self->context_.store.find("Node", {}, self->context_.options.nodeName);
            ContainerConfig config =
                containerConfig({pod, container, self->context_.store, self->context_.host.files(), *self->volumes_,
                                 self->context_.options.serviceEnv, devices, node ? *node : pod});
            config.sandboxId = sandbox.id;
            config.attempt = last.state == State::exited ? last.attempt + 1 : last.attempt;
            self->event("Normal", "Pulled", fmt::format(fmt::runtime(texts(self->context_.options.texts).pulled), config.image));
            self->context_.runtime.startContainer(config);
        } catch (const std::exception& error) {
            self->startFailed(id, "CreateContainerConfigError", error.what());
        }
        self->requestSync();
    });
}

void PodWorker::end(const std::string& phase) {
    stage_ = Stage::ended;
    terminalPhase_ = phase;
    waiting_.clear();
    requestSync();
}

bool PodWorker::tearDown(int graceSeconds) {
    const PodRecord& pod = record();
    const bool sooner = stopGrace_ && graceSeconds < *stopGrace_;
    bool busy = false;
    const auto stop = [&](const Json& container) {
        const std::string name = stringAt(container, {"name"});
        const ContainerRecord& now = record(name);
        busy = busy || now.state == State::starting || now.state == State::running;
        if (now.state != State::running || (now.stopping && !sooner))
            return;
        if (!now.stopping)
            event("Normal", "Killing", "Stopping container " + name);
        context_.runtime.stopContainer(uid_, name, graceSeconds);
    };
    for (const bool init : {true, false})
        for (const Json& container : containers(init))
            if (!init || !isSidecar(container))
                stop(container);
    // Sidecars serve to the end; then they go in reverse order, one by one.
    const Json& inits = containers(true);
    for (auto container = inits.rbegin(); container != inits.rend() && !busy; ++container)
        if (isSidecar(*container))
            stop(*container);
    stopGrace_ = stopGrace_ ? std::min(*stopGrace_, graceSeconds) : graceSeconds;
    if (busy)
        return false;
    switch (pod.sandbox.state) {
    case SandboxState::none:
        return true;
    case SandboxState::failed:
        context_.runtime.clearSandboxFailure(uid_);
        return true;
    case SandboxState::ready:
        context_.runtime.stopSandbox(uid_);
        return false;
    case SandboxState::stopFailed: {
        const auto now = context_.loop.now();
        if (stopRetry_ && now < *stopRetry_)
            return false;
        if (stopRetry_) {
            stopRetry_.reset();
            context_.runtime.stopSandbox(uid_);
            return false;
        }
        event("Warning", "FailedKillPod",
              fmt::format("error killing pod: failed to \"KillPodSandbox\" for \"{}\" with KillPodSandboxError: \"{}\"", uid_,
                          pod.sandbox.error));
        const auto backoff = context_.options.timings(context_.options.timings.podWorkerBackoff);
        stopRetry_ = now + backoff;
        syncAfter(backoff);
        return false;
    }
    case SandboxState::creating:
    case SandboxState::stopping:
        return false;
    }
    return true;
}

void PodWorker::finish() {
    const auto keep = shared_from_this();
    if (stage_ == Stage::running || stage_ == Stage::ended)
        writeStatus();
    stage_ = Stage::finished;
    if (const ObjectPtr now = context_.store.find("Pod", namespaceOf(*pod_), nameOf(*pod_)); now && uidOf(*now) == uid_)
        context_.store.finalizeRemoval("Pod", namespaceOf(*pod_), nameOf(*pod_));
    context_.runtime.forget(uid_);
    context_.finished(uid_);
}

void PodWorker::writeStatus() {
    const ObjectPtr now = context_.store.find("Pod", namespaceOf(*pod_), nameOf(*pod_));
    if (!now || uidOf(*now) != uid_)
        return;
    Json status = podStatus({*now, record(), podIps_, context_.options.addresses, startTime_, context_.store.timestamp(),
                             initialized_, terminalPhase_, waiting_});
    if (status == at(*now, {"status"}))
        return;
    Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(*now, {"metadata"})}};
    object["status"] = std::move(status);
    context_.store.updateStatus(std::move(object));
}

} // namespace rdmalab::cluster
