// A network that multus hands a pod to: its configuration and what the pod asked of it (multus pkg/types/{types,conf}.go).
#pragma once

#include "plugins/cni/protocol/network_config.h"
#include "util/ip.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin::multus {

// One element of the annotation k8s.v1.cni.cncf.io/networks.
struct NetworkSelection {
    std::string name, podNamespace;
    std::string interface, mac, infinibandGuid, deviceId;
    std::vector<std::string> ips;
    std::string portMappings, bandwidth, cniArgs; // JSON; empty = absent
    std::optional<std::vector<IpAddress>> defaultRoute;
};

struct Delegate {
    std::string name;  // as in the network status: "namespace/nad" or the CNI name
    std::string bytes; // configuration as it goes to libcni
    bool isList = false;
    bool master = false;
    NetworkSelection request;
    std::string resourceName, deviceId;
    bool filterV4Gateway = false, filterV6Gateway = false;

    NetworkConfigList network() const; // throws std::runtime_error
    // Interface name: what was asked for, the pod's first one for the master, else net<index>.
    std::string interfaceName(const std::string& cniIfName, std::size_t index) const;
};

// Throws std::runtime_error. `selection` may be null. A device id goes into every plugin as deviceID and pciBusID.
Delegate loadDelegate(const std::string& bytes, const NetworkSelection* selection, const std::string& deviceId,
                      const std::string& resourceName);
void setMissingVersion(Delegate& delegate, const std::string& cniVersion);

// Marks which delegates lose their default routes. Throws std::runtime_error on a second default-route of one family.
void applyDefaultRouteRequests(std::vector<Delegate>& delegates);

// The file that ADD leaves for DEL.
std::string delegatesToJson(const std::vector<Delegate>& delegates);
std::vector<Delegate> delegatesFromJson(const std::string& text); // throws std::runtime_error

} // namespace rdmalab::plugin::multus
