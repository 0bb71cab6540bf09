// The cluster's objects: what an API server and etcd hold, in one process. Single-threaded, on the event loop.
// Errors are plugin::KubeError with the API server's own codes, reasons and texts.
#pragma once

#include "plugins/kube/kube_client.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::clock {
class EventLoop;
}

namespace rdmalab::cluster {

using Json = nlohmann::json;
using ObjectPtr = std::shared_ptr<const Json>; // objects in the store never change; a write makes a new one

enum class Operation { create, update, remove };

// One step of admission for one kind: defaulting / mutation may change `object`; validation throws plugin::KubeError.
// `old` is null on create; on remove `object` is the object that is about to go.
struct AdmissionRequest {
    Operation operation;
    Json& object;
    const Json* old;
};
using Admission = std::function<void(AdmissionRequest&)>;

struct WatchEvent {
    enum class Type { added, modified, removed } type;
    ObjectPtr object;
    ObjectPtr old; // null for added
};
using Watcher = std::function<void(const WatchEvent&)>;

class Store {
public:
    explicit Store(clock::EventLoop& loop);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Kinds must be known before objects of them are stored. All built-in ones (Pod, Node, ConfigMap, Event, DaemonSet, ... and
    // the Spiderpool and Multus CRDs) are registered by the constructor.
    void registerType(const plugin::ResourceType& type);
    const plugin::ResourceType* findType(const std::string& apiVersion, const std::string& kind) const;
    const plugin::ResourceType* findPlural(const std::string& apiVersion, const std::string& plural) const;

    std::vector<plugin::ResourceType> types() const; // all known ones, in order of registration
    bool hasStatusSubresource(const std::string& kind) const;

    // In order of registration: all mutate functions, then all validate functions of the kind.
    void addMutation(const std::string& kind, Admission mutate);
    void addValidation(const std::string& kind, Admission validate);

    // metadata.name or generateName (5 letters of the Kubernetes alphabet are appended); fills namespace "default", uid,
    // creationTimestamp, resourceVersion, generation.
    ObjectPtr create(Json object);
    // Whole object. Conflict when metadata.resourceVersion is given and stale. For kinds with a status subresource `update`
    // keeps the stored status and `updateStatus` keeps everything else but metadata.
    ObjectPtr update(Json object);
    ObjectPtr updateStatus(Json object);
    ObjectPtr mergePatch(const std::string& kind, const std::string& ns, const std::string& name, const Json& patch);
    // Client-side apply as kubectl does it for JSON-merge kinds: create, or merge the manifest over the live object
    // (fields of the last applied manifest that are gone are removed).
    ObjectPtr apply(const Json& manifest);
    // With finalizers, or a grace period on a bound Pod, only sets deletionTimestamp; finalizeRemoval() or an update that drops
    // the last finalizer completes it. Owned objects (ownerReferences) follow, as background garbage collection does.
    void remove(const std::string& kind, const std::string& ns, const std::string& name, std::optional<int> graceSeconds = {});
    // What kubelet does at the end of a pod: remove with grace 0.
    void finalizeRemoval(const std::string& kind, const std::string& ns, const std::string& name);

    ObjectPtr find(const std::string& kind, const std::string& ns, const std::string& name) const; // null when absent
    ObjectPtr get(const std::string& kind, const std::string& ns, const std::string& name) const;  // throws NotFound
    std::vector<ObjectPtr> list(const std::string& kind, const std::string& ns = {}) const;        // by namespace and name

    // Delivered by the event loop, in write order, starting with `added` for what is there already.
    // The subscription ends with the returned handle.
    using Subscription = std::shared_ptr<void>;
    [[nodiscard]] Subscription watch(const std::string& kind, Watcher watcher);

    // Adds an Event about `object`, or counts up an identical one (same reason and message about the same object).
    void recordEvent(const Json& object, const std::string& type, const std::string& reason, const std::string& message,
                     const std::string& component);

    std::uint64_t resourceVersion() const;
    std::string timestamp() const; // RFC 3339 of the loop's clock

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::cluster
