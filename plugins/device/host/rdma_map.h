// Which RDMA devices a PCI function has, and which character devices those have (Mellanox/rdmamap, rdma_map.go).
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;

// Reads each class of character devices once, however many devices are asked for: make a new one to look again.
class RdmaMap {
public:
    // `firstOnly`: only the first character device of a kind, as before v1.2.0.
    explicit RdmaMap(Files& files, bool firstOnly = false) : files_(files), firstOnly_(firstOnly) {}

    // Real directories below ADDRESS/infiniband; links are skipped.
    std::vector<std::string> devicesOf(const std::string& pciAddress) const;
    // "/dev/infiniband/issm0", umad0, uverbs0, rdma_cm, in rdmamap's order; the nodes themselves are not checked to exist.
    std::vector<std::string> characterDevicesOf(const std::string& rdmaDevice);

private:
    void readClasses();

    Files& files_;
    bool firstOnly_, read_ = false, connectionManager_ = false;
    std::array<std::map<std::string, std::vector<std::string>>, 4> kinds_; // ucm, issm, umad, uverbs: by RDMA device
};

} // namespace rdmalab::plugin
