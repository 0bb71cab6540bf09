#pragma once

#include "sim/clock/event_loop.h"

namespace rdmalab::clock {

// Time passes only by jumping to the next event: five minutes cost nothing. Single-threaded and deterministic.
class VirtualLoop final : public EventLoop {
public:
    TimePoint now() const override { return now_; }
    void post(Action action) override { after(Duration::zero(), std::move(action)); }
    bool runUntil(const std::function<bool()>& done, Duration limit) override;

private:
    TimePoint now_{};
};

} // namespace rdmalab::clock
