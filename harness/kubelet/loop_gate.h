// The way from gRPC's threads to the event loop, which can be shut: after close() nothing posted through it runs any more.
#pragma once

#include "sim/clock/event_loop.h"

#include <memory>
#include <mutex>

namespace rdmalab::harness {

class LoopGate : public std::enable_shared_from_this<LoopGate> {
public:
    explicit LoopGate(clock::EventLoop& loop) : loop_(&loop) {}
    LoopGate(const LoopGate&) = delete;
    LoopGate& operator=(const LoopGate&) = delete;

    void post(clock::Action action) { // from any thread
        const std::lock_guard lock(mutex_);
        if (loop_ == nullptr)
            return;
        loop_->post([self = shared_from_this(), action = std::move(action)] {
            if (self->open())
                action();
        });
    }
    void close() { // on the loop's thread; the loop may be destroyed afterwards
        const std::lock_guard lock(mutex_);
        loop_ = nullptr;
    }

private:
    bool open() {
        const std::lock_guard lock(mutex_);
        return loop_ != nullptr;
    }

    std::mutex mutex_;
    clock::EventLoop* loop_; // guarded by mutex_
};

} // namespace rdmalab::harness
