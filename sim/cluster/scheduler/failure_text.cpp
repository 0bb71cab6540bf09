#include "sim/cluster/scheduler/failure_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

namespace rdmalab::cluster {

namespace {

std::string counted(std::size_t nodes, const std::map<std::string, std::size_t>& reasons) {
    std::multiset<std::string> parts; // sorted as strings: "10 x" comes before "2 x"
    for (const auto& [text, count] : reasons)
        if (count > 0)
            parts.insert(fmt::format("{} {}", count, text));
    return fmt::format("0/{} nodes are available: {}.", nodes, fmt::join(parts, ", "));
}

} // namespace

std::string failureText(const SchedulingFailure& failure, TextProfile profile) {
    if (failure.nodes == 0)
        return "no nodes available to schedule pods";
    const Texts& table = texts(profile);
    std::string text = counted(failure.nodes, failure.reasons);
    if (failure.preempting)
        return text;
    text += table.newClaims ? " no new claims to deallocate, preemption: " : " preemption: ";
    if (!failure.preemption.empty())
        text += failure.preemption;
    else
        text += counted(failure.nodes, {{"No preemption victims found for incoming pod", failure.resolvable},
                                        {"Preemption is not helpful for scheduling", failure.nodes - failure.resolvable}});
    return table.secondDot ? text + "." : text;
}

} // namespace rdmalab::cluster
