// CPU lists ("0-15,32") and the masks that sysfs shows next to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::hardware {

// Sorted CPU numbers; empty text = no CPU. nullopt when it does not parse.
std::optional<std::vector<unsigned>> parseCpuList(std::string_view text);
std::string cpuListText(const std::vector<unsigned>& cpus); // "0-15,32"
// Comma-separated groups of 32 bits, the highest first, without leading zeros in the first: "ffff", "3,00000000".
std::string cpuMaskText(const std::vector<unsigned>& cpus);

} // namespace rdmalab::hardware
