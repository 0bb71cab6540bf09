#include "sim/cluster/kubelet/node_object.h"

#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/amounts.h"

#include <functional>

namespace rdmalab::cluster {

namespace {

std::string stableId(const std::string& seed) {
    static constexpr char hex[] = "0123456789abcdef";
    std::uint64_t state = 1469598103934665603ULL;
    for (const unsigned char byte : seed)
        state = (state ^ byte) * 1099511628211ULL;
    std::string id;
    for (int i = 0; i < 32; ++i) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        id += hex[state >> 60];
    }
    return id;
}

void nodeCondition(Json& status, const char* type, bool value, const char* reason, const std::string& message,
                   const std::string& now) {
    setCondition(status, type, value, reason, message, now);
    for (Json& condition : status["conditions"])
        if (condition["type"] == type && !condition.contains("lastHeartbeatTime"))
            condition["lastHeartbeatTime"] = now;
}

} // namespace

Json newNode(const KubeletOptions& options) {
    Json labels{{"kubernetes.io/hostname", options.nodeName},
                {"kubernetes.io/os", "linux"},
                {"kubernetes.io/arch", "amd64"},
                {"beta.kubernetes.io/os", "linux"},
                {"beta.kubernetes.io/arch", "amd64"}};
    for (const auto& [key, value] : options.labels)
        labels[key] = value;
    Json node{{"apiVersion", "v1"},
              {"kind", "Node"},
              {"metadata",
               {{"name", options.nodeName},
                {"labels", std::move(labels)},
                {"annotations", {{"volumes.kubernetes.io/controller-managed-attach-detach", "true"}}}}},
              {"spec", Json::object()}};
    if (!options.taints.empty())
        node["spec"]["taints"] = options.taints;
    return node;
}

Json nodeStatus(const NodeStatusInputs& in) {
    Json status = in.old.is_object() ? in.old : Json::object();
    Json capacity = at(status, {"capacity"}), allocatable = at(status, {"allocatable"});
    if (!capacity.is_object())
        capacity = Json::object();
    if (!allocatable.is_object())
        allocatable = Json::object();
    const std::map<std::string, std::string> defaults{{"cpu", "8"},           {"memory", "16Gi"},
                                                      {"pods", "110"},        {"ephemeral-storage", "100Gi"},
                                                      {"hugepages-1Gi", "0"}, {"hugepages-2Mi", "0"}};
    for (const auto* map : {&defaults, &in.options.capacity})
        for (const auto& [name, quantity] : *map)
            if (map != &defaults || !in.options.capacity.contains(name))
                capacity[name] = allocatable[name] = quantity;
    for (const auto& [name, count] : in.devices) {
        capacity[name] = formatAmount(name, count.capacity);
        allocatable[name] = formatAmount(name, count.allocatable);
    }
    for (const auto& name : in.dropped)
        capacity[name] = allocatable[name] = "0";
    status["capacity"] = std::move(capacity);
    status["allocatable"] = std::move(allocatable);

    nodeCondition(status, "MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available",
                  in.now);
    nodeCondition(status, "DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure", in.now);
    nodeCondition(status, "PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available", in.now);
    const bool ready = in.networkProblem.empty();
    nodeCondition(status, "Ready", ready, ready ? "KubeletReady" : "KubeletNotReady",
                  ready ? "kubelet is posting ready status" : in.networkProblem, in.now);

    Json addresses = Json::array();
    for (const auto& address : in.options.addresses)
        addresses.push_back({{"type", "InternalIP"}, {"address", address}});
    addresses.push_back({{"type", "Hostname"}, {"address", in.options.nodeName}});
    status["addresses"] = std::move(addresses);
    Json info{{"machineID", stableId("machine " + in.options.nodeName)},
              {"systemUUID", stableId("system " + in.options.nodeName)},
              {"bootID", stableId("boot " + in.options.nodeName)},
              {"kernelVersion", "6.1.0"},
              {"osImage", "rdmalab"},
              {"containerRuntimeVersion", "containerd://2.1.0"},
              {"kubeletVersion", texts(in.options.texts).kubeletVersion},
              {"kubeProxyVersion", ""},
              {"operatingSystem", "linux"},
              {"architecture", "amd64"}};
    for (const auto& [key, value] : in.options.nodeInfo)
        info[key] = value;
    status["nodeInfo"] = std::move(info);
    status["daemonEndpoints"] = {{"kubeletEndpoint", {{"Port", 10250}}}};
    return status;
}

} // namespace rdmalab::cluster
