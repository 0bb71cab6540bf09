#include "plugins/kube/http_kube_client.h"

#include <nlohmann/json.hpp>

namespace rdmalab::plugin {

using nlohmann::json;

namespace {

std::string collection(const ResourceType& type, const std::string& ns) {
    const bool core = type.apiVersion.find('/') == std::string::npos;
    std::string path = (core ? "/api/" : "/apis/") + type.apiVersion;
    if (type.namespaced && !ns.empty())
        path += "/namespaces/" + ns;
    return path + "/" + type.plural;
}

std::string itemPath(const ResourceType& type, const std::string& ns, const std::string& name) {
    return collection(type, ns) + "/" + name;
}

std::string itemPath(const ResourceType& type, const json& object) {
    const json& metadata = object.at("metadata");
    return itemPath(type, metadata.value("namespace", ""), metadata.at("name").get<std::string>());
}

} // namespace

json HttpKubeClient::call(const std::string& method, const std::string& target, const std::string& body,
                          const std::string& contentType) {
    HttpResponse response;
    try {
        response = http_.request({method, target, body, contentType});
    } catch (const std::runtime_error& error) {
        throw KubeError(0, "", error.what());
    }
    const json answer = json::parse(response.body, nullptr, false);
    if (response.status >= 200 && response.status < 300)
        return answer;
    if (answer.is_object())
        throw KubeError(response.status, answer.value("reason", ""), answer.value("message", response.body));
    throw KubeError(response.status, "",
                    response.body.empty() ? "HTTP status " + std::to_string(response.status) : response.body);
}

json HttpKubeClient::get(const ResourceType& type, const std::string& ns, const std::string& name) {
    return call("GET", itemPath(type, ns, name));
}

json HttpKubeClient::list(const ResourceType& type, const std::string& ns) {
    return call("GET", collection(type, ns)).value("items", json::array());
}

json HttpKubeClient::create(const ResourceType& type, const json& object) {
    const std::string ns = object.at("metadata").value("namespace", type.namespaced ? "default" : "");
    return call("POST", collection(type, ns), object.dump());
}

json HttpKubeClient::update(const ResourceType& type, const json& object) {
    return call("PUT", itemPath(type, object), object.dump());
}

json HttpKubeClient::updateStatus(const ResourceType& type, const json& object) {
    return call("PUT", itemPath(type, object) + "/status", object.dump());
}

json HttpKubeClient::mergePatch(const ResourceType& type, const std::string& ns, const std::string& name, const json& patch) {
    return call("PATCH", itemPath(type, ns, name), patch.dump(), "application/merge-patch+json");
}

void HttpKubeClient::remove(const ResourceType& type, const std::string& ns, const std::string& name) {
    call("DELETE", itemPath(type, ns, name));
}

} // namespace rdmalab::plugin
