#pragma once

#include "util/ip.h"

#include <string>

namespace rdmalab::harness {

struct PingResult {
    bool answered = false;
    std::string detail; // "answered after 2 of 3", or what went wrong
};

// ICMP echo (v4 and v6) from the calling thread's network namespace. Waits up to `timeoutMs` for each of `tries` answers, and
// stops at the first. Throws SystemError when no raw socket can be had.
PingResult ping(const IpAddress& destination, int tries, int timeoutMs);

} // namespace rdmalab::harness
