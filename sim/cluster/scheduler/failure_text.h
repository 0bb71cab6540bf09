// The FailedScheduling message (spec/kubernetes.md, section 9).
#pragma once

#include "sim/cluster/texts.h"

#include <cstddef>
#include <map>
#include <string>

namespace rdmalab::cluster {

struct SchedulingFailure {
    std::size_t nodes = 0;                      // in the cluster
    std::map<std::string, std::size_t> reasons; // text -> nodes
    std::size_t resolvable = 0;                 // nodes on which removing pods might help
    std::string preemption;                     // instead of the counted part: "not eligible due to ..."
    bool preempting = false;                    // victims were found: no preemption part
};

std::string failureText(const SchedulingFailure& failure, TextProfile profile);

} // namespace rdmalab::cluster
