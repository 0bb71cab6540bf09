#include "sim/hardware/cpu_list.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <set>

namespace rdmalab::hardware {
namespace {

constexpr unsigned largestCpu = 8191; // NR_CPUS of distribution kernels

std::optional<unsigned> takeNumber(std::string_view& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value > largestCpu)
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

} // namespace

std::optional<std::vector<unsigned>> parseCpuList(std::string_view text) {
    std::set<unsigned> cpus;
    while (!text.empty()) {
        const auto first = takeNumber(text);
        if (!first)
            return std::nullopt;
        unsigned last = *first;
        if (text.starts_with('-')) {
            text.remove_prefix(1);
            const auto end = takeNumber(text);
            if (!end || *end < *first)
                return std::nullopt;
            last = *end;
        }
        for (unsigned cpu = *first; cpu <= last; ++cpu)
            cpus.insert(cpu);
        if (text.empty())
            break;
        if (!text.starts_with(',') || text.size() == 1)
            return std::nullopt;
        text.remove_prefix(1);
    }
    return std::vector<unsigned>(cpus.begin(), cpus.end());
}

std::string cpuListText(const std::vector<unsigned>& cpus) {
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t end = i;
        while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1)
            ++end;
        text += text.empty() ? "" : ",";
        text += end == i ? std::to_string(cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[end]);
        i = end + 1;
    }
    return text;
}

std::string cpuMaskText(const std::vector<unsigned>& cpus) {
    std::vector<std::uint32_t> words(cpus.empty() ? 1 : cpus.back() / 32 + 1);
    for (const unsigned cpu : cpus)
        words[cpu / 32] |= std::uint32_t{1} << cpu % 32;
    std::string text = fmt::format("{:x}", words.back());
    for (std::size_t i = words.size() - 1; i-- > 0;)
        text += fmt::format(",{:08x}", words[i]);
    return text;
}

} // namespace rdmalab::hardware
