// What writing to class/net/NAME/* does where no real interface stands behind it (net/core/net-sysfs.c).
#pragma once

#include "fakesysfs/render.h"

#include <string>

namespace rdmalab::fakesysfs {

class NetWrites {
public:
    NetWrites(const Scene& scene, const NetdevFacts& facts);

    // Empty when nothing can be written. mtu and flags change the port; EROFS for interfaces that are no port, whose truth lives
    // elsewhere.
    Directory::Write of(const std::string& name) const;
    // What has been kept for a name.
    std::string kept(const std::string& name, std::string otherwise) const;
    const Owner& owner() const noexcept { return owner_; }

private:
    const Scene& scene_;
    const hardware::Nic* nic_;
    Owner owner_;
};

// create_child, delete_child, mode and umcast of IPoIB.
Directory::Write ipoibStore(const std::string& name);

} // namespace rdmalab::fakesysfs
