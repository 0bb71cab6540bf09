// What moves between the steps of an allocation.
#pragma once

#include "plugins/agent/ipam/json_access.h"

#include <map>
#include <string>
#include <vector>

namespace rdmalab::plugin::ipam {

struct AddArgs { // POST /v1/ipam/ip
    std::string containerId, ifName, netns, podName, podNs, podUid;
    std::vector<std::string> v4Pools, v6Pools; // of the CNI configuration
    bool cleanGateway = false, matchMasterSubnet = false;
};

struct DelArgs { // DELETE /v1/ipam/ip and /v1/ipam/ips
    std::string containerId, ifName, podName, podNs, podUid;
    bool releaseConflictIps = false;
};

// The pools from which one address of one family is to come, in the order in which they are tried.
struct Candidate {
    int version = 4;
    std::vector<std::string> pools;
    std::map<std::string, Json> objects; // by name; those that have been read
};

struct NicRequest {
    std::string nic; // "0", "1", ... when the pod's annotation leaves the names out
    bool cleanGateway = false;
    std::vector<Candidate> candidates;
};

struct PoolRoute {
    std::string dst, gw;
};

// One address of one NIC.
struct Allocation {
    int version = 4;
    std::string nic, address /* a/len */, pool, gateway;
    long vlan = 0;
    bool cleanGateway = false;
    std::vector<PoolRoute> routes;
};

struct IpAndUid {
    std::string ip, podUid;
};
using PoolIps = std::map<std::string, std::vector<IpAndUid>>; // by pool

std::vector<PoolRoute> routesOf(const Json& object); // of a pool's spec or an endpoint's NIC: "routes"
std::vector<std::string> poolNames(const PoolIps& ips);
std::string print(const std::vector<IpAndUid>& ips); // Go's %+v: [{IP:1.2.3.4 UID:x}]
std::string print(const PoolIps& ips);               // map[pool:[...]]

} // namespace rdmalab::plugin::ipam
