#include "plugins/cni/multus/net_config.h"

#include "plugins/cni/protocol/go_json.h"

#include <algorithm>
#include <stdexcept>

namespace rdmalab::plugin::multus {

bool NetConf::isSystemNamespace(const std::string& name) const {
    return std::find(systemNamespaces.begin(), systemNamespaces.end(), name) != systemNamespaces.end();
}

NetConf loadNetConf(const std::string& input) {
    nlohmann::json json;
    try {
        json = parseJson(input);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("LoadNetConf: failed to load netconf: ") + error.what());
    }
    NetConf conf;
    const auto text = [&json](const char* key, std::string& target) {
        if (const auto value = stringOf(json, key); !value.empty())
            target = value;
    };
    text("cniVersion", conf.cniVersion);
    text("confDir", conf.confDir);
    text("cniDir", conf.cniDir);
    text("binDir", conf.binDir);
    text("kubeconfig", conf.kubeconfig);
    text("clusterNetwork", conf.clusterNetwork);
    text("multusNamespace", conf.multusNamespace);
    text("readinessindicatorfile", conf.readinessIndicatorFile);
    conf.defaultNetworks = stringsOf(json, "defaultNetworks");
    if (memberOf(json, "systemNamespaces").is_array())
        conf.systemNamespaces = stringsOf(json, "systemNamespaces");
    if (const auto list = stringOf(json, "globalNamespaces"); !list.empty()) {
        conf.globalNamespaces.clear();
        std::string current;
        for (const char c : list + ",") {
            if (c == ',')
                conf.globalNamespaces.push_back(std::exchange(current, ""));
            else if (c != ' ')
                current += c;
        }
    }
    conf.namespaceIsolation = boolOf(json, "namespaceIsolation");
    conf.retryDeleteOnError = boolOf(json, "retryDeleteOnError");
    if (const auto& runtimeConfig = memberOf(json, "runtimeConfig"); runtimeConfig.is_object())
        conf.runtimeConfig = goJson(runtimeConfig);

    const auto& delegates = memberOf(json, "delegates");
    const bool some = delegates.is_array() && !delegates.empty();
    if (!some && conf.clusterNetwork.empty())
        throw std::runtime_error("LoadNetConf: at least one delegate/clusterNetwork must be specified");
    if (some && conf.clusterNetwork.empty())
        for (const auto& entry : delegates) {
            try {
                conf.delegates.push_back(loadDelegate(goJson(entry), nullptr, "", ""));
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(std::string("LoadNetConf: failed to load delegate config: ") + error.what());
            }
            conf.delegates.back().master = conf.delegates.size() == 1;
        }
    return conf;
}

} // namespace rdmalab::plugin::multus
