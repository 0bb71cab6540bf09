// The steps of the coordinator's ADD for one interface of a pod (cmd/coordinator/cmd/{command_add,utils}.go).
#pragma once

#include "plugins/cni/coordinator/config.h"
#include "plugins/cni/coordinator/host_addresses.h"

#include <cstdint>

namespace rdmalab::plugin {
struct Link;
}

namespace rdmalab::plugin::coordinator {

// "veth" and the first 11 characters of the container's id.
std::string hostVethName(const std::string& containerId);

class PodNetwork {
public:
    // `host` and `pod` must outlive the object.
    PodNetwork(Kernel& host, Kernel& pod, const Config& config, std::string containerId, std::string ifName);

    // Throws std::runtime_error with upstream's texts; what was done until then stays.
    void setUp();

private:
    enum class Mode { underlay, overlay };

    void findFamilies();
    void setInterfaceUp();
    void chooseMode();
    void chooseModeAutomatically(bool vethExists);
    void chooseTables(std::size_t upLinks);
    void createVeth();
    void findHostVeth();
    void overwriteMac();
    void setTxQueueLength();
    void enableIpv6();
    void setRpFilter(Kernel& kernel, int value);
    void setNeighbours();
    void setHostRoutes();
    void setHijackRoutes();
    void returnRepliesThroughVeth();
    void tunePodRoutes();
    void setPolicyRoutes();

    Link podLink(const std::string& name);
    // One that exists already is fine.
    void addPodRoute(int table, int scope, const std::string& link, const std::optional<IpAddress>& source,
                     const std::optional<Cidr>& dst, const std::optional<IpAddress>& gateway, int family);
    std::optional<IpAddress> hijackGateway(bool v4) const;
    std::string otherDefaultRouteInterface();
    void addFromRules(const std::vector<Cidr>& addresses, int table);
    void copyRoutes(const std::string& link, int table, bool defaultsOnly, bool moveDefaults);

    Kernel& host_;
    Kernel& pod_;
    const Config& config_;
    std::string containerId_, ifName_;

    Mode mode_ = Mode::underlay;
    bool first_ = false;
    bool legacy_ = false; // the tables of 0.8
    Families families_;
    int ruleTable_ = 0, markTable_ = 0;
    std::string podVeth_, hostVeth_, hostVethMac_, podVethMac_;
    std::vector<Cidr> addresses_;
    std::vector<IpAddress> hostAddresses_;
    std::optional<IpAddress> podSource_; // IPv4 of eth0; IPv6 wants none
};

} // namespace rdmalab::plugin::coordinator
