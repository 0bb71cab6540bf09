// Drives one pod: volumes, sandbox, init containers, containers, restarts, and the way down again. It looks at the pod, at what
// the runtime reports, and takes the next steps; every change makes it look again.
#pragma once

#include "sim/cluster/kubelet/device_manager.h"
#include "sim/cluster/kubelet/kubelet.h"
#include "sim/cluster/kubelet/pod_runtime.h"
#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/kubelet/pod_volumes.h"
#include "sim/cluster/scheduler/amounts.h"
#include "sim/cluster/store.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace rdmalab::cluster {

struct PodWorkerContext {
    Store& store;
    clock::EventLoop& loop;
    NodeHost& host;
    PodRuntime& runtime;
    DeviceManager& devices;
    const KubeletOptions& options;
    std::function<std::string()> networkProblem;          // empty: the network is ready
    std::function<void(const std::string& uid)> finished; // the pod is gone from this node
    std::function<void(const Json&, const std::string& type, const std::string& reason, const std::string& message)> event;
};

class PodWorker : public std::enable_shared_from_this<PodWorker> {
public:
    PodWorker(PodWorkerContext& context, ObjectPtr pod);
    ~PodWorker();
    PodWorker(const PodWorker&) = delete;
    PodWorker& operator=(const PodWorker&) = delete;

    const Json& pod() const { return *pod_; }
    const Amounts& requests() const { return requests_; }
    // Holds resources of the node: admitted or being admitted, and not finished.
    bool active() const { return stage_ == Stage::pending || stage_ == Stage::running; }
    bool awaitsAdmission() const { return stage_ == Stage::pending; }
    bool terminating() const;

    void update(ObjectPtr pod);
    void removed(); // the object is gone from the store
    void admit();
    void reject(const std::string& reason, const std::string& message);
    void requestSync(); // coalesced

private:
    enum class Stage { pending, running, ended /* Succeeded or Failed */, rejected, finished };
    // What the worker remembers about a container besides the runtime's record.
    struct Control {
        bool preparing = false;
        int crashes = 0;
        int handledExit = -1, handledStart = -1; // the attempts whose end and start were dealt with
        bool failureHandled = false;
        std::optional<clock::TimePoint> notBefore;
    };

    void sync();
    void run();
    bool mountVolumes();
    bool ensureSandbox();
    bool runInitContainers();
    void runContainers();
    void noteContainer(const Json& container, bool init);
    // Starts it when it may start now; otherwise a timer is set.
    void startWhenDue(const Json& container);
    void prepareStart(const Json& container);
    void startFailed(const std::string& name, const std::string& reason, const std::string& error);
    void crashed(const Json& container, const ContainerRecord& record);
    bool shouldRestart(const Json& container, bool init, const ContainerRecord& record) const;
    void end(const std::string& phase);
    // True once no container runs and the sandbox is gone.
    bool tearDown(int graceSeconds);
    void finish();
    void writeStatus();
    void syncAfter(clock::Duration delay);
    const PodRecord& record() const;
    const ContainerRecord& record(const std::string& container) const;
    const Json& containers(bool init) const;
    void event(const char* type, const std::string& reason, const std::string& message) {
        context_.event(*pod_, type, reason, message);
    }

    PodWorkerContext& context_;
    ObjectPtr pod_;
    std::string uid_;
    Amounts requests_;
    Stage stage_ = Stage::pending;
    bool removed_ = false, syncPosted_ = false;
    std::string startTime_, terminalPhase_;
    std::vector<std::string> podIps_;
    bool initialized_ = false;
    std::optional<std::map<std::string, VolumeSource>> volumes_;
    int mountFailures_ = 0, sandboxFailures_ = 0;
    std::optional<clock::TimePoint> mountRetry_, sandboxRetry_, networkRetry_, stopRetry_;
    std::map<std::string, Control> controls_;
    std::map<std::string, WaitingReason> waiting_;
    std::optional<int> stopGrace_; // the grace that the containers were told
};

} // namespace rdmalab::cluster
