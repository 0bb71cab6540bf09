#include "sim/clock/event_loop.h"

namespace rdmalab::clock {

EventLoop::TimerId EventLoop::after(Duration delay, Action action) {
    const TimerId id{now() + std::max(delay, Duration::zero()), ++serial_};
    timers_.emplace(std::pair{id.at, id.serial}, std::move(action));
    return id;
}

void EventLoop::cancel(TimerId id) {
    timers_.erase({id.at, id.serial});
}

bool EventLoop::runDueTimer(TimePoint now) {
    if (timers_.empty() || timers_.begin()->first.first > now)
        return false;
    // Taken out first: the action may add or cancel timers.
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
    return true;
}

} // namespace rdmalab::clock
