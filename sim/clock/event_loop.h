// One queue of timed and immediate events. VirtualLoop has no real time: it jumps to the next event. RealLoop follows the
// machine's monotonic clock and also waits for file descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace rdmalab::clock {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::nanoseconds; // since the loop began
using Action = std::function<void()>;

class EventLoop {
public:
    // Names one timer; cancelling one that has run is harmless.
    struct TimerId {
        TimePoint at{};
        std::uint64_t serial = 0;
    };

    EventLoop() = default;
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    virtual ~EventLoop() = default;

    virtual TimePoint now() const = 0;
    // Runs `action` once, `delay` from now; actions due at the same instant run in the order in which they were asked for.
    TimerId after(Duration delay, Action action);
    void cancel(TimerId id);
    // Runs `action` after the events that are already due. On a RealLoop this, and only this, may be called from any thread.
    virtual void post(Action action) = 0;

    // Handles events until `done()` is true (checked after each event) or, when `limit` is not negative, until `limit` from now.
    // Returns done(). A VirtualLoop also returns when no event is left.
    virtual bool runUntil(const std::function<bool()>& done, Duration limit) = 0;

protected:
    bool hasTimer() const { return !timers_.empty(); }
    TimePoint nextTimer() const { return timers_.begin()->first.first; }
    // Takes and runs the first timer if it is due at `now`.
    bool runDueTimer(TimePoint now);

private:
    std::map<std::pair<TimePoint, std::uint64_t>, Action> timers_;
    std::uint64_t serial_ = 0;
};

} // namespace rdmalab::clock
