#include "plugins/agent/ipam/pool_manager.h"

#include "plugins/kube/kube_client.h"

#include <fmt/format.h>

namespace rdmalab::plugin::ipam {

namespace {

std::string versionOf(const Json& pool) {
    return textAt(pool, {"metadata", "uid"}) + "/" + textAt(pool, {"metadata", "resourceVersion"});
}

void append(std::vector<IpRange>& ranges, const std::vector<std::string>& texts) {
    for (const auto& text : texts)
        if (const auto range = IpRange::parse(text); range && range->first <= range->last)
            ranges.push_back(*range);
}

} // namespace

AllocationRecords PoolManager::recordsOf(const Json& pool) {
    {
        const std::lock_guard lock(mutex_);
        // Taken out, not copied: whoever comes meanwhile reads the text.
        if (const auto known = known_.find(nameOf(pool)); known != known_.end() && known->second.version == versionOf(pool)) {
            AllocationRecords records = std::move(known->second.records);
            known_.erase(known);
            return records;
        }
    }
    return AllocationRecords::parse(textAt(pool, {"status", "allocatedIPs"}));
}

void PoolManager::remember(const Json& pool, AllocationRecords records) {
    const std::lock_guard lock(mutex_);
    known_[nameOf(pool)] = {versionOf(pool), std::move(records)};
}

void PoolManager::modify(const std::string& pool, const std::string& task,
                         const std::function<bool(const Json& pool, AllocationRecords& records)>& change) {
    std::chrono::milliseconds pause{10};
    for (int attempt = 1;; ++attempt) {
        Json object = kube_.get(resource::ipPool, "", pool);
        AllocationRecords records = recordsOf(object);
        if (!change(object, records)) {
            remember(object, std::move(records));
            return;
        }
        Json& status = object["status"];
        if (records.size() == 0)
            status.erase("allocatedIPs"); // the pool's finalizer goes only when this is absent
        else
            status["allocatedIPs"] = records.print();
        status["allocatedIPCount"] = records.size();
        try {
            remember(kube_.updateStatus(resource::ipPool, object), std::move(records));
            return;
        } catch (const KubeError& error) {
            if (!error.conflict())
                throw;
        }
        if (attempt == tries)
            throw std::runtime_error(fmt::format("exhaust all retries ({} times), failed to {} IPPool {}", tries, task, pool));
        if (sleep_)
            sleep_(pause);
        pause = pause * 3 / 2;
    }
}

std::vector<IpRange> PoolManager::reserved(int version) {
    std::vector<IpRange> ranges;
    for (const Json& object : kube_.list(resource::reservedIp, ""))
        if (!isTerminating(object) && numberAt(object, {"spec", "ipVersion"}) == version)
            append(ranges, textsAt(object, {"spec", "ips"}));
    return ranges;
}

Allocation PoolManager::allocate(const std::string& pool, const std::string& nic, const std::string& pod,
                                 const std::string& podUid) {
    Allocation result;
    modify(pool, "allocate IP from", [&](const Json& object, AllocationRecords& records) {
        const Json& spec = at(object, {"spec"});
        result = {};
        result.version = static_cast<int>(numberAt(spec, {"ipVersion"}, 4));
        result.nic = nic;
        result.pool = pool;
        result.gateway = textAt(spec, {"gateway"});
        result.vlan = numberAt(spec, {"vlan"});
        result.routes = routesOf(spec);
        const auto subnet = textAt(spec, {"subnet"});
        const auto withLength = [&](const IpAddress& ip) {
            return ip.str() + subnet.substr(std::min(subnet.find('/'), subnet.size()));
        };

        const auto own = records.addressOf(podUid);
        // 1.x gives a pod the address it has, even to another NIC; 0.8 does so only when nothing else is left.
        if (own && config_.release == AgentRelease::v1_2) {
            result.address = withLength(*own);
            return false;
        }
        auto taken = reserved(result.version);
        append(taken, textsAt(spec, {"excludeIPs"}));
        const auto free = records.firstFree(textsAt(spec, {"ips"}), taken);
        if (!free) {
            if (!own || records.find(*own)->pod != pod)
                throw std::runtime_error("all IP addresses used out");
            result.address = withLength(*own);
            return false;
        }
        if (records.size() >= static_cast<std::size_t>(config_.maxAllocatedIPs))
            throw std::runtime_error(
                fmt::format("all IP addresses used out, threshold of IP records(<={}) for IPPool {} exceeded",
                            config_.maxAllocatedIPs, pool));
        result.address = withLength(*free);
        records.insert(*free, {pod, podUid});
        return true;
    });
    return result;
}

void PoolManager::release(const std::string& pool, const std::vector<IpAndUid>& ips) {
    modify(pool, fmt::format("release IP addresses {} from", print(ips)), [&](const Json&, AllocationRecords& records) {
        bool changed = false;
        for (const auto& entry : ips) {
            const auto ip = IpAddress::parse(entry.ip);
            const AllocationRecord* record = ip ? records.find(*ip) : nullptr;
            if (record == nullptr || record->podUid != entry.podUid)
                continue;
            records.erase(*ip);
            changed = true;
        }
        return changed;
    });
}

void PoolManager::changeUids(const std::string& pool, const std::string& pod, const std::vector<IpAndUid>& ips) {
    modify(pool, fmt::format("re-allocate the IP addresses {} from", print(ips)), [&](const Json&, AllocationRecords& records) {
        bool changed = false;
        for (const auto& entry : ips) {
            const auto ip = IpAddress::parse(entry.ip);
            const AllocationRecord* record = ip ? records.find(*ip) : nullptr;
            if (record == nullptr)
                continue;
            if (record->pod != pod)
                throw std::runtime_error(
                    fmt::format("failed to update allocated IP because of data broken: IPPool {} IP {} allocation "
                                "detail {{{} {}}} mistach namespacedName {}",
                                pool, entry.ip, record->pod, record->podUid, pod));
            if (record->podUid == entry.podUid)
                continue;
            records.changeUid(*ip, entry.podUid);
            changed = true;
        }
        return changed;
    });
}

} // namespace rdmalab::plugin::ipam
