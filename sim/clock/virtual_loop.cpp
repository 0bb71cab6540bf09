#include "sim/clock/virtual_loop.h"

namespace rdmalab::clock {

bool VirtualLoop::runUntil(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = limit < Duration::zero() ? TimePoint::max() : now_ + limit;
    while (!done()) {
        if (!hasTimer() || nextTimer() > end) {
            if (end != TimePoint::max())
                now_ = end;
            return done();
        }
        now_ = std::max(now_, nextTimer());
        runDueTimer(now_);
    }
    return true;
}

} // namespace rdmalab::clock
