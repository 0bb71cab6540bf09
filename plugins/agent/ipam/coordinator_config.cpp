#include "plugins/agent/ipam/coordinator_config.h"

#include "plugins/agent/ipam/endpoint_manager.h"
#include "plugins/agent/ipam/pod.h"
#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

namespace rdmalab::plugin::ipam {

namespace {

void copyText(Json& to, const char* key, const std::string& value) {
    if (!value.empty())
        to[key] = value;
}

void copyNumber(Json& to, const char* key, long value) {
    if (value != 0)
        to[key] = value;
}

} // namespace

Json coordinatorConfig(KubeClient& kube, const AgentConfig& config, const std::string& podNs, const std::string& podName) {
    const bool old = config.release == AgentRelease::v0_8;
    const Json list = kube.list(resource::coordinator, "");
    if (list.empty())
        throw std::runtime_error("coordinator config not found");
    const Json& coordinator = list.front();
    if (textAt(coordinator, {"status", "phase"}) != "Synced")
        throw std::runtime_error(fmt::format("spidercoordinator: {} no ready", nameOf(coordinator)));
    Json pod;
    try {
        pod = kube.get(resource::pod, podNs, podName);
    } catch (const KubeError&) {
        throw std::runtime_error(fmt::format("failed to get pod {}/{}", podNs, podName));
    }
    const Json& spec = at(coordinator, {"spec"});
    Json answer = {{"mode", textAt(spec, {"mode"}, "auto")},
                   {"tunePodRoutes", flagAt(spec, {"tunePodRoutes"}, true)},
                   {"hijackCIDR", at(spec, {"hijackCIDR"})},
                   {"overlayPodCIDR", at(coordinator, {"status", "overlayPodCIDR"})},
                   {"serviceCIDR", at(coordinator, {"status", "serviceCIDR"})}};
    // Upstream's guard against a missing serviceCIDR empties the other list instead; the coordinator then refuses the null.
    if (answer["overlayPodCIDR"].is_null() || answer["serviceCIDR"].is_null())
        answer["overlayPodCIDR"] = Json::array();
    copyText(answer, "podMACPrefix", textAt(spec, {"podMACPrefix"}));
    copyText(answer, "podDefaultRouteNIC",
             annotation(pod, "ipam.spidernet.io/default-route-nic").value_or(textAt(spec, {"podDefaultRouteNIC"})));
    copyNumber(answer, "hostRuleTable", numberAt(spec, {"hostRuleTable"}, 500));
    if (old) {
        copyNumber(answer, "hostRPFilter", numberAt(spec, {"hostRPFilter"}));
        for (const char* key : {"detectGateway", "detectIPConflict"})
            if (flagAt(spec, {key}))
                answer[key] = true;
        std::optional<Json> endpoint;
        try {
            endpoint = EndpointManager(kube, config).find(podNs, podName);
        } catch (const KubeError&) {
            throw std::runtime_error(fmt::format("failed to get spiderendpoint {}/{}", podNs, podName));
        }
        Json& nics = answer["podNICs"];
        if (endpoint)
            for (const Json& entry : ipsOf(*endpoint))
                nics.push_back(textAt(entry, {"interface"}));
        return answer;
    }
    if (const Json& routes = at(spec, {"policyRoutes"}); !routes.empty())
        answer["policyRoutes"] = routes;
    copyNumber(answer, "podRPFilter", numberAt(spec, {"podRPFilter"}));
    copyNumber(answer, "txQueueLen", numberAt(spec, {"txQueueLen"}));
    copyText(answer, "vethLinkAddress", textAt(spec, {"vethLinkAddress"}));
    copyNumber(answer, "vethMTU", numberAt(spec, {"vethMTU"}));
    return answer;
}

} // namespace rdmalab::plugin::ipam
