#include "plugins/kube/kubeconfig_client.h"

#include "plugins/kube/http_kube_client.h"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>

namespace rdmalab::plugin {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw KubeError(0, "", "kubeconfig " + path + ": " + why);
}

YAML::Node named(const YAML::Node& list, const std::string& name) {
    for (const auto& entry : list)
        if (entry["name"] && entry["name"].as<std::string>() == name)
            return entry;
    return YAML::Node(YAML::NodeType::Undefined);
}

} // namespace

std::unique_ptr<KubeClient> kubeClientFromKubeconfig(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        refuse(path, "no such file or directory");
    std::stringstream text;
    text << file.rdbuf();
    std::string server;
    try {
        const YAML::Node config = YAML::Load(text.str());
        const auto context = named(config["contexts"], config["current-context"].as<std::string>());
        if (!context)
            refuse(path, "the current context is not among the contexts");
        const auto cluster = named(config["clusters"], context["context"]["cluster"].as<std::string>());
        if (!cluster)
            refuse(path, "the context's cluster is not among the clusters");
        server = cluster["cluster"]["server"].as<std::string>();
    } catch (const YAML::Exception& error) {
        refuse(path, error.what());
    }
    const std::string scheme = "http://";
    if (server.rfind(scheme, 0) != 0)
        refuse(path, "server " + server + " is not reached over plain HTTP, which is all that is supported");
    std::string host = server.substr(scheme.size());
    host = host.substr(0, host.find('/'));
    const auto colon = host.rfind(':');
    int port = 80;
    if (colon != std::string::npos) {
        try {
            port = std::stoi(host.substr(colon + 1));
        } catch (const std::exception&) {
            refuse(path, "server " + server + " has no valid port");
        }
    }
    return std::make_unique<HttpKubeClient>(host.substr(0, colon), port);
}

} // namespace rdmalab::plugin
