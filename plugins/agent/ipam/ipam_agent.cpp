#include "plugins/agent/ipam/ipam_agent.h"

#include "plugins/agent/ipam/coordinator_config.h"
#include "plugins/agent/ipam/ipam.h"
#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

#include <array>

namespace rdmalab::plugin {

using ipam::Json;

namespace {

HttpResponse json(int status, const Json& value) {
    return {status, value.dump() + "\n", "application/json"};
}
HttpResponse failure(const std::string& text, int status = 500) {
    return json(status, text);
}
HttpResponse empty() {
    return {200, "", "application/json"};
}

// What the API's own layer (go-openapi) refuses.
class BadRequest : public std::runtime_error {
public:
    BadRequest(int status, int code, const std::string& text) : std::runtime_error(text), status_(status), code_(code) {}
    HttpResponse response() const { return json(status_, {{"code", code_}, {"message", what()}}); }

private:
    int status_, code_;
};

Json parsed(const std::string& body, const std::string& name, std::initializer_list<const char*> required) {
    const Json value = Json::parse(body, nullptr, false);
    if (!value.is_object())
        throw BadRequest(400, 400, fmt::format("parsing {} body from \"\" failed, because it is no JSON object", name));
    for (const char* key : required)
        if (!ipam::at(value, {key}).is_string())
            throw BadRequest(422, 602, fmt::format("{}.{} in body is required", name, key));
    return value;
}

ipam::AddArgs addArgsOf(const std::string& body) {
    using namespace ipam;
    const Json value =
        parsed(body, "ipam-add-args", {"containerID", "ifName", "netNamespace", "podNamespace", "podName", "podUID"});
    AddArgs args;
    args.containerId = textAt(value, {"containerID"});
    args.ifName = textAt(value, {"ifName"});
    args.netns = textAt(value, {"netNamespace"});
    args.podName = textAt(value, {"podName"});
    args.podNs = textAt(value, {"podNamespace"});
    args.podUid = textAt(value, {"podUID"});
    args.v4Pools = textsAt(value, {"defaultIPv4IPPool"});
    args.v6Pools = textsAt(value, {"defaultIPv6IPPool"});
    args.cleanGateway = flagAt(value, {"cleanGateway"});
    args.matchMasterSubnet = flagAt(value, {"matchMasterSubnet"});
    return args;
}

ipam::DelArgs delArgsOf(const std::string& body, bool oneNic) {
    using namespace ipam;
    const Json value = oneNic ? parsed(body, "ipam-del-args", {"containerID", "ifName", "podNamespace", "podName", "podUID"})
                              : parsed(body, "ipam-batch-del-args", {"containerID", "podNamespace", "podName", "podUID"});
    DelArgs args;
    args.containerId = textAt(value, {"containerID"});
    args.ifName = textAt(value, {"ifName"});
    args.podName = textAt(value, {"podName"});
    args.podNs = textAt(value, {"podNamespace"});
    args.podUid = textAt(value, {"podUID"});
    args.releaseConflictIps = flagAt(value, {"isReleaseConflictIPs"});
    return args;
}

std::string queryValue(const std::string& target, const std::string& name) {
    const auto mark = target.find('?');
    if (mark == std::string::npos)
        return "";
    const std::string query = "&" + target.substr(mark + 1) + "&";
    const auto begin = query.find("&" + name + "=");
    if (begin == std::string::npos)
        return "";
    const auto value = begin + name.size() + 2;
    return query.substr(value, query.find('&', value) - value); // names of pods need no escapes
}

Json endpointStatus(const Json& endpoint) {
    using namespace ipam;
    Json interfaces = Json::array();
    for (const Json& entry : ipsOf(endpoint)) {
        Json nic = {{"interface", textAt(entry, {"interface"})}};
        for (const char* key : {"ipv4", "ipv6", "ipv4Pool", "ipv6Pool", "ipv4Gateway", "ipv6Gateway", "mac"})
            if (const auto text = textAt(entry, {key}); !text.empty())
                nic[key] = text;
        if (const long vlan = numberAt(entry, {"vlan"}); vlan != 0)
            nic["vlan"] = vlan;
        if (!emptyAt(entry, {"routes"}))
            nic["routes"] = at(entry, {"routes"});
        interfaces.push_back(std::move(nic));
    }
    return {{"podNamespace", textAt(endpoint, {"metadata", "namespace"})},
            {"podName", ipam::nameOf(endpoint)},
            {"podUID", uidOf(endpoint)},
            {"node", textAt(endpoint, {"status", "current", "node"})},
            {"interfaces", std::move(interfaces)}};
}

} // namespace

struct IpamAgent::Impl {
    Impl(KubeClient& client, AgentConfig agentConfig, AgentHost agentHost)
        : kube(client), config(std::move(agentConfig)), host(std::move(agentHost)), ipam(kube, config, host.sleep) {}

    using Call = HttpResponse (Impl::*)(const HttpRequest&);
    struct Operation {
        const char *method, *path;
        Call call;
    };
    static const std::array<Operation, 10> operations; // sized: dispatch() walks it before its definition

    HttpResponse healthy(const HttpRequest&) { return empty(); }

    HttpResponse postIp(const HttpRequest& request) { return json(200, ipam.allocate(addArgsOf(request.body))); }

    HttpResponse deleteIp(const HttpRequest& request) {
        ipam.release(delArgsOf(request.body, true));
        return empty();
    }

    // Upstream has not written this one.
    HttpResponse postIps(const HttpRequest&) { return empty(); }

    HttpResponse deleteIps(const HttpRequest& request) {
        if (config.release == AgentRelease::v0_8)
            return empty(); // written for 1.0
        ipam.releaseAll(delArgsOf(request.body, false));
        return empty();
    }

    HttpResponse coordinator(const HttpRequest& request) {
        const Json body = parsed(request.body, "get-coordinator-config", {});
        return json(200,
                    ipam::coordinatorConfig(kube, config, ipam::textAt(body, {"podNamespace"}), ipam::textAt(body, {"podName"})));
    }

    HttpResponse workloadEndpoint(const HttpRequest& request) {
        if (config.release == AgentRelease::v0_8)
            return json(501, {{"code", 501}, {"message", "GET /workloadendpoint is not implemented in profile 0.8"}});
        const auto ns = queryValue(request.target, "podNamespace"), name = queryValue(request.target, "podName");
        try {
            return json(200, endpointStatus(kube.get(resource::endpoint, ns, name)));
        } catch (const KubeError& error) {
            if (error.notFound())
                return failure(fmt::format("SpiderEndpoint not found for pod {}/{}", ns, name), 404);
            throw;
        }
    }

    HttpResponse dispatch(const HttpRequest& request) {
        const std::string path = request.target.substr(0, request.target.find('?'));
        bool known = false;
        for (const Operation& operation : operations) {
            if (path != std::string("/v1") + operation.path)
                continue;
            known = true;
            if (request.method == operation.method)
                return (this->*operation.call)(request);
        }
        if (known)
            return json(405, {{"code", 405}, {"message", fmt::format("method {} is not allowed on {}", request.method, path)}});
        return json(404, {{"code", 404}, {"message", fmt::format("path {} was not found", path)}});
    }

    void log(const HttpRequest& request, const std::string& text) {
        if (host.log)
            host.log(fmt::format("{} {}: {}", request.method, request.target, text));
    }

    KubeClient& kube;
    const AgentConfig config;
    const AgentHost host;
    ipam::Ipam ipam;
};

const std::array<IpamAgent::Impl::Operation, 10> IpamAgent::Impl::operations = {{
    {"GET", "/ipam/healthy", &Impl::healthy},
    {"POST", "/ipam/ip", &Impl::postIp},
    {"DELETE", "/ipam/ip", &Impl::deleteIp},
    {"POST", "/ipam/ips", &Impl::postIps},
    {"DELETE", "/ipam/ips", &Impl::deleteIps},
    {"GET", "/coordinator/config", &Impl::coordinator},
    {"GET", "/workloadendpoint", &Impl::workloadEndpoint},
    {"GET", "/runtime/startup", &Impl::healthy},
    {"GET", "/runtime/readiness", &Impl::healthy},
    {"GET", "/runtime/liveness", &Impl::healthy},
}};

IpamAgent::IpamAgent(KubeClient& kube, AgentConfig config, AgentHost host)
    : impl_(std::make_unique<Impl>(kube, std::move(config), std::move(host))) {}
IpamAgent::~IpamAgent() = default;

const AgentConfig& IpamAgent::config() const noexcept {
    return impl_->config;
}

HttpResponse IpamAgent::handle(const HttpRequest& request) {
    try {
        return impl_->dispatch(request);
    } catch (const BadRequest& error) {
        impl_->log(request, error.what());
        return error.response();
    } catch (const ipam::ReleaseForbidden& error) {
        impl_->log(request, error.what());
        return failure(error.what(), error.status());
    } catch (const std::exception& error) {
        impl_->log(request, error.what());
        return failure(error.what());
    }
}

} // namespace rdmalab::plugin
