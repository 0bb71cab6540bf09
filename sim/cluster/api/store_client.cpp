#include "sim/cluster/api/store_client.h"

#include "sim/cluster/store.h"

namespace rdmalab::cluster {

using plugin::ResourceType;

namespace {
// The API fills in what a typed client leaves out.
Json typed(const ResourceType& type, Json object) {
    if (!object.contains("apiVersion"))
        object["apiVersion"] = type.apiVersion;
    if (!object.contains("kind"))
        object["kind"] = type.kind;
    return object;
}
} // namespace

Json StoreClient::get(const ResourceType& type, const std::string& ns, const std::string& name) {
    return *store_.get(type.kind, ns, name);
}

Json StoreClient::list(const ResourceType& type, const std::string& ns) {
    Json items = Json::array();
    for (const auto& object : store_.list(type.kind, ns))
        items.push_back(*object);
    return items;
}

Json StoreClient::create(const ResourceType& type, const Json& object) {
    return *store_.create(typed(type, object));
}
Json StoreClient::update(const ResourceType& type, const Json& object) {
    return *store_.update(typed(type, object));
}
Json StoreClient::updateStatus(const ResourceType& type, const Json& object) {
    return *store_.updateStatus(typed(type, object));
}

Json StoreClient::mergePatch(const ResourceType& type, const std::string& ns, const std::string& name, const Json& patch) {
    return *store_.mergePatch(type.kind, ns, name, patch);
}

void StoreClient::remove(const ResourceType& type, const std::string& ns, const std::string& name) {
    store_.remove(type.kind, ns, name);
}

} // namespace rdmalab::cluster
