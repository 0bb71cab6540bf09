#include "plugins/agent/ipam/allocation_records.h"

#include "plugins/agent/ipam/json_access.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>

namespace rdmalab::plugin::ipam {

namespace {

std::string entryText(const IpAddress& ip, const AllocationRecord& record) {
    return Json(ip.str()).dump() + ":" + Json{{"pod", record.pod}, {"podUid", record.podUid}}.dump();
}

IpAddress previous(const IpAddress& ip) {
    std::array<unsigned char, 16> bytes{};
    std::copy_n(ip.data(), ip.size(), bytes.begin());
    for (std::size_t i = ip.size(); i-- > 0 && bytes[i]-- == 0;) {
    }
    return IpAddress::fromBytes(bytes.data(), ip.family());
}

} // namespace

void AllocationRecords::joinRuns(const IpAddress& ip) {
    IpAddress first = ip, last = ip;
    auto after = runs_.upper_bound(ip);
    if (after != runs_.begin()) {
        const auto before = std::prev(after);
        if (ip <= before->second)
            return;
        if (before->second.next() == ip) {
            first = before->first;
            runs_.erase(before);
        }
    }
    if (after != runs_.end() && ip.next() == after->first) {
        last = after->second;
        runs_.erase(after);
    }
    runs_.emplace(first, last);
}

void AllocationRecords::splitRun(const IpAddress& ip) {
    const auto run = std::prev(runs_.upper_bound(ip));
    const auto [first, last] = *run;
    runs_.erase(run);
    if (first < ip)
        runs_.emplace(first, previous(ip));
    if (ip < last)
        runs_.emplace(ip.next(), last);
}

const IpAddress* AllocationRecords::lastOfRun(const IpAddress& ip) const {
    const auto after = runs_.upper_bound(ip);
    if (after == runs_.begin())
        return nullptr;
    const auto before = std::prev(after);
    return ip <= before->second ? &before->second : nullptr;
}

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
    joinRuns(ip);
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
    splitRun(ip);
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
        while (ip <= range->last) {
            const auto block = std::find_if(taken.begin(), taken.end(), [&](const IpRange& other) { return other.contains(ip); });
            const IpAddress* used = block != taken.end() ? &block->last : lastOfRun(ip);
            if (used == nullptr)
                return ip;
            const IpAddress end = *used;
            if (!(end < range->last))
                break;
            ip = end.next();
        }
    }
    return std::nullopt;
}

} // namespace rdmalab::plugin::ipam
