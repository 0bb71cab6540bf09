// A CNI result, free of the version it is written in (pkg/types/{020,040,100}; spec/cni.md 1.3).
#pragma once

#include "util/ip.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

struct CniInterface {
    std::string name, mac, sandbox;
    int mtu = 0;
    std::string socketPath, pciId;
};

struct CniIp {
    std::optional<int> interface; // index into interfaces
    Cidr address;
    std::optional<IpAddress> gateway;
};

struct CniRoute {
    Cidr dst; // host bits are zero
    std::optional<IpAddress> gateway;
    int mtu = 0, advmss = 0, priority = 0;
    std::optional<int> table, scope;
};

struct CniDns {
    std::vector<std::string> nameservers;
    std::string domain;
    std::vector<std::string> search, options;
};

struct CniResult {
    std::vector<CniInterface> interfaces;
    std::vector<CniIp> ips;
    std::vector<CniRoute> routes;
    CniDns dns;

    // Reads an object written in `version`. Throws std::runtime_error with libcni's texts.
    static CniResult parse(const nlohmann::json& object, const std::string& version);
    // Indented text as the plugins print it. Throws std::runtime_error: `cannot convert: no valid IP addresses` and others.
    std::string print(const std::string& version) const;
};

CniDns parseCniDns(const nlohmann::json& object);

// Every version this implementation speaks, oldest first.
const std::vector<std::string>& allCniVersions();
bool versionAtLeast(const std::string& version, const std::string& minimum); // by number; an unreadable one is not

} // namespace rdmalab::plugin
