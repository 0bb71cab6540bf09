// Puts the processes of a node under the supervisor that answers for the fake kernel.
#pragma once

#include "harness/sandbox/child_process.h"

#include <functional>
#include <memory>

namespace rdmalab::fakekernel {
class Handler;
class Supervisor;
} // namespace rdmalab::fakekernel

namespace rdmalab::harness {

// For ProcessSpec::supervise. `supervisor` must outlive every process that is started so.
std::function<std::unique_ptr<LaunchHook>()> supervisedBy(fakekernel::Supervisor& supervisor,
                                                          std::shared_ptr<fakekernel::Handler> handler);

} // namespace rdmalab::harness
