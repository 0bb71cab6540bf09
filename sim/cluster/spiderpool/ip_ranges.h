// Sets of addresses as Spiderpool writes them: lists of "a" and "a-b". Works on ranges, so that a /64 costs no more than a /24.
#pragma once

#include "util/ip.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster {

// Sorted, overlapping and adjacent ranges joined. Reversed ranges count as swapped.
std::vector<IpRange> mergeRanges(std::vector<IpRange> ranges);
// Of merged sets.
std::vector<IpRange> subtractRanges(const std::vector<IpRange>& from, const std::vector<IpRange>& what);
std::vector<IpRange> intersectRanges(const std::vector<IpRange>& a, const std::vector<IpRange>& b);
std::int64_t countAddresses(const std::vector<IpRange>& ranges); // stops at the largest int64

// Every entry that parses, merged.
std::vector<IpRange> parseRanges(const std::vector<std::string>& texts);
// `ips` without `excludeIPs`.
std::vector<IpRange> usableRanges(const std::vector<std::string>& ips, const std::vector<std::string>& excludeIPs);
// "[a-b c]", as Go prints a list of strings.
std::string printList(const std::vector<std::string>& texts);
std::string printList(const std::vector<IpRange>& ranges);

// An ordered range of this family (spiderpool pkg/ip IsIPRange): "a" or "a-b" with a <= b.
bool isOrderedRange(int version, const std::string& text);
bool isAddress(int version, const std::string& text);
bool isCidr(int version, const std::string& text);

} // namespace rdmalab::cluster
