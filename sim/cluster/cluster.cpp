#include "sim/cluster/cluster.h"

#include "sim/cluster/controllers/daemon_set.h"
#include "sim/cluster/controllers/deployment.h"
#include "sim/cluster/controllers/job.h"
#include "sim/cluster/controllers/node_lifecycle.h"
#include "sim/cluster/controllers/replica_set.h"
#include "sim/cluster/controllers/stateful_set.h"
#include "sim/cluster/core_admission.h"
#include "sim/cluster/object_meta.h"

#include <stdexcept>

namespace rdmalab::cluster {

namespace {

ClusterOptions withPace(ClusterOptions options) {
    options.timings.pace = options.pace;
    return options;
}

// Admission plugin Priority: spec.priority from the class.
void resolvePriority(const Store& store, AdmissionRequest& request) {
    const std::string name = stringAt(request.object, {"spec", "priorityClassName"});
    if (request.operation != Operation::create || name.empty() || request.object["spec"].contains("priority"))
        return;
    if (name == "system-node-critical" || name == "system-cluster-critical") {
        request.object["spec"]["priority"] = name == "system-node-critical" ? 2000001000 : 2000000000;
        return;
    }
    const ObjectPtr priorityClass = store.find("PriorityClass", {}, name);
    if (!priorityClass)
        throw plugin::KubeError(403, "Forbidden",
                                "pods \"" + nameOf(request.object) + "\" is forbidden: no PriorityClass with name " + name +
                                    " was found");
    request.object["spec"]["priority"] = intAt(*priorityClass, {"value"});
    if (const std::string policy = stringAt(*priorityClass, {"preemptionPolicy"}); !policy.empty())
        request.object["spec"]["preemptionPolicy"] = policy;
}

} // namespace

struct Cluster::Impl {
    clock::EventLoop& loop;
    ClusterOptions options;
    TextProfile profile;
    Store store;
    std::shared_ptr<PodSource> pods;
    Scheduler scheduler;
    ControllerContext context;
    DaemonSetController daemonSets;
    DeploymentController deployments;
    ReplicaSetController replicaSets;
    StatefulSetController statefulSets;
    JobController jobs;
    NodeLifecycle nodeLifecycle;
    std::map<std::string, std::unique_ptr<Kubelet>> kubelets;

    Impl(clock::EventLoop& l, ClusterOptions o)
        : loop(l), options(withPace(std::move(o))), profile(textProfile(options.kubernetes)), store(loop),
          pods(std::make_shared<PodSource>(store)),
          scheduler(store, loop, *pods, {options.timings, profile}), context{store, loop, *pods, options.timings},
          daemonSets(context), deployments(context), replicaSets(context), statefulSets(context), jobs(context),
          nodeLifecycle(context) {
        store.addMutation("Pod", [this](AdmissionRequest& request) { resolvePriority(store, request); });
        installCoreAdmission(store);
    }
};

Cluster::Cluster(clock::EventLoop& loop, ClusterOptions options) : impl_(std::make_unique<Impl>(loop, std::move(options))) {}

Cluster::~Cluster() = default;

Store& Cluster::store() {
    return impl_->store;
}

Scheduler& Cluster::scheduler() {
    return impl_->scheduler;
}

PodSource& Cluster::pods() {
    return *impl_->pods;
}

Kubelet& Cluster::addNode(NodeSpec spec, NodeHost& host) {
    if (impl_->kubelets.contains(spec.name))
        throw std::invalid_argument("node \"" + spec.name + "\" was added before");
    KubeletOptions options;
    options.nodeName = spec.name;
    options.labels = std::move(spec.labels);
    options.taints = std::move(spec.taints);
    options.capacity = std::move(spec.capacity);
    options.addresses = std::move(spec.addresses);
    options.nodeInfo = std::move(spec.nodeInfo);
    options.timings = impl_->options.timings;
    options.texts = impl_->profile;
    options.secondEndpointQuirk = impl_->options.secondEndpointQuirk;
    options.serviceEnv = impl_->options.serviceEnv;
    options.pods = impl_->pods;
    options.onAlive = [impl = impl_.get(), name = spec.name](bool alive) { impl->nodeLifecycle.kubeletAlive(name, alive); };
    if (impl_->options.kubeletLog)
        options.log = [log = impl_->options.kubeletLog, name = spec.name](const std::string& line) { log(name, line); };
    auto& kubelet = impl_->kubelets[spec.name] = std::make_unique<Kubelet>(impl_->store, impl_->loop, host, std::move(options));
    kubelet->start();
    return *kubelet;
}

Kubelet& Cluster::kubelet(const std::string& node) {
    return *impl_->kubelets.at(node);
}

bool Cluster::hasNode(const std::string& node) const {
    return impl_->kubelets.contains(node);
}

} // namespace rdmalab::cluster
