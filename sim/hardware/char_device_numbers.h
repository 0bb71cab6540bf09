// Names and numbers of RDMA character devices, as the kernel gives them out.
#pragma once

#include "sim/hardware/machine.h"

#include <memory>
#include <vector>

namespace rdmalab::hardware {

// Of uverbs, umad and issm, those in `wanted`; umad and issm of one port share their number. Each takes the lowest number that
// no device of `nics` has, nor one of `hidden`, whose node is gone but not its number
// (drivers/infiniband/core/{uverbs_main,user_mad}.c: an ida). Behind the fixed minors of major 231 come dynamic majors; behind
// 1024 devices there is none any more.
std::vector<CharDevice> numberCharDevices(const std::vector<CharDeviceKind>& wanted,
                                          const std::vector<std::unique_ptr<Nic>>& nics,
                                          const std::vector<CharDevice>& hidden = {});

} // namespace rdmalab::hardware
