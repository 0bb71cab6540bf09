#include "plugins/agent/ipam/allocation_records.h"

#include "plugins/agent/ipam/json_access.h"

#include <algorithm>
#include <stdexcept>

namespace rdmalab::plugin::ipam {

namespace {

std::string entryText(const IpAddress& ip, const AllocationRecord& record) {
    return Json(ip.str()).dump() + ":" + Json{{"pod", record.pod}, {"podUid", record.podUid}}.dump();
}

} // namespace

AllocationRecords AllocationRecords::parse(const std::string& text) {
    AllocationRecords result;
    if (text.empty())
        return result;
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() && !json.is_null())
        throw std::runtime_error("status.allocatedIPs is not a JSON object of records");
    for (auto entry = json.begin(); entry != json.end(); ++entry) {
        const auto ip = IpAddress::parse(entry.key());
        if (!ip)
            throw std::runtime_error("invalid IP address: " + entry.key());
        result.insert(*ip, {textAt(*entry, {"pod"}), textAt(*entry, {"podUid"})});
    }
    result.text_ = result.records_.empty() ? std::string() : text;
    return result;
}

const std::string& AllocationRecords::print() const {
    if (stale_) {
        text_.clear();
        for (const auto& [ip, record] : records_)
            text_ += (text_.empty() ? "{" : ",") + entryText(ip, record);
        if (!text_.empty())
            text_ += '}';
        stale_ = false;
    }
    return text_;
}

const AllocationRecord* AllocationRecords::find(const IpAddress& ip) const {
    const auto found = records_.find(ip);
    return found == records_.end() ? nullptr : &found->second;
}

std::optional<IpAddress> AllocationRecords::addressOf(const std::string& podUid) const {
    const auto found = byUid_.find(podUid);
    return found == byUid_.end() ? std::nullopt : std::optional(found->second);
}

void AllocationRecords::insert(const IpAddress& ip, AllocationRecord record) {
    if (!stale_ && !records_.contains(ip)) {
        if (text_.empty())
            text_ = "{";
        else
            text_.back() = ',';
        text_ += entryText(ip, record) + "}";
    } else {
        stale_ = true;
    }
    const auto [known, isNew] = byUid_.emplace(record.podUid, ip);
    if (!isNew && ip < known->second)
        known->second = ip;
    records_[ip] = std::move(record);
}

void AllocationRecords::changeUid(const IpAddress& ip, const std::string& podUid) {
    const auto found = records_.find(ip);
    if (found == records_.end())
        return;
    AllocationRecord record = found->second;
    record.podUid = podUid;
    erase(ip);
    insert(ip, std::move(record));
}

void AllocationRecords::erase(const IpAddress& ip) {
    const auto found = records_.find(ip);
    if (found == records_.end())
        return;
    const std::string uid = found->second.podUid;
    records_.erase(found);
    stale_ = true;
    if (const auto known = byUid_.find(uid); known != byUid_.end() && known->second == ip) {
        byUid_.erase(known);
        for (const auto& [other, record] : records_)
            if (record.podUid == uid) {
                byUid_.emplace(uid, other);
                break;
            }
    }
}

std::optional<IpAddress> AllocationRecords::firstFree(const std::vector<std::string>& ips,
                                                      const std::vector<IpRange>& taken) const {
    for (const auto& text : ips) {
        const auto range = IpRange::parse(text);
        if (!range || range->last < range->first)
            continue;
        IpAddress ip = range->first;
        auto record = records_.lower_bound(ip);
        while (ip <= range->last) {
            const auto block = std::find_if(taken.begin(), taken.end(), [&](const IpRange& other) { return other.contains(ip); });
            IpAddress end = ip; // of what is not free here
            if (block != taken.end()) {
                end = block->last;
            } else {
                while (record != records_.end() && record->first < ip)
                    ++record;
                if (record == records_.end() || record->first != ip)
                    return ip;
            }
            if (!(end < range->last))
                break;
            ip = end.next();
        }
    }
    return std::nullopt;
}

} // namespace rdmalab::plugin::ipam
