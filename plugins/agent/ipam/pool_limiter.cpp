#include "plugins/agent/ipam/pool_limiter.h"

#include <algorithm>
#include <stdexcept>

namespace rdmalab::plugin::ipam {

namespace {

bool intersects(const std::set<std::string>& a, const std::set<std::string>& b) {
    return std::any_of(a.begin(), a.end(), [&](const std::string& pool) { return b.contains(pool); });
}

} // namespace

PoolLimiter::Ticket::~Ticket() {
    const std::lock_guard lock(limiter_.mutex_);
    for (const auto& pool : pools_)
        limiter_.held_.erase(pool);
    limiter_.grant();
}

void PoolLimiter::grant() {
    std::set<std::string> wantedBefore;
    for (Waiter& waiter : waiting_) {
        if (waiter.granted)
            continue;
        if (intersects(waiter.wanted, held_) || intersects(waiter.wanted, wantedBefore)) {
            wantedBefore.insert(waiter.wanted.begin(), waiter.wanted.end());
            continue;
        }
        held_.insert(waiter.wanted.begin(), waiter.wanted.end());
        waiter.granted = true;
        waiter.ready.notify_one();
    }
}

PoolLimiter::Ticket PoolLimiter::acquire(const std::vector<std::string>& pools) {
    const std::set<std::string> wanted(pools.begin(), pools.end());
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= maxWaiting)
        throw std::runtime_error("failed to queue correctly: queue is full with a maximum length of " +
                                 std::to_string(maxWaiting));
    const auto waiter = waiting_.emplace(waiting_.end(), wanted);
    grant();
    waiter->ready.wait(lock, [&] { return waiter->granted; });
    waiting_.erase(waiter);
    return Ticket(*this, wanted);
}

} // namespace rdmalab::plugin::ipam
