// The small formats of the language: what is accepted, and the value where it is not simply the text.
#pragma once

#include "harness/scenario/shape.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::scenario::formats {

// Go's duration ("30s", "1m30s", "500ms"), more than nothing and at most a day.
std::optional<std::chrono::milliseconds> parseDuration(std::string_view text);
// "b8ce:f603:00aa:bbcc" as sysfs prints it, "b8:ce:f6:03:00:aa:bb:cc" or "0xb8cef60300aabbcc"; never 0.
std::optional<std::uint64_t> parseGuid(std::string_view text);

extern const Format duration, cidr, address, addressRange, quantity, pciAddress, macAddress, relativePath, absolutePath, regex,
    dnsLabel, dnsSubdomain, nodeNameTemplate, interfaceName, rdmaName, objectName, notEmpty, helmSet, variableName,
    addressOrTemplate, charDeviceName, errnoName, pciId, pciClass, guid, cpuList;

} // namespace rdmalab::scenario::formats
