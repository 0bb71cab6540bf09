#include "plugins/cni/multus/multus_run.h"

#include "plugins/cni/multus/network_resolver.h"
#include "plugins/cni/multus/network_status.h"
#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/invoke.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <thread>

namespace rdmalab::plugin::multus {

namespace {

constexpr const char* statusAnnotation = "k8s.v1.cni.cncf.io/network-status";
constexpr const char* deviceInfoDirectory = "/var/run/k8s.cni.cncf.io/devinfo";

std::vector<std::string> knownArgs() {
    return kubernetesCniArgs();
}

std::vector<std::pair<std::string, std::string>> pairsOf(const std::string& args) {
    std::vector<std::pair<std::string, std::string>> out;
    std::string current;
    for (const char c : args + ";") {
        if (c != ';') {
            current += c;
            continue;
        }
        const auto equals = current.find('=');
        if (equals != std::string::npos)
            out.emplace_back(current.substr(0, equals), current.substr(equals + 1));
        current.clear();
    }
    return out;
}

std::string slashesToDashes(std::string text) {
    std::replace(text.begin(), text.end(), '/', '-');
    return text;
}

std::string reprinted(const std::string& result) {
    const auto json = parseJson(result);
    const auto version = stringOf(json, "cniVersion");
    return CniResult::parse(json, version).print(version);
}

} // namespace

MultusRun::MultusRun(const CniRequest& request) : request_(request) {
    try {
        conf_ = loadNetConf(request.input);
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::internal, std::string("Multus: error loading netconf: ") + error.what());
    }
    try {
        args_ = parseCniArgs(request.args, knownArgs());
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::internal, std::string("Multus: error getting k8s args: ") + error.what());
    }
}

std::string MultusRun::prefix() const {
    const auto arg = [this](const char* key) {
        const auto found = args_.find(key);
        return found == args_.end() ? std::string() : found->second;
    };
    return fmt::format("{}/{}/{}", arg("K8S_POD_NAMESPACE"), arg("K8S_POD_NAME"), arg("K8S_POD_UID"));
}

void MultusRun::fail(const std::string& message) const {
    throw CniError(cni_code::internal, fmt::format("Multus: [{}]: {}", prefix(), message));
}

void MultusRun::sleep(int milliseconds) const {
    if (request_.services.sleep)
        request_.services.sleep(std::chrono::milliseconds(milliseconds));
    else
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

void MultusRun::waitForReadinessFile() {
    const auto& path = conf_.readinessIndicatorFile;
    if (path.empty())
        return;
    for (int second = 0; second < 45; ++second) {
        if (request_.services.files.exists(path))
            return;
        sleep(1000);
    }
    if (!request_.services.files.exists(path))
        fail(fmt::format("have you checked that your default network is ready? still waiting for readinessindicatorfile @ {}. "
                         "pollimmediate error: timed out waiting for the condition",
                         path));
}

void MultusRun::connect() {
    if (conf_.kubeconfig.empty() || !request_.services.kube)
        return;
    try {
        kube_ = request_.services.kube(conf_.kubeconfig);
    } catch (const std::runtime_error& error) {
        fail(fmt::format("error getting k8s client: GetK8sClient: failed to get context for the kubeconfig {}: {}",
                         conf_.kubeconfig, error.what()));
    }
}

MultusRun::PodLookup MultusRun::findPod() {
    const auto name = args_.find("K8S_POD_NAME"), ns = args_.find("K8S_POD_NAMESPACE");
    if (!kube_ || name == args_.end() || name->second.empty())
        return PodLookup::noClient;
    constexpr int attempts = 10, pause = 250; // the API server may be restarting
    for (int attempt = 1;; ++attempt) {
        try {
            pod_ = kube_->get(resource::pod, ns == args_.end() ? "" : ns->second, name->second);
            break;
        } catch (const KubeError& error) {
            if (error.notFound())
                return PodLookup::missing;
            if (attempt >= attempts)
                fail(std::string("error waiting for pod: ") + error.what());
        }
        sleep(pause);
    }
    const auto& metadata = memberOf(pod_, "metadata");
    const bool isStatic = !stringOf(memberOf(metadata, "annotations"), "kubernetes.io/config.mirror").empty();
    const auto uid = args_.find("K8S_POD_UID");
    if (uid != args_.end() && !uid->second.empty() && !isStatic && stringOf(metadata, "uid") != uid->second)
        return PodLookup::mismatched;
    return PodLookup::found;
}

CniClient MultusRun::client() const {
    CniClient::Options options;
    options.binDirs = {conf_.binDir};
    for (const auto& directory : request_.pluginDirectories())
        options.binDirs.push_back(directory);
    options.cacheDir = conf_.cniDir;
    options.environment = request_.environment;
    return {request_.services.files, request_.services.exec, std::move(options)};
}

std::string MultusRun::deviceInfoPath(const Delegate& delegate, const std::string& ifName) const {
    if (delegate.master)
        return "";
    return fmt::format("{}/cni/{}-{}_{}", deviceInfoDirectory, slashesToDashes(delegate.name), request_.containerId, ifName);
}

CniAttachment MultusRun::attachment(const Delegate& delegate, std::size_t index) const {
    CniAttachment out;
    out.containerId = request_.containerId;
    out.netns = request_.netns;
    out.ifName = delegate.interfaceName(request_.ifName, index);
    const auto arg = [this](const char* key) {
        const auto found = args_.find(key);
        return found == args_.end() ? std::string() : found->second;
    };
    out.args = {{"IgnoreUnknown", "true"},
                {"K8S_POD_NAMESPACE", arg("K8S_POD_NAMESPACE")},
                {"K8S_POD_NAME", arg("K8S_POD_NAME")},
                {"K8S_POD_INFRA_CONTAINER_ID", arg("K8S_POD_INFRA_CONTAINER_ID")},
                {"K8S_POD_UID", arg("K8S_POD_UID")}};
    for (const auto& pair : pairsOf(request_.args))
        if (std::none_of(out.args.begin(), out.args.end(), [&](const auto& own) { return own.first == pair.first; }))
            out.args.push_back(pair);

    auto capabilities = conf_.runtimeConfig.empty() ? nlohmann::json::object() : parseJson(conf_.runtimeConfig);
    const auto& wanted = delegate.request;
    if (!delegate.master) {
        if (!wanted.mac.empty()) {
            capabilities["mac"] = wanted.mac;
            out.args.emplace_back("MAC", wanted.mac);
        }
        if (!wanted.ips.empty()) {
            capabilities["ips"] = wanted.ips;
            out.args.emplace_back("IP", fmt::format("{}", fmt::join(wanted.ips, ",")));
        }
        if (!wanted.infinibandGuid.empty())
            capabilities["infinibandGUID"] = wanted.infinibandGuid;
        if (!wanted.portMappings.empty())
            capabilities["portMappings"] = parseJson(wanted.portMappings);
        if (!wanted.bandwidth.empty())
            capabilities["bandwidth"] = parseJson(wanted.bandwidth);
        if (!delegate.deviceId.empty())
            capabilities["deviceID"] = delegate.deviceId;
        capabilities["CNIDeviceInfoFile"] = deviceInfoPath(delegate, out.ifName);
    }
    if (!capabilities.empty())
        out.capabilityArgs = goJson(capabilities);
    return out;
}

std::string MultusRun::scratchPath() const {
    return conf_.cniDir + "/" + request_.containerId;
}

void MultusRun::emitEvent(const std::string& type, const std::string& reason, const std::string& message) {
    if (!kube_ || !pod_.is_object())
        return;
    const auto now = request_.services.now ? request_.services.now() : std::chrono::system_clock::now();
    const auto time = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
    const auto& metadata = memberOf(pod_, "metadata");
    const auto podName = stringOf(metadata, "name"), podNamespace = stringOf(metadata, "namespace");
    // Client libraries put the time there; this stays unique when the clock does not move between two events.
    const auto unique = std::hash<std::string>{}(request_.containerId + request_.ifName + message);
    nlohmann::json event{{"apiVersion", "v1"},
                         {"kind", "Event"},
                         {"metadata", {{"name", fmt::format("{}.{:016x}", podName, unique)}, {"namespace", podNamespace}}},
                         {"involvedObject",
                          {{"kind", "Pod"},
                           {"apiVersion", "v1"},
                           {"namespace", podNamespace},
                           {"name", podName},
                           {"uid", stringOf(metadata, "uid")}}},
                         {"type", type},
                         {"reason", reason},
                         {"message", message},
                         {"source", {{"component", "multus"}}},
                         {"reportingComponent", "multus"},
                         {"reportingInstance", ""},
                         {"firstTimestamp", time},
                         {"lastTimestamp", time},
                         {"count", 1}};
    try {
        kube_->create(resource::event, event);
    } catch (const KubeError&) {
        // An event that is lost must not cost the pod its network.
    }
}

void MultusRun::resolveDelegates() {
    NetworkResolver resolver(request_.services.files, kube_.get(), pod_,
                             [this](const std::string& type, const std::string& reason, const std::string& message) {
                                 emitEvent(type, reason, message);
                             });
    if (!conf_.clusterNetwork.empty()) {
        try {
            resolver.loadDefaultNetworks(conf_);
        } catch (const std::runtime_error& error) {
            fail(std::string("failed to get clusterNetwork/defaultNetworks: ") + error.what());
        }
    }
    try {
        resolver.loadPodNetworks(conf_);
    } catch (const std::runtime_error& error) {
        fail(std::string("error loading k8s delegates k8s args: ") + error.what());
    }
    for (auto& delegate : conf_.delegates)
        setMissingVersion(delegate, conf_.cniVersion);
}

void MultusRun::copyDeviceInfo(const Delegate& delegate, const std::string& ifName) {
    if (delegate.master || delegate.resourceName.empty() || delegate.deviceId.empty())
        return;
    auto& files = request_.services.files;
    const auto source = fmt::format("{}/dp/{}-{}-device.json", deviceInfoDirectory, slashesToDashes(delegate.resourceName),
                                    slashesToDashes(delegate.deviceId));
    try {
        if (const auto content = files.readIfExists(source)) {
            files.makeDirectories(std::string(deviceInfoDirectory) + "/cni", 0755);
            files.write(deviceInfoPath(delegate, ifName), *content, 0444);
        }
    } catch (const SystemError&) {
        // Only the pod's status lacks the information then.
    }
}

std::string MultusRun::addDelegate(const Delegate& delegate, const CniAttachment& attachment) {
    std::unique_ptr<Kernel> container;
    try {
        container = request_.services.kernel.openNetns(request_.netns);
    } catch (const KernelError&) {
        // The delegate reports it in its own words.
    }
    if (container && container->linkByName(attachment.ifName))
        throw std::runtime_error(
            fmt::format("DelegateAdd: cannot set {} interface name to {}: validateIfName: interface name {} already exists",
                        goQuote(delegate.isList ? "" : delegate.network().plugins.front().type), goQuote(attachment.ifName),
                        attachment.ifName));
    const auto network = delegate.network();
    auto cni = client();
    const auto result = delegate.isList ? cni.addNetworkList(network, attachment) : cni.addNetwork(network, attachment);
    const auto json = parseJson(result);
    const auto parsed = CniResult::parse(json, stringOf(json, "cniVersion"));
    if (!parsed.interfaces.empty() || !parsed.ips.empty()) {
        std::vector<std::string> ips;
        for (const auto& ip : parsed.ips)
            ips.push_back(ip.address.str());
        emitEvent("Normal", "AddedInterface", fmt::format("Add {} {} from {}", attachment.ifName, goList(ips), delegate.name));
    }
    return result;
}

// Upstream means to remove the other default routes from the pod too, but does not: they are matched in a form that the kernel
// does not report. What does happen is kept: the cached results change, and a new route that is in the way of none is added.
void MultusRun::applyDefaultRoutes(const Delegate& delegate, const CniAttachment& attachment, const CniResult& result) {
    if (!delegate.filterV4Gateway && !delegate.filterV6Gateway)
        return;
    CniResult cached = result;
    std::erase_if(cached.routes, [&](const CniRoute& route) {
        return route.dst.isDefault() && (route.dst.address.isV4() ? delegate.filterV4Gateway : delegate.filterV6Gateway);
    });
    if (delegate.request.defaultRoute && !delegate.request.defaultRoute->empty()) {
        const auto container = request_.services.kernel.openNetns(request_.netns);
        const auto link = container->linkByName(attachment.ifName);
        for (const auto& gateway : *delegate.request.defaultRoute) {
            CniRoute route;
            route.dst = *Cidr::parse(gateway.isV4() ? "0.0.0.0/0" : "::/0");
            route.gateway = gateway;
            cached.routes.push_back(route);
            if (!link)
                continue;
            Route added;
            added.family = gateway.family();
            added.gateway = gateway;
            added.linkIndex = link->index;
            try {
                container->addRoute(added);
            } catch (const KernelError& error) {
                if (error.code() != EEXIST)
                    fail(std::string("error setting default gateway: ") + error.what());
            }
        }
    }
    const auto network = delegate.network();
    client().replaceCachedResult(network.name, attachment, cached.print(network.cniVersion));
}

std::string MultusRun::add() {
    waitForReadinessFile();
    connect();
    switch (findPod()) {
    case PodLookup::missing: {
        // The pod was deleted meanwhile. An error would only make kubelet try again.
        CniResult empty;
        empty.interfaces.push_back({request_.ifName, "", request_.netns, 0, "", ""});
        empty.ips.push_back({std::nullopt, *Cidr::parse("0.0.0.0/32"), std::nullopt});
        return empty.print(conf_.cniVersion);
    }
    case PodLookup::mismatched:
        fail(fmt::format("expected pod UID {} but got {} from Kube API", goQuote(args_["K8S_POD_UID"]),
                         goQuote(stringOf(memberOf(pod_, "metadata"), "uid"))));
    default:
        break;
    }
    resolveDelegates();
    auto& files = request_.services.files;
    try {
        files.makeDirectories(conf_.cniDir, 0700);
        files.write(scratchPath(), delegatesToJson(conf_.delegates), 0600);
    } catch (const SystemError& error) {
        fail(std::string("error saving the delegates: ") + error.what());
    }

    std::string masterResult;
    std::vector<std::string> statuses;
    for (std::size_t i = 0; i < conf_.delegates.size(); ++i) {
        const auto& delegate = conf_.delegates[i];
        const auto call = attachment(delegate, i);
        copyDeviceInfo(delegate, call.ifName);
        std::string result;
        std::string netName;
        try {
            netName = delegate.network().name;
            result = addDelegate(delegate, call);
        } catch (const std::runtime_error& error) {
            deleteDelegates(i + 1); // the first error is the one to report
            throw CniError(cni_code::internal, fmt::format("[{}:{}]: error adding container to network {}: {}", prefix(), netName,
                                                           goQuote(netName), error.what()));
        }
        if (delegate.master || masterResult.empty())
            masterResult = result;
        const auto json = parseJson(result);
        const auto parsed = CniResult::parse(json, stringOf(json, "cniVersion"));
        applyDefaultRoutes(delegate, call, parsed);
        std::string deviceInfo;
        if (const auto path = deviceInfoPath(delegate, call.ifName); !path.empty())
            if (const auto text = files.readIfExists(path); text && nlohmann::json::accept(*text))
                deviceInfo = *text;
        const auto own = networkStatuses(parsed, delegate.name, delegate.master, deviceInfo);
        statuses.insert(statuses.end(), own.begin(), own.end());
    }
    writeStatus(statuses);
    return reprinted(masterResult);
}

void MultusRun::writeStatus(const std::vector<std::string>& statuses) {
    // Compared with the pod's name, as upstream does.
    if (!kube_ || !pod_.is_object() || conf_.isSystemNamespace(args_["K8S_POD_NAME"]))
        return;
    const auto& metadata = memberOf(pod_, "metadata");
    const auto name = stringOf(metadata, "name"), podNamespace = stringOf(metadata, "namespace");
    constexpr int attempts = 5;
    for (int attempt = 1;; ++attempt) {
        try {
            auto pod = kube_->get(resource::pod, podNamespace, name);
            auto& annotations = pod["metadata"]["annotations"];
            if (!annotations.is_object())
                annotations = nlohmann::json::object();
            annotations[statusAnnotation] = networkStatusAnnotation(statuses);
            kube_->updateStatus(resource::pod, pod);
            return;
        } catch (const KubeError& error) {
            if (error.notFound())
                return;
            if (!error.conflict() || attempt == attempts)
                fail(fmt::format(
                    "error setting the networks status: SetNetworkStatus: failed to update the pod {} in out of cluster "
                    "comm: status update failed for pod {}/{}: {}",
                    name, podNamespace, name, error.what()));
        }
        sleep(10);
    }
}

void MultusRun::delegateDel(const Delegate& delegate, const CniAttachment& attachment) {
    const auto network = delegate.network();
    auto cni = client();
    try {
        if (delegate.isList)
            cni.delNetworkList(network, attachment);
        else
            cni.delNetwork(network, attachment);
    } catch (const std::runtime_error& error) {
        if (delegate.isList)
            throw std::runtime_error(fmt::format("DelegateDel: error invoking ConflistDel - {}: conflistDel: error in getting "
                                                 "result from DelNetworkList: {}",
                                                 goQuote(network.name), error.what()));
        throw std::runtime_error(
            fmt::format("DelegateDel: error invoking DelegateDel - {}: confDel: error in getting result from DelNetwork: {}",
                        goQuote(network.plugins.front().type), error.what()));
    }
}

std::vector<std::string> MultusRun::deleteDelegates(std::size_t count) {
    std::vector<std::string> errors;
    for (std::size_t i = count; i-- > 0;) {
        const auto& delegate = conf_.delegates[i];
        try {
            const auto call = attachment(delegate, i);
            delegateDel(delegate, call);
            if (const auto path = deviceInfoPath(delegate, call.ifName); !path.empty())
                request_.services.files.remove(path);
        } catch (const std::runtime_error& error) {
            errors.emplace_back(error.what());
        }
    }
    return errors;
}

void MultusRun::del() {
    auto& files = request_.services.files;
    const auto scratch = files.readIfExists(scratchPath());
    connect();
    if (scratch) {
        try {
            conf_.delegates = delegatesFromJson(*scratch);
        } catch (const std::runtime_error&) {
            // As if there were none: deleting must go on.
        }
    } else {
        auto found = PodLookup::missing;
        try {
            found = findPod();
        } catch (const CniError&) {
            // Nothing is known about this pod; an error would keep its sandbox for ever.
        }
        if (found != PodLookup::found)
            return;
        try {
            resolveDelegates();
        } catch (const CniError& error) {
            if (conf_.delegates.empty())
                fail(std::string("failed to get delegates: ") + error.what());
        }
    }
    for (auto& delegate : conf_.delegates)
        setMissingVersion(delegate, conf_.cniVersion);
    const auto errors = deleteDelegates(conf_.delegates.size());
    if (errors.empty() || !conf_.retryDeleteOnError)
        files.remove(scratchPath());
    if (!errors.empty())
        throw CniError(cni_code::internal, fmt::format("errors: {}", fmt::join(errors, " / ")));
}

void MultusRun::check() {
    for (std::size_t i = 0; i < conf_.delegates.size(); ++i) {
        auto& delegate = conf_.delegates[i];
        setMissingVersion(delegate, conf_.cniVersion);
        try {
            client().checkNetworkList(delegate.network(), attachment(delegate, i));
        } catch (const std::runtime_error& error) {
            throw CniError(cni_code::internal, fmt::format("DelegateCheck: error invoking ConflistCheck - {}: {}",
                                                           goQuote(delegate.name), error.what()));
        }
    }
}

} // namespace rdmalab::plugin::multus
