#include "sim/cluster/spiderpool/ip_ranges.h"

#include <algorithm>
#include <limits>
#include <sys/socket.h>

namespace rdmalab::cluster {
namespace {

__extension__ using Wide = unsigned __int128;

Wide number(const IpAddress& ip) {
    Wide value = 0;
    for (std::size_t i = 0; i < ip.size(); ++i)
        value = value << 8 | ip.data()[i];
    return value;
}

IpAddress address(Wide value, bool v4) {
    unsigned char bytes[16];
    const int size = v4 ? 4 : 16;
    for (int i = size; i-- > 0; value >>= 8)
        bytes[i] = static_cast<unsigned char>(value);
    return IpAddress::fromBytes(bytes, v4 ? AF_INET : AF_INET6);
}

// Whether `b` starts inside `a` or directly after it.
bool touches(const IpRange& a, const IpRange& b) {
    return a.first.isV4() == b.first.isV4() && (b.first <= a.last || number(b.first) == number(a.last) + 1);
}

} // namespace

std::vector<IpRange> mergeRanges(std::vector<IpRange> ranges) {
    for (IpRange& range : ranges)
        if (range.last < range.first)
            std::swap(range.first, range.last);
    std::sort(ranges.begin(), ranges.end(), [](const IpRange& a, const IpRange& b) { return a.first < b.first; });
    std::vector<IpRange> merged;
    for (const IpRange& range : ranges) {
        if (!merged.empty() && touches(merged.back(), range))
            merged.back().last = std::max(merged.back().last, range.last);
        else
            merged.push_back(range);
    }
    return merged;
}

std::vector<IpRange> subtractRanges(const std::vector<IpRange>& from, const std::vector<IpRange>& what) {
    std::vector<IpRange> left;
    for (IpRange range : from) {
        bool used = false;
        for (const IpRange& cut : what) {
            if (cut.last < range.first || range.last < cut.first)
                continue;
            if (range.first < cut.first)
                left.push_back({range.first, address(number(cut.first) - 1, range.first.isV4())});
            if (range.last <= cut.last) {
                used = true;
                break;
            }
            range.first = cut.last.next();
        }
        if (!used)
            left.push_back(range);
    }
    return left;
}

std::vector<IpRange> intersectRanges(const std::vector<IpRange>& a, const std::vector<IpRange>& b) {
    std::vector<IpRange> common;
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
        const IpRange both{std::max(x->first, y->first), std::min(x->last, y->last)};
        if (both.first <= both.last)
            common.push_back(both);
        if (x->last < y->last)
            ++x;
        else
            ++y;
    }
    return common;
}

std::int64_t countAddresses(const std::vector<IpRange>& ranges) {
    constexpr Wide most = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
    Wide total = 0;
    for (const IpRange& range : ranges) {
        const Wide size = number(range.last) - number(range.first);
        if (size >= most || total + size + 1 >= most)
            return std::numeric_limits<std::int64_t>::max();
        total += size + 1;
    }
    return static_cast<std::int64_t>(total);
}

std::vector<IpRange> parseRanges(const std::vector<std::string>& texts) {
    std::vector<IpRange> ranges;
    for (const std::string& text : texts)
        if (const auto range = IpRange::parse(text))
            ranges.push_back(*range);
    return mergeRanges(std::move(ranges));
}

std::vector<IpRange> usableRanges(const std::vector<std::string>& ips, const std::vector<std::string>& excludeIPs) {
    return subtractRanges(parseRanges(ips), parseRanges(excludeIPs));
}

std::string printList(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts)
        out += (out.size() > 1 ? " " : "") + text;
    return out + "]";
}

std::string printList(const std::vector<IpRange>& ranges) {
    std::vector<std::string> texts;
    for (const IpRange& range : ranges)
        texts.push_back(range.str());
    return printList(texts);
}

bool isOrderedRange(int version, const std::string& text) {
    const auto range = IpRange::parse(text);
    return range && range->first.version() == version && range->first <= range->last;
}

bool isAddress(int version, const std::string& text) {
    const auto ip = IpAddress::parse(text);
    return ip && ip->version() == version;
}

bool isCidr(int version, const std::string& text) {
    const auto cidr = Cidr::parse(text);
    return cidr && cidr->address.version() == version;
}

} // namespace rdmalab::cluster
