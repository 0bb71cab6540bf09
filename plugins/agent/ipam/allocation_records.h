// status.allocatedIPs of a pool: a JSON text {"<ip>":{"pod":"ns/name","podUid":"..."}} (spec/spiderpool.md, section 1.1).
#pragma once

#include "util/ip.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin::ipam {

struct AllocationRecord {
    std::string pod; // "ns/name"
    std::string podUid;
};

class AllocationRecords {
public:
    AllocationRecords() = default;
    // Throws std::runtime_error when the text is no such JSON.
    static AllocationRecords parse(const std::string& text);
    // Empty when there is no record: the pool then has no allocatedIPs at all.
    const std::string& print() const;

    std::size_t size() const noexcept { return records_.size(); }
    const AllocationRecord* find(const IpAddress& ip) const;
    std::optional<IpAddress> addressOf(const std::string& podUid) const;
    void insert(const IpAddress& ip, AllocationRecord record);
    void changeUid(const IpAddress& ip, const std::string& podUid);
    void erase(const IpAddress& ip);

    // The first address of `ips` ("a" or "a-b", in the order given; a reversed range has none) that is neither recorded nor in
    // one of `taken`. Upstream 1.x picks the same; 0.8 picks any free one, of which the lowest is as good as another.
    std::optional<IpAddress> firstFree(const std::vector<std::string>& ips, const std::vector<IpRange>& taken) const;

private:
    void joinRuns(const IpAddress& ip);
    void splitRun(const IpAddress& ip);
    const IpAddress* lastOfRun(const IpAddress& ip) const; // null when `ip` is not recorded

    std::map<IpAddress, AllocationRecord> records_;
    std::map<std::string, IpAddress> byUid_; // the lowest address of a pod that has several
    std::map<IpAddress, IpAddress> runs_;    // first and last of adjacent recorded addresses, to jump over when one is picked
    // Appending to the text is all that an allocation from a large pool costs; anything else prints it anew.
    mutable std::string text_;
    mutable bool stale_ = false;
};

} // namespace rdmalab::plugin::ipam
