// Connects to a unix socket that may appear or start to listen only in a moment.
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/result.h"
#include "util/unique_fd.h"

#include <functional>
#include <memory>
#include <string>

namespace rdmalab::harness {

// Tries at once and, while nobody listens, again every few milliseconds until `limit` has passed; the error is then
// `context deadline exceeded`, as Go's blocking dial says. `reply` is never called within this call, and not at all once
// `owner` has expired.
void dialUnix(clock::EventLoop& loop, const std::string& path, clock::Duration limit, std::weak_ptr<void> owner,
              std::function<void(cluster::Result<std::shared_ptr<UniqueFd>>)> reply);

} // namespace rdmalab::harness
