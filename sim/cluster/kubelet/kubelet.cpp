#include "sim/cluster/kubelet/kubelet.h"

#include "sim/cluster/kubelet/admission.h"
#include "sim/cluster/kubelet/node_object.h"
#include "sim/cluster/kubelet/pod_runtime.h"
#include "sim/cluster/kubelet/pod_worker.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

namespace rdmalab::cluster {

namespace {

// From start() to stop(): all that a kubelet process forgets when it ends.
struct Session : std::enable_shared_from_this<Session> {
    Store& store;
    clock::EventLoop& loop;
    NodeHost& host;
    PodRuntime& runtime;
    const KubeletOptions& options;
    DeviceManager devices;
    PodWorkerContext context;
    std::map<std::string, std::shared_ptr<PodWorker>> workers;
    std::deque<std::string> admissions;
    bool admitting = false, statusPosted = false, networkPosted = false, resetExtended = false;
    std::string networkProblem;
    Store::Subscription subscription;

    Session(Store& s, clock::EventLoop& l, NodeHost& h, PodRuntime& r, const KubeletOptions& o)
        : store(s), loop(l), host(h), runtime(r), options(o),
          devices(l, h, o.timings, o.secondEndpointQuirk,
                  {[this] { requestNodeStatus(); }, [this] { return activePods(); }, o.log}),
          context{s,
                  l,
                  h,
                  r,
                  devices,
                  o,
                  [this] {
                      if (!networkProblem.empty())
                          checkNetwork();
                      return networkProblem;
                  },
                  [this](const std::string& uid) { workers.erase(uid); },
                  [this](const Json& about, const std::string& type, const std::string& reason, const std::string& message) {
                      store.recordEvent(about, type, reason, message, "kubelet");
                  }} {}

    void log(const std::string& line) const {
        if (options.log)
            options.log(line);
    }

    // Runs `action` later unless the kubelet has stopped by then.
    void post(clock::Duration delay, std::function<void(Session&)> action) {
        auto run = [weak = weak_from_this(), action = std::move(action)] {
            if (const auto self = weak.lock())
                action(*self);
        };
        if (delay == clock::Duration::zero())
            loop.post(std::move(run));
        else
            loop.after(delay, std::move(run));
    }

    void start() {
        resetExtended = !devices.readCheckpoint();
        checkNetwork();
        host.startKubeletServices([weak = weak_from_this()](const RegisterRequest& request, Callback<Done> reply) {
            if (const auto self = weak.lock())
                self->devices.registerPlugin(request, std::move(reply));
            else
                reply(Result<Done>::failure("kubelet is stopping"));
        });
        registerNode();
        runtime.listen([weak = weak_from_this()](const std::string& uid) {
            if (const auto self = weak.lock())
                self->runtimeChanged(uid);
        });
        subscription = options.pods->watchNode(options.nodeName, [this](const WatchEvent& event) { podEvent(event); });
        std::vector<ObjectPtr> present;
        for (const auto& [uid, pod] : options.pods->onNode(options.nodeName))
            present.push_back(pod);
        std::sort(present.begin(), present.end(), [](const ObjectPtr& a, const ObjectPtr& b) {
            const auto key = [](const Json& pod) {
                return std::tuple(stringAt(pod, {"metadata", "creationTimestamp"}), namespaceOf(pod), nameOf(pod));
            };
            return key(*a) < key(*b);
        });
        for (const auto& pod : present)
            addPod(pod);
    }

    // --- node --------------------------------------------------------------------------------------------------------

    void registerNode() {
        const ObjectPtr old = store.find("Node", {}, options.nodeName);
        Json node = newNode(options);
        store.recordEvent(node, "Normal", "Starting", "Starting kubelet.", "kubelet");
        if (!old) {
            node["status"] = statusNow(nullptr);
            store.create(std::move(node));
            return;
        }
        Json changed = *old;
        for (const auto& [key, value] : node["metadata"]["labels"].items())
            changed["metadata"]["labels"][key] = value;
        store.update(std::move(changed));
        writeNodeStatus();
    }

    Json statusNow(const Json* old) {
        std::set<std::string> zero = devices.droppedResources();
        if (resetExtended && old)
            for (const auto& [name, quantity] : at(*old, {"capacity"}).items())
                if (isExtendedResourceName(name) && !options.capacity.contains(name))
                    zero.insert(name);
        const auto known = devices.capacity();
        for (const auto& [name, count] : known)
            zero.erase(name);
        resetExtended = false;
        return nodeStatus({options, old ? *old : Json(), known, zero, networkProblem, store.timestamp()});
    }

    void requestNodeStatus() {
        if (statusPosted)
            return;
        statusPosted = true;
        post(options.timings(options.timings.nodeStatusSync), [](Session& self) {
            self.statusPosted = false;
            self.writeNodeStatus();
        });
    }

    void writeNodeStatus() {
        const ObjectPtr node = store.find("Node", {}, options.nodeName);
        if (!node)
            return;
        const Json& old = at(*node, {"status"});
        Json status = statusNow(&old);
        if (status == old)
            return;
        const bool ready = networkProblem.empty();
        bool wasReady = false;
        if (const Json& conditions = at(old, {"conditions"}); conditions.is_array())
            for (const Json& condition : conditions)
                wasReady = wasReady || (stringAt(condition, {"type"}) == "Ready" && stringAt(condition, {"status"}) == "True");
        Json object{{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", at(*node, {"metadata"})}};
        object["status"] = std::move(status);
        store.updateStatus(std::move(object));
        if (ready != wasReady) {
            const std::string reason = ready ? "NodeReady" : "NodeNotReady";
            store.recordEvent(*node, "Normal", reason, fmt::format("Node {} status is now: {}", options.nodeName, reason),
                              "kubelet");
        }
    }

    void checkNetwork() {
        std::string reason = host.networkNotReady();
        if (!reason.empty())
            reason = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
                     "message:Network plugin returns error: " +
                     reason;
        if (reason == networkProblem)
            return;
        networkProblem = std::move(reason);
        requestNodeStatus();
        for (const auto& [uid, worker] : workers)
            worker->requestSync();
    }

    // --- pods --------------------------------------------------------------------------------------------------------

    std::set<std::string> activePods() const {
        std::set<std::string> uids;
        for (const auto& [uid, worker] : workers)
            if (worker->active())
                uids.insert(uid);
        return uids;
    }

    void podEvent(const WatchEvent& event) {
        const auto worker = workers.find(uidOf(*event.object));
        if (event.type == WatchEvent::Type::removed) {
            if (worker != workers.end())
                std::shared_ptr(worker->second)->removed();
        } else if (worker != workers.end()) {
            worker->second->update(event.object);
        } else if (event.type == WatchEvent::Type::added) {
            addPod(event.object);
        }
    }

    void addPod(const ObjectPtr& pod) {
        const std::string& uid = uidOf(*pod);
        if (workers.contains(uid))
            return;
        const std::string phase = stringAt(*pod, {"status", "phase"});
        const bool over = phase == "Succeeded" || phase == "Failed";
        if (over && !runtime.knows(uid))
            return;
        auto worker = std::make_shared<PodWorker>(context, pod);
        workers.emplace(uid, worker);
        if (!worker->awaitsAdmission() || isTerminating(*pod)) {
            worker->requestSync();
        } else if (runtime.pod(uid).anyRunning()) {
            worker->admit(); // from before a restart: it keeps what it was given
        } else {
            admissions.push_back(uid);
            admitNext();
        }
    }

    // One pod at a time: a plugin that hangs in Allocate holds up all others, as upstream.
    void admitNext() {
        while (!admitting && !admissions.empty()) {
            const std::string uid = admissions.front();
            admissions.pop_front();
            const auto found = workers.find(uid);
            if (found == workers.end() || !found->second->awaitsAdmission() || found->second->terminating())
                continue;
            admitting = true;
            devices.allocate(found->second->pod(), [weak = weak_from_this(), uid](const Result<Done>& allocated) {
                const auto self = weak.lock();
                if (!self)
                    return;
                self->admitting = false;
                if (const auto worker = self->workers.find(uid); worker != self->workers.end())
                    self->decide(*worker->second, allocated);
                self->admitNext();
            });
        }
    }

    // Devices come before predicates (upstream kubelet.go: GetAllocateResourcesPodAdmitHandler is added first).
    void decide(PodWorker& worker, const Result<Done>& allocated) {
        if (!allocated)
            return worker.reject("UnexpectedAdmissionError",
                                 fmt::format("Allocate failed due to {}, which is unexpected", allocated.error));
        const ObjectPtr node = store.find("Node", {}, options.nodeName);
        if (!node)
            return worker.reject("InvalidNodeInfo", "Kubelet cannot get node info.");
        AdmissionInputs inputs{worker.pod(), *node, {}, devices.allocatedCounts()};
        for (const auto& [uid, other] : workers)
            if (other.get() != &worker && other->active() && !other->awaitsAdmission())
                inputs.others.push_back({other->pod(), other->requests()});
        if (const auto rejection = failedPredicate(inputs))
            return worker.reject(rejection->reason, rejection->message);
        worker.admit();
    }

    void runtimeChanged(const std::string& uid) {
        if (const auto worker = workers.find(uid); worker != workers.end())
            worker->second->requestSync();
        if (networkPosted)
            return;
        networkPosted = true; // the container may have been the one that installs the network
        post(clock::Duration::zero(), [](Session& self) {
            self.networkPosted = false;
            self.checkNetwork();
        });
    }

    PodResources resourcesOf(const Json& pod) const {
        PodResources result{nameOf(pod), namespaceOf(pod), {}};
        for (const bool init : {true, false})
            if (const Json& list = at(pod, {"spec", init ? "initContainers" : "containers"}); list.is_array())
                for (const Json& container : list)
                    if (!init || isSidecar(container)) {
                        const std::string name = stringAt(container, {"name"});
                        result.containers.push_back({name, devices.devicesOf(uidOf(pod), name)});
                    }
        return result;
    }
};

} // namespace

struct Kubelet::Impl {
    Store& store;
    clock::EventLoop& loop;
    NodeHost& host;
    KubeletOptions options;
    PodRuntime runtime;
    std::shared_ptr<Session> session;

    Impl(Store& s, clock::EventLoop& l, NodeHost& h, KubeletOptions o)
        : store(s), loop(l), host(h), options(std::move(o)), runtime(l, h, [&s] { return s.timestamp(); }) {
        if (!options.pods)
            options.pods = std::make_shared<PodSource>(store);
    }
};

Kubelet::Kubelet(Store& store, clock::EventLoop& loop, NodeHost& host, KubeletOptions options)
    : impl_(std::make_unique<Impl>(store, loop, host, std::move(options))) {}

Kubelet::~Kubelet() {
    stop();
}

void Kubelet::start() {
    if (impl_->session)
        return;
    impl_->session = std::make_shared<Session>(impl_->store, impl_->loop, impl_->host, impl_->runtime, impl_->options);
    impl_->session->start();
    if (impl_->options.onAlive)
        impl_->options.onAlive(true);
}

void Kubelet::stop() {
    if (!impl_->session)
        return;
    impl_->runtime.listen({});
    impl_->session.reset();
    impl_->host.stopKubeletServices();
    if (impl_->options.onAlive)
        impl_->options.onAlive(false);
}

bool Kubelet::running() const {
    return impl_->session != nullptr;
}

void Kubelet::networkChanged() {
    if (impl_->session)
        impl_->session->checkNetwork();
}

void Kubelet::forgetContainers() {
    if (!impl_->session)
        impl_->runtime.forgetAll();
}

std::vector<PodResources> Kubelet::podResources() {
    std::vector<PodResources> result;
    if (!impl_->session)
        return result;
    Session& session = *impl_->session;
    session.devices.releaseInactive();
    const bool activeOnly = texts(impl_->options.texts).podResourcesActiveOnly;
    for (const auto& [uid, pod] : impl_->options.pods->onNode(impl_->options.nodeName)) {
        const auto worker = session.workers.find(uid);
        if (!activeOnly || (worker != session.workers.end() && worker->second->active()))
            result.push_back(session.resourcesOf(*pod));
    }
    std::sort(result.begin(), result.end(),
              [](const auto& a, const auto& b) { return std::tie(a.ns, a.name) < std::tie(b.ns, b.name); });
    return result;
}

std::optional<PodResources> Kubelet::podResources(const std::string& ns, const std::string& name) {
    if (impl_->session)
        for (const auto& [uid, worker] : impl_->session->workers)
            if (worker->active() && nameOf(worker->pod()) == name && namespaceOf(worker->pod()) == ns)
                return impl_->session->resourcesOf(worker->pod());
    return std::nullopt;
}

std::vector<ContainerDevices> Kubelet::allocatableDevices() const {
    return impl_->session ? impl_->session->devices.healthyDevices() : std::vector<ContainerDevices>{};
}

const DeviceManager* Kubelet::devices() const {
    return impl_->session ? &impl_->session->devices : nullptr;
}

std::string Kubelet::sandboxId(const std::string& podUid) const {
    return impl_->runtime.pod(podUid).sandbox.id;
}

std::string Kubelet::containerId(const std::string& podUid, const std::string& container) const {
    const auto& all = impl_->runtime.pod(podUid).containers;
    const auto found = all.find(container);
    return found == all.end() || found->second.state != ContainerRecord::State::running ? std::string() : found->second.id;
}

} // namespace rdmalab::cluster
