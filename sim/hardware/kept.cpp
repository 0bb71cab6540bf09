#include "sim/hardware/machine.h"

#include <algorithm>
#include <set>

namespace rdmalab::hardware {

const std::string* Machine::kept(std::uint64_t instance, const std::string& name) const {
    const auto found = kept_.find({instance, name});
    return found == kept_.end() ? nullptr : &found->second;
}

void Machine::keep(std::uint64_t instance, const std::string& name, std::string value) {
    std::string& mine = kept_[{instance, name}];
    if (mine == value && !value.empty())
        return;
    mine = std::move(value);
    ++generation_;
    if (kept_.size() <= keptAtMost_)
        return;
    std::set<std::uint64_t> alive = {0, instance};
    for (const auto& nic : nics_) {
        alive.insert({nic->pci.instance, nic->port.instance});
        if (nic->rdma)
            alive.insert(nic->rdma->instance);
    }
    for (const auto& plain : plain_)
        alive.insert(plain->pci.instance);
    std::erase_if(kept_, [&](const auto& entry) { return !alive.count(entry.first.first); });
    keptAtMost_ = std::max<std::size_t>(256, 2 * kept_.size());
}

} // namespace rdmalab::hardware
