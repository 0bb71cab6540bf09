#include "plugins/kube/memory_kube_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <map>
#include <mutex>
#include <set>
#include <tuple>

namespace rdmalab::plugin {

using Json = nlohmann::json;

namespace {

using Key = std::tuple<std::string, std::string, std::string>; // plural, namespace, name

std::string metadataOf(const Json& object, const char* key) {
    const Json metadata = object.value("metadata", Json::object());
    return metadata.value(key, "");
}

Key keyOf(const ResourceType& type, const std::string& ns, const std::string& name) {
    return {type.plural, type.namespaced ? ns : "", name};
}

Key keyOf(const ResourceType& type, const Json& object) {
    return keyOf(type, metadataOf(object, "namespace"), metadataOf(object, "name"));
}

std::string qualified(const ResourceType& type, const std::string& name) {
    const auto slash = type.apiVersion.find('/');
    return fmt::format("{}{} \"{}\"", type.plural, slash == std::string::npos ? "" : "." + type.apiVersion.substr(0, slash),
                       name);
}

// SpiderEndpoint's status is written with the object (charts/spiderpool/crds); NADs, ConfigMaps and Endpoints have none.
bool hasStatusSubresource(const ResourceType& type) {
    static const std::set<std::string> with{"pods",         "nodes",         "namespaces",         "daemonsets",
                                            "statefulsets", "spiderippools", "spidercoordinators", "spidersubnets"};
    return with.contains(type.plural);
}

bool hasFinalizers(const Json& object) {
    return !object.at("metadata").value("finalizers", Json::array()).empty();
}

} // namespace

struct MemoryKubeClient::State {
    std::mutex mutex;
    std::map<Key, Json> objects;
    std::map<std::string, int> conflicts; // by plural
    long version = 0, uid = 0;

    Json& find(const ResourceType& type, const Key& key) {
        const auto found = objects.find(key);
        if (found == objects.end())
            throw KubeError(404, "NotFound", qualified(type, std::get<2>(key)) + " not found");
        return found->second;
    }

    // Stores the new content of a known object; the last finalizer of a terminating one takes it along.
    Json store(const Key& key, Json object) {
        object["metadata"]["resourceVersion"] = std::to_string(++version);
        if (object["metadata"].contains("deletionTimestamp") && !hasFinalizers(object))
            objects.erase(key);
        else
            objects[key] = object;
        return object;
    }

    void checkVersion(const ResourceType& type, const Json& current, const Json& object) {
        const auto given = metadataOf(object, "resourceVersion");
        int& forced = conflicts[type.plural];
        const bool lost = forced > 0;
        if (lost)
            --forced;
        if (lost || (!given.empty() && given != metadataOf(current, "resourceVersion")))
            throw KubeError(
                409, "Conflict",
                fmt::format("Operation cannot be fulfilled on {}: the object has been modified; please apply your changes to "
                            "the latest version and try again",
                            qualified(type, metadataOf(object, "name"))));
    }
};

MemoryKubeClient::MemoryKubeClient() : state_(std::make_unique<State>()) {}
MemoryKubeClient::~MemoryKubeClient() = default;

Json MemoryKubeClient::get(const ResourceType& type, const std::string& ns, const std::string& name) {
    const std::lock_guard lock(state_->mutex);
    return state_->find(type, keyOf(type, ns, name));
}

Json MemoryKubeClient::list(const ResourceType& type, const std::string& ns) {
    const std::lock_guard lock(state_->mutex);
    Json items = Json::array();
    for (const auto& [key, object] : state_->objects)
        if (std::get<0>(key) == type.plural && (ns.empty() || std::get<1>(key) == ns))
            items.push_back(object);
    return items;
}

Json MemoryKubeClient::create(const ResourceType& type, const Json& object) {
    const std::lock_guard lock(state_->mutex);
    const Key key = keyOf(type, object);
    if (state_->objects.contains(key))
        throw KubeError(409, "AlreadyExists", qualified(type, std::get<2>(key)) + " already exists");
    Json stored = object;
    stored["apiVersion"] = type.apiVersion;
    stored["kind"] = type.kind;
    stored["metadata"]["uid"] = fmt::format("00000000-0000-4000-8000-{:012}", ++state_->uid);
    if (hasStatusSubresource(type))
        stored.erase("status");
    return state_->store(key, std::move(stored));
}

Json MemoryKubeClient::update(const ResourceType& type, const Json& object) {
    const std::lock_guard lock(state_->mutex);
    const Key key = keyOf(type, object);
    const Json current = state_->find(type, key);
    state_->checkVersion(type, current, object);
    Json stored = object;
    for (const char* fixed : {"uid", "deletionTimestamp"})
        if (current.at("metadata").contains(fixed))
            stored["metadata"][fixed] = current.at("metadata").at(fixed);
        else
            stored["metadata"].erase(fixed);
    if (hasStatusSubresource(type)) {
        stored.erase("status");
        if (current.contains("status"))
            stored["status"] = current.at("status");
    }
    return state_->store(key, std::move(stored));
}

Json MemoryKubeClient::updateStatus(const ResourceType& type, const Json& object) {
    const std::lock_guard lock(state_->mutex);
    const Key key = keyOf(type, object);
    Json stored = state_->find(type, key);
    if (!hasStatusSubresource(type))
        throw KubeError(404, "NotFound", "the server could not find the requested resource");
    state_->checkVersion(type, stored, object);
    stored["status"] = object.value("status", Json::object());
    return state_->store(key, std::move(stored));
}

Json MemoryKubeClient::mergePatch(const ResourceType& type, const std::string& ns, const std::string& name, const Json& patch) {
    const std::lock_guard lock(state_->mutex);
    const Key key = keyOf(type, ns, name);
    Json stored = state_->find(type, key);
    if (const auto given = metadataOf(patch, "resourceVersion"); !given.empty())
        state_->checkVersion(type, stored, {{"metadata", {{"name", name}, {"resourceVersion", given}}}});
    stored.merge_patch(patch);
    return state_->store(key, std::move(stored));
}

void MemoryKubeClient::remove(const ResourceType& type, const std::string& ns, const std::string& name) {
    const std::lock_guard lock(state_->mutex);
    const Key key = keyOf(type, ns, name);
    Json stored = state_->find(type, key);
    if (stored["metadata"].contains("deletionTimestamp"))
        return;
    stored["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z"; // only its presence matters here: there is no clock
    state_->store(key, std::move(stored));
}

void MemoryKubeClient::put(const ResourceType& type, const Json& object) {
    const std::lock_guard lock(state_->mutex);
    Json stored = object;
    if (metadataOf(object, "uid").empty())
        stored["metadata"]["uid"] = fmt::format("00000000-0000-4000-8000-{:012}", ++state_->uid);
    stored["metadata"]["resourceVersion"] = std::to_string(++state_->version);
    state_->objects[keyOf(type, object)] = std::move(stored);
}

bool MemoryKubeClient::exists(const ResourceType& type, const std::string& ns, const std::string& name) {
    const std::lock_guard lock(state_->mutex);
    return state_->objects.contains(keyOf(type, ns, name));
}

void MemoryKubeClient::conflictNext(const ResourceType& type, int count) {
    const std::lock_guard lock(state_->mutex);
    state_->conflicts[type.plural] = count;
}

} // namespace rdmalab::plugin
